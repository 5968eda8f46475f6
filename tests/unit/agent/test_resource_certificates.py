from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubefort.errors import KubefortError
from kubefort.kubeadm.certificates import Certificate
from kubefort_agent.host import Host
from kubefort_agent.host.host import NoSupplies
from kubefort_agent.host.pki import SPREAD, renewal_share
from kubefort_agent.resources import CertificateFiles, Kubeconfig, StaticPod

NOW = datetime.datetime.now(datetime.timezone.utc)


class Signer:
    """A certificate authority that signs what the table says, for `days`."""

    def __init__(self, *certificates: Certificate) -> None:
        self.table = {certificate.name: certificate for certificate in certificates}
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
        self.days, self.signed = 365, 0
        self.certificate = self.build(self.name, self.key.public_key(), 3650)

    def build(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> bytes:
        builder = x509.CertificateBuilder(self.name, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(NOW - datetime.timedelta(days=365 - days if days < 365 else 0))
        builder = builder.not_valid_after(NOW + datetime.timedelta(days=days))
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    async def sign(self, name: str, request: str) -> str:
        self.signed += 1
        wanted = self.table[name]
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in wanted.organizations]
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name)])
        key = x509.load_pem_x509_csr(request.encode()).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return self.build(subject, key, self.days).decode()


CLIENT = Certificate("front", "kubernetes", "front", ("people",), path=Path("/etc/kubernetes/pki/front.crt"))
KUBELET = Certificate(
    "kubelet",
    "kubernetes",
    "system:node:n1",
    ("system:nodes",),
    path=Path("/var/lib/kubelet/pki/kubelet-client-current.pem"),
    kubeconfig=Path("/etc/kubernetes/kubelet.conf"),
)
ADMIN = Certificate("admin.conf", "kubernetes", "admin", ("admins",), kubeconfig=Path("/etc/kubernetes/admin.conf"))
AUTHORITY = Path("/etc/kubernetes/pki/ca.crt")


@pytest.fixture
def signer(host: Host) -> Signer:
    signer = Signer(CLIENT, KUBELET, ADMIN)
    host.path(AUTHORITY).parent.mkdir(parents=True)
    host.path(AUTHORITY).write_bytes(signer.certificate)
    host.supplies = signer  # type: ignore[assignment]
    return signer


async def test_key_and_certificate_lie_beside_each_other(host: Host, signer: Signer) -> None:
    files = CertificateFiles(CLIENT, "ECDSA-P256")
    assert await files.diff(host) == ("/etc/kubernetes/pki/front.crt: /etc/kubernetes/pki/front.crt is missing",)
    await files.apply(host)
    assert await files.diff(host) == ()
    assert host.path("/etc/kubernetes/pki/front.key").stat().st_mode & 0o777 == 0o600


def grow_old(host: Host, signer: Signer, days: int) -> None:
    """The certificate in place, and the one that is kept, has only so many days left."""
    key = host.path("/etc/kubernetes/pki/front.key").read_bytes()
    private = serialization.load_pem_private_key(key, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "people"), x509.NameAttribute(NameOID.COMMON_NAME, "front")]
    )
    old = signer.build(name, private.public_key(), days)
    host.path("/etc/kubernetes/pki/front.crt").write_bytes(old)
    host.path("/var/lib/kubefort/secrets/certificates/front.pem").write_bytes(old + key)


async def test_a_certificate_near_its_end_is_replaced(host: Host, signer: Signer) -> None:
    files = CertificateFiles(CLIENT, "ECDSA-P256")
    await files.apply(host)
    grow_old(host, signer, 100)
    (line,) = await files.diff(host)
    assert "wanted a new one" in line
    await files.apply(host)
    assert await files.diff(host) == ()
    assert signer.signed == 2


def test_certificates_of_one_age_are_renewed_at_different_times() -> None:
    shares = {renewal_share(CLIENT, bytes([number])) for number in range(20)}
    assert len(shares) == 20
    assert all(1 / 3 <= share < 1 / 3 + SPREAD for share in shares)
    assert renewal_share(KUBELET, b"") < 0.1


async def test_a_certificate_that_is_old_at_once_is_not_taken(host: Host, signer: Signer) -> None:
    files = CertificateFiles(CLIENT, "ECDSA-P256")
    signer.days = 10
    with pytest.raises(KubefortError, match=r"certificate front was signed, but it ends at .*\n.*timedatectl"):
        await files.apply(host)
    assert not host.path("/etc/kubernetes/pki/front.key").exists()


async def test_half_a_pair_is_made_whole_while_the_coordinator_is_away(host: Host, signer: Signer) -> None:
    files = CertificateFiles(CLIENT, "ECDSA-P256")
    await files.apply(host)
    before = host.path("/etc/kubernetes/pki/front.key").read_bytes()
    host.supplies = NoSupplies()
    host.path("/etc/kubernetes/pki/front.key").write_bytes(b"torn")
    assert await files.diff(host) == ("/etc/kubernetes/pki/front.crt: certificate or key cannot be read",)
    await files.apply(host)
    assert await files.diff(host) == ()
    assert host.path("/etc/kubernetes/pki/front.key").read_bytes() == before
    kept = host.path("/var/lib/kubefort/secrets/certificates/front.pem")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert host.path("/var/lib/kubefort/secrets").stat().st_mode & 0o777 == 0o700


async def test_a_key_that_others_may_read_is_closed_and_not_replaced(host: Host, signer: Signer) -> None:
    files = CertificateFiles(CLIENT, "ECDSA-P256")
    await files.apply(host)
    assert await files.diff(host) == ()
    host.path("/etc/kubernetes/pki/front.key").chmod(0o644)
    assert await files.diff(host) == ("/etc/kubernetes/pki/front.key: mode is 0644, wanted 0600",)
    await files.apply(host)
    assert await files.diff(host) == ()
    assert host.path("/etc/kubernetes/pki/front.key").stat().st_mode & 0o777 == 0o600
    assert signer.signed == 1


async def test_a_lost_kubeconfig_comes_back_as_it_was(host: Host, signer: Signer) -> None:
    config = Kubeconfig(ADMIN, "ECDSA-P256", "https://192.0.2.1:6443", "kubernetes", AUTHORITY)
    await config.apply(host)
    place = host.path("/etc/kubernetes/admin.conf")
    before = place.read_bytes()
    place.unlink()
    host.supplies = NoSupplies()
    await config.apply(host)
    assert place.read_bytes() == before
    place.chmod(0o644)
    assert await config.diff(host) == ("/etc/kubernetes/admin.conf: mode is not 0600",)
    await config.apply(host)
    assert (await config.diff(host), place.read_bytes()) == ((), before)


async def test_a_pod_is_made_anew_for_a_new_kubeconfig_only(host: Host) -> None:
    config = host.path("/etc/kubernetes/scheduler.conf")
    config.parent.mkdir(parents=True)
    pod = StaticPod("kube-scheduler", f"a: {StaticPod.STAMP}".encode(), (Path("/etc/kubernetes/scheduler.conf"),))
    config.write_text("old")
    await pod.apply(host)
    assert await pod.diff(host) == ()
    config.write_text("old")
    assert await pod.diff(host) == ()
    config.write_text("new")
    assert len(await pod.diff(host)) == 2
    await pod.apply(host)
    assert await pod.diff(host) == ()


async def test_another_key_another_name_another_authority(host: Host, signer: Signer) -> None:
    files = CertificateFiles(CLIENT, "ECDSA-P256")
    await files.apply(host)
    renamed = CertificateFiles(
        Certificate("front", "kubernetes", "front", ("others",), dns_names=("x",), path=CLIENT.path), "ECDSA-P256"
    )
    wrong = await renamed.diff(host)
    assert any("O is ['people'], wanted ['others']" in line for line in wrong)
    assert any("DNS names are [], wanted ['x']" in line for line in wrong)
    host.path(AUTHORITY).write_bytes(Signer().certificate)
    assert any("is not signed by" in line for line in await files.diff(host))
    host.path("/etc/kubernetes/pki/front.key").write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    assert any("do not belong together" in line for line in await files.diff(host))


async def test_kubelets_pem_is_dated_and_linked(host: Host, signer: Signer) -> None:
    files = CertificateFiles(KUBELET, "ECDSA-P256")
    await files.apply(host)
    link = host.path("/var/lib/kubelet/pki/kubelet-client-current.pem")
    target = link.readlink()
    assert target.name.startswith("kubelet-client-2")
    text = host.path(target).read_text()
    assert "BEGIN CERTIFICATE" in text
    assert "BEGIN EC PRIVATE KEY" in text


async def test_a_kubeconfig_holds_its_certificate_and_keeps_it(host: Host, signer: Signer) -> None:
    config = Kubeconfig(ADMIN, "ECDSA-P256", "https://192.0.2.1:6443", "kubernetes", AUTHORITY)
    await config.apply(host)
    assert await config.diff(host) == ()
    moved = Kubeconfig(ADMIN, "ECDSA-P256", "https://192.0.2.9:6443", "kubernetes", AUTHORITY)
    assert "192.0.2.9" in (await moved.diff(host))[0]
    await moved.apply(host)
    assert await moved.diff(host) == ()
    assert signer.signed == 1
    document = yaml.safe_load(host.path("/etc/kubernetes/admin.conf").read_text())
    assert document["current-context"] == "admin@kubernetes"


async def test_kubelets_kubeconfig_names_its_pem(host: Host, signer: Signer) -> None:
    config = Kubeconfig(KUBELET, "ECDSA-P256", "https://192.0.2.1:6443", "kubernetes", AUTHORITY)
    await config.apply(host)
    assert await config.diff(host) == ()
    user = yaml.safe_load(host.path("/etc/kubernetes/kubelet.conf").read_text())["users"][0]["user"]
    assert user["client-key"] == "/var/lib/kubelet/pki/kubelet-client-current.pem"
    assert signer.signed == 0


async def test_a_kubeconfig_that_is_no_yaml_is_written_anew(host: Host, signer: Signer) -> None:
    config = Kubeconfig(ADMIN, "ECDSA-P256", "https://192.0.2.1:6443", "kubernetes", AUTHORITY)
    host.path("/etc/kubernetes/admin.conf").write_bytes(b"\x00{")
    assert await config.diff(host) == ("/etc/kubernetes/admin.conf: is not YAML",)
    await config.apply(host)
    assert await config.diff(host) == ()


async def test_what_is_taken_away_leaves_no_key_behind(host: Host, signer: Signer) -> None:
    config = Kubeconfig(ADMIN, "ECDSA-P256", "https://192.0.2.1:6443", "kubernetes", AUTHORITY)
    for resource in (config, CertificateFiles(CLIENT, "ECDSA-P256"), CertificateFiles(KUBELET, "ECDSA-P256")):
        undo = await resource.undo(host)
        await resource.apply(host)
        for step in undo:
            await step.run(host)
    left = {path.name for path in host.root.rglob("*") if path.is_file() or path.is_symlink()}
    assert left == {"ca.crt"}
