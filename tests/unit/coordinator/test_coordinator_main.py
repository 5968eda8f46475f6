"""`kubefort-coordinator setup`: the authority is made once, and operators are admitted."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubefort import identity
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.main import main, setup


def test_a_second_setup_keeps_the_authority_and_takes_the_new_address(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    first = setup(folder, "192.0.2.1", None, None)
    assert setup(folder, "192.0.2.2", None, None) == first
    coordinator = Coordinator(folder)
    assert coordinator.fleet_address == "192.0.2.2:7444"
    assert coordinator.pki.pin == first


def test_an_operator_keeps_access_when_another_key_of_his_is_admitted(tmp_path: Path) -> None:
    folder, out = tmp_path / "state", tmp_path / "out"
    pins = []
    for name in ("one", "two"):
        request = tmp_path / name
        request.write_text(identity.certificate_request(identity.new_key(), "root@cp-1"))
        setup(folder, "192.0.2.1", request, out)
        leaf = out.read_text().split("-----END CERTIFICATE-----\n")[0] + "-----END CERTIFICATE-----\n"
        pins.append(identity.pin(leaf))
    record = Coordinator(folder).records.operator("root@cp-1")
    assert record is not None
    assert set(record.identities) == set(pins)
    assert out.stat().st_mode & 0o777 == 0o600


def test_run_before_setup_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = ["--enrolment-port", "0", "--fleet-port", "0"]
    monkeypatch.setattr("sys.argv", ["kubefort-coordinator", "--folder", str(tmp_path), "run", *ports])
    with pytest.raises(SystemExit, match="not set up\nrun `kfctl init`"):
        main()
