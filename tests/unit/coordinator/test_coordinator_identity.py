"""Identities on disk, pins, and errors on their way back."""

from __future__ import annotations

import datetime
import socket
from pathlib import Path
from types import SimpleNamespace

import grpc
import grpc.aio
import pytest
from kubefort import identity
from kubefort.errors import InvalidInput, KubefortError, Refused, Unavailable
from kubefort.identity import Identity
from kubefort_coordinator.pki import Pki


@pytest.mark.parametrize("algorithm", ["ECDSA-P256", "RSA-2048"])
def test_an_identity_comes_back_from_disk_as_it_was(tmp_path: Path, algorithm: str) -> None:
    key = identity.new_key(algorithm)
    fleet = Pki(tmp_path / "pki").fleet
    certificate = fleet.sign(identity.certificate_request(key, "anything"), "node-1", (identity.AGENTS,))
    saved = Identity(key, certificate, fleet.certificate)
    saved.save(tmp_path / "identity")
    assert Identity.load(tmp_path / "identity") == saved
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "identity").iterdir()} == {0o600}
    assert saved.common_name == "node-1"
    left = saved.expires - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=364) < left <= datetime.timedelta(days=365)


def test_without_an_identity_one_is_told_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no identity") as caught:
        Identity.load(tmp_path)
    assert "kfctl join" in caught.value.hint


def test_the_pin_is_kubeadms(tmp_path: Path) -> None:
    """The pin of a certificate is that of its public key: the same for a renewed certificate of the same key."""
    fleet = Pki(tmp_path).fleet
    (tmp_path / "pki/fleet-ca.crt").unlink()
    again = Pki(tmp_path).fleet
    assert again.certificate != fleet.certificate
    assert identity.pin(again.certificate) == identity.pin(fleet.certificate)
    assert len(identity.pin(fleet.certificate)) == len("sha256:") + 64


def test_unknown_algorithms_and_damaged_certificates_are_invalid() -> None:
    with pytest.raises(InvalidInput, match="not one of"):
        identity.new_key("DSA")
    with pytest.raises(InvalidInput, match="not a certificate"):
        identity.pin("nonsense")


def test_a_silent_address_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable, match="does not answer"):
            identity.fetch_authority(address, "sha256:0", 2.0)


@pytest.mark.parametrize("years", [-1, 11])
def test_a_clock_that_is_years_off_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: int) -> None:
    authority = identity._certificate(Pki(tmp_path).fleet.certificate)
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=366 * years)
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda _: moment), timezone=datetime.timezone)
    monkeypatch.setattr(identity, "datetime", clock)
    with pytest.raises(Refused, match=f"clock of this host says {moment:%Y-%m-%d}"):
        identity._check_time([authority])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidInput),
        (grpc.StatusCode.PERMISSION_DENIED, Refused),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Unavailable),
        (grpc.StatusCode.INTERNAL, KubefortError),
    ],
)
def test_errors_come_back_with_message_and_hint(code: grpc.StatusCode, kind: type[KubefortError]) -> None:
    nothing = grpc.aio.Metadata()
    error = identity.as_error(grpc.aio.AioRpcError(code, nothing, nothing, details="it is so\ndo this"))
    assert type(error) is kind
    assert (error.message, error.hint) == ("it is so", "do this")
