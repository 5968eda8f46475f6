"""cluster.yaml with every default, and what each line means: what `kfctl config print-defaults` prints."""

DEFAULTS = """\
# Kubefort's cluster.yaml. Every value here is the default; leave out what you do not change.
apiVersion: kubefort.dev/v1
kind: Cluster

# Like v1.36.2; empty: the newest bundle that is at hand. Minors 1.20 to 1.37 are known, newer ones work with a warning.
kubernetesVersion: ""

# The cluster's name in kubeconfigs, and the DNS domain of Services.
name: kubernetes
domain: cluster.local

# host:port of the API for everybody outside the control plane, where a load balancer or a DNS name of your own leads
# to the API servers. Empty: the virtual IP on port 6443, or the first control-plane host without one.
endpoint: ""

# An address that one healthy control-plane host holds (VRRP). No interface: the one that leads to the other hosts.
vip: null
# vip:
#   address: 10.0.0.100
#   interface: ""
#   vrid: 51             # 1 to 255, unique in the network
#   intervalMs: 100      # how often the holder says that it is there; a multiple of 10
#   transport: unicast   # or multicast

# Subnets of pods and of Services: one, or one IPv4 and one IPv6. Every host gets a /24 (IPv6: a /64) of the pods'.
podSubnets: [10.244.0.0/16]
serviceSubnets: [10.96.0.0/12]

# routed: routes between the hosts, which must be in one network. manifest: podNetworkManifests are applied in order.
podNetwork: routed
podNetworkManifests: []

# ECDSA-P256 or RSA-2048, for every key.
keyAlgorithm: ECDSA-P256

# Secrets are encrypted before they are written to etcd.
encryptionAtRest: false

# More names and addresses for the API servers' certificates.
certSans: []

# Settings per component: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy, kubelet, coredns.
components: {}
# components:
#   kube-apiserver:
#     runMode: static-pod
#     extraArgs: {audit-log-maxage: "30"}
#     extraVolumes:
#       - {name: audit, hostPath: /var/log/kubernetes, mountPath: /var/log/kubernetes, readOnly: false}
#     patch: {}                    # merged into the manifest

# Hosts that the bootstrap waits for; empty: the first host alone, others join with tokens.
hosts: []
# hosts:
#   - name: cp1                    # its host name
#     role: control-plane          # or worker
#     address: 10.0.0.1            # empty: what the host finds out
#     labels: {}
#     taints: []                   # - {key: dedicated, value: db, effect: NoSchedule}
"""
