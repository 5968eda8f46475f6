"""The coordinator is away, and certificates have ended: a host that holds the authority's key signs for itself."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from kubefort import signing
from kubefort.errors import KubefortError, Unavailable
from kubefort.kubeadm.certificates import Certificate
from kubefort_agent.host import Host
from kubefort_agent.host.host import NoSupplies
from kubefort_agent.resources import CertificateFiles, Kubeconfig

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
CA = Path("/etc/kubernetes/pki/ca.crt")
SERVER = Certificate(
    "apiserver",
    "kubernetes",
    "kube-apiserver",
    usages=("server",),
    dns_names=("cp1", "kubernetes"),
    ip_addresses=("10.96.0.1",),
    path=Path("/etc/kubernetes/pki/apiserver.crt"),
)
LONG = f"system:node:{'a' * 60}.example.org"
KUBELET = Certificate(
    "kubelet",
    "kubernetes",
    LONG,
    ("system:nodes",),
    path=Path("/var/lib/kubelet/pki/kubelet-client-current.pem"),
    kubeconfig=Path("/etc/kubernetes/kubelet.conf"),
)
SCHEDULER = Certificate("scheduler.conf", "kubernetes", "system:kube-scheduler", kubeconfig=Path("/etc/scheduler.conf"))
FOREIGN = Certificate("etcd/peer", "etcd", "cp1", path=Path("/etc/kubernetes/pki/etcd/peer.crt"))


class Away(NoSupplies):
    async def sign(self, name: str, request: str) -> str:
        raise Unavailable(f"the certificate {name} is needed from the coordinator, and the coordinator is not reached")


class Authority:
    def __init__(self, begins: datetime.datetime, ends: datetime.datetime) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
        self.pem = self.certificate(self.name, self.key.public_key(), begins, ends)

    def certificate(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, begins: datetime.datetime, ends: datetime.datetime
    ) -> bytes:
        builder = x509.CertificateBuilder(self.name, name, key, x509.random_serial_number(), begins, ends)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def pair(self, wanted: Certificate, begins: datetime.datetime, ends: datetime.datetime) -> bytes:
        """Certificate and key in one, as they are kept; for certificates without other names."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = self.certificate(
            signing.subject(wanted.common_name, wanted.organizations), key.public_key(), begins, ends
        )
        return pem + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )

    def install(self, host: Host, *, with_key: bool = True) -> None:
        for name in ("ca", "etcd/ca"):
            place = host.path(f"/etc/kubernetes/pki/{name}.crt")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self.pem)
        if with_key:
            key = self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            host.path(CA.with_suffix(".key")).write_bytes(key)


@pytest.fixture
def authority(host: Host) -> Authority:
    authority = Authority(NOW - 500 * DAY, NOW + 3000 * DAY)
    authority.install(host)
    host.supplies = Away()
    return authority


def keep(host: Host, name: str, pem: bytes) -> None:
    kept = host.path(f"/var/lib/kubefort/secrets/certificates/{name}.pem")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(pem)


async def test_a_certificate_is_signed_here_with_all_its_names(host: Host, authority: Authority) -> None:
    files = CertificateFiles(SERVER, "ECDSA-P256")
    await files.apply(host)
    assert await files.diff(host) == ()
    found = x509.load_pem_x509_certificate(host.path("/etc/kubernetes/pki/apiserver.crt").read_bytes())
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert datetime.timedelta(days=364) < found.not_valid_after_utc - NOW < datetime.timedelta(days=366)


async def test_after_a_year_without_the_coordinator_an_ended_one_is_renewed(host: Host, authority: Authority) -> None:
    config = Kubeconfig(SCHEDULER, "ECDSA-P256", "https://192.0.2.1:6443", "kubernetes", CA)
    keep(host, "scheduler.conf", authority.pair(SCHEDULER, NOW - 400 * DAY, NOW - 35 * DAY))
    await config.apply(host)
    assert await config.diff(host) == ()


async def test_one_that_is_only_due_waits_for_the_coordinator(host: Host, authority: Authority) -> None:
    config = Kubeconfig(SCHEDULER, "ECDSA-P256", "https://192.0.2.1:6443", "kubernetes", CA)
    keep(host, "scheduler.conf", authority.pair(SCHEDULER, NOW - 300 * DAY, NOW + 65 * DAY))
    with pytest.raises(Unavailable):
        await config.apply(host)


async def test_kubelets_of_a_host_with_a_long_name(host: Host, authority: Authority) -> None:
    files = CertificateFiles(KUBELET, "ECDSA-P256")
    keep(host, "kubelet", authority.pair(KUBELET, NOW - 400 * DAY, NOW - 35 * DAY))
    await files.apply(host)
    assert await files.diff(host) == ()


async def test_without_the_authoritys_key_it_waits(host: Host) -> None:
    Authority(NOW - 500 * DAY, NOW + 3000 * DAY).install(host, with_key=False)
    host.supplies = Away()
    with pytest.raises(Unavailable):
        await CertificateFiles(SERVER, "ECDSA-P256").apply(host)


async def test_another_authoritys_key_does_not_do(host: Host, authority: Authority) -> None:
    """etcd's authority is with the coordinator only."""
    with pytest.raises(Unavailable):
        await CertificateFiles(FOREIGN, "ECDSA-P256").apply(host)
    assert not host.path("/etc/kubernetes/pki/etcd/peer.key").exists()


@pytest.mark.parametrize(("begins", "ends"), [(10, 3650), (-3650, -10)], ids=["clock behind", "clock ahead"])
async def test_a_clock_outside_the_authoritys_life_signs_nothing(host: Host, begins: int, ends: int) -> None:
    Authority(NOW + begins * DAY, NOW + ends * DAY).install(host)
    host.supplies = Away()
    with pytest.raises(KubefortError, match=r"by this host's clock.*nothing is signed"):
        await CertificateFiles(SERVER, "ECDSA-P256").apply(host)
    assert not host.path("/etc/kubernetes/pki/apiserver.crt").exists()


async def test_one_from_a_clock_that_was_ahead_is_seen(host: Host, authority: Authority) -> None:
    pem = authority.pair(SCHEDULER, NOW + 5 * DAY, NOW + 370 * DAY)
    faults = await host.pki.faults(pem, pem, authority.pem, SCHEDULER)
    assert len(faults) == 1
    assert faults[0].startswith("is not valid before")
