"""Files of a control-plane host: ours against the real kubeadm's, by meaning."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from kubefort.kubeadm.certificates import (
    AUTHORITY_COMMON_NAMES,
    AUTHORITY_FILES,
    AUTHORITY_YEARS,
    LEAF_DAYS,
    certificates,
)
from kubefort.kubeadm.names import CONTROL_PLANE_COMPONENTS
from kubefort.model.spec import NodeSpec
from kubefort.paths import KUBELET, KUBERNETES, MANIFESTS, PKI
from kubefort_agent import desired
from kubefort_agent.host.facts import HostFacts
from kubefort_agent.resources import File, Kubeconfig, StaticPod

from tests.conformance.compare import differences, pod, pruned
from tests.conformance.deliberate import expected
from tests.conformance.stock import Stock

USAGES = {ExtendedKeyUsageOID.SERVER_AUTH: "server", ExtendedKeyUsageOID.CLIENT_AUTH: "client"}


@pytest.mark.parametrize("component", CONTROL_PLANE_COMPONENTS)
def test_manifest(component: str, theirs: Stock, spec: NodeSpec, facts: HostFacts) -> None:
    manifests = {r.name: r.manifest for r in desired.resources(spec, facts) if isinstance(r, StaticPod)}
    ours = pod(yaml.safe_load(manifests[component]))
    found = differences(pod(theirs.document(MANIFESTS / f"{component}.yaml")), ours)
    assert set(found) == expected(theirs.version, component), found


def test_no_other_manifests(theirs: Stock) -> None:
    assert {path.stem for path in theirs.file(MANIFESTS).iterdir()} == set(CONTROL_PLANE_COMPONENTS)


def test_kubelet_configuration(theirs: Stock, spec: NodeSpec, facts: HostFacts) -> None:
    ours = yaml.safe_load(files(spec, facts)[KUBELET / "config.yaml"])
    found = differences(pruned(theirs.document(KUBELET / "config.yaml")), pruned(ours))
    assert set(found) == expected(theirs.version, "kubelet"), found


def test_kubelet_instance_configuration(theirs: Stock, spec: NodeSpec, facts: HostFacts) -> None:
    path = KUBELET / "instance-config.yaml"
    ours = files(spec, facts).get(path)
    assert theirs.file(path).exists() == (ours is not None)
    if ours is not None:
        assert yaml.safe_load(ours) == theirs.document(path)


def test_kubelet_flags(theirs: Stock, spec: NodeSpec, facts: HostFacts) -> None:
    path = KUBELET / "kubeadm-flags.env"
    found = differences(flags(theirs.file(path).read_text()), flags(files(spec, facts)[path].decode()))
    assert set(found) == expected(theirs.version, "kubelet flags"), found


def test_certificates(theirs: Stock, spec: NodeSpec) -> None:
    ours = {c.path: c for c in certificates(spec.cluster, spec.node) if c.path is not None and c.name != "kubelet"}
    authorities = {path.relative_to("/") for path in AUTHORITY_FILES.values()}
    found = {path.relative_to(theirs.root) for path in theirs.file(PKI).rglob("*.crt")} - authorities
    assert found == {path.relative_to("/") for path in ours}
    for path, certificate in ours.items():
        parsed = x509.load_pem_x509_certificate(theirs.file(path).read_bytes())
        dns, addresses = alternative_names(parsed)
        authority = theirs.file(AUTHORITY_FILES[certificate.authority])
        parsed.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.read_bytes()))
        assert (certificate.common_name, certificate.organizations) == subject(parsed), path
        assert (set(certificate.dns_names), set(certificate.ip_addresses)) == (dns, addresses), path
        assert set(certificate.usages) == usages(parsed), path
        assert (lifetime(parsed).days, path) in ((LEAF_DAYS, path), (LEAF_DAYS + 1, path))


def test_authorities(theirs: Stock) -> None:
    for authority, path in AUTHORITY_FILES.items():
        parsed = x509.load_pem_x509_certificate(theirs.file(path).read_bytes())
        assert subject(parsed) == (AUTHORITY_COMMON_NAMES[authority], ())
        assert lifetime(parsed).days == AUTHORITY_YEARS * 365


def test_kubeconfigs(theirs: Stock, spec: NodeSpec, facts: HostFacts) -> None:
    ours = {r.path: r for r in desired.resources(spec, facts) if isinstance(r, Kubeconfig)}
    assert {path.name for path in theirs.file(KUBERNETES).glob("*.conf")} == {path.name for path in ours}
    for path, kubeconfig in ours.items():
        document = theirs.document(path)
        credentials = document["users"][0]["user"]
        parsed = x509.load_pem_x509_certificate(decoded(credentials["client-certificate-data"]))
        authority = decoded(document["clusters"][0]["cluster"]["certificate-authority-data"])
        mine = kubeconfig.document(authority, b"certificate", b"key")
        found = differences(essence(document), essence(mine))
        assert set(found) == expected(theirs.version, path.name), found
        certificate = kubeconfig.certificate
        assert (certificate.common_name, certificate.organizations) == subject(parsed), path
        assert set(certificate.usages) == usages(parsed), path


def files(spec: NodeSpec, facts: HostFacts) -> dict[Path, bytes]:
    return {r.path: r.content for r in desired.resources(spec, facts) if isinstance(r, File)}


def flags(environment: str) -> dict[str, str]:
    _, _, line = environment.strip().partition("=")
    return dict(flag.removeprefix("--").split("=", 1) for flag in line.strip('"').split())


def essence(kubeconfig: dict[str, Any]) -> dict[str, Any]:
    """All of a kubeconfig but credentials."""
    (cluster,), (context,), (user,) = kubeconfig["clusters"], kubeconfig["contexts"], kubeconfig["users"]
    return {
        "server": cluster["cluster"]["server"],
        "authority": cluster["cluster"]["certificate-authority-data"],
        "names": (cluster["name"], context["name"], user["name"]),
        "context": context["context"],
        "current": kubeconfig["current-context"],
    }


def decoded(text: str) -> bytes:
    return base64.b64decode(text)


def subject(certificate: x509.Certificate) -> tuple[str, tuple[str, ...]]:
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(name.value), tuple(str(organization.value) for organization in organizations)


def alternative_names(certificate: x509.Certificate) -> tuple[set[str], set[str]]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set(), set()
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return set(names.get_values_for_type(x509.DNSName)), addresses


def usages(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    return {USAGES[usage] for usage in extension.value}


def lifetime(certificate: x509.Certificate) -> datetime.timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc
