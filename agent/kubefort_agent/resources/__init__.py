"""Resources: things of a host, each with an expected state, a diff that a person can read, an apply and an undo."""

from __future__ import annotations

from kubefort_agent.resources.base import Resource
from kubefort_agent.resources.binary import Binary
from kubefort_agent.resources.certificate import CertificateFiles
from kubefort_agent.resources.container import Container
from kubefort_agent.resources.file import File
from kubefort_agent.resources.folder import Folder
from kubefort_agent.resources.image import Image
from kubefort_agent.resources.kubeconfig import Kubeconfig
from kubefort_agent.resources.kubelet_files import KubeletFiles
from kubefort_agent.resources.link import Link
from kubefort_agent.resources.masquerade import Masquerade
from kubefort_agent.resources.module import Module
from kubefort_agent.resources.route import Route
from kubefort_agent.resources.secret import Secret
from kubefort_agent.resources.static_pod import StaticPod
from kubefort_agent.resources.swap import NoSwap
from kubefort_agent.resources.sysctl import Sysctl
from kubefort_agent.resources.unit import Unit

__all__ = [
    "Binary",
    "CertificateFiles",
    "Container",
    "File",
    "Folder",
    "Image",
    "Kubeconfig",
    "KubeletFiles",
    "Link",
    "Masquerade",
    "Module",
    "NoSwap",
    "Resource",
    "Route",
    "Secret",
    "StaticPod",
    "Sysctl",
    "Unit",
]
