# The one real node: containerd, CNI and a kubelet.

node=real
fake_gpus=8

containerd_config() {
    cat <<END
version = 3
root = "$state/containerd"
state = "$state/run/containerd"
temp = "$state/run/temp"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs"]
[grpc]
  address = "$state/run/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$state/run/opt"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "$(image_ref pause)"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "$state/certs.d"
[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["$(part node)/bin"]
  conf_dir = "$state/cni"
END
}

kubelet_config() {
    cat <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_ip
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
clusterDNS: [10.246.0.10]
clusterDomain: cluster.local
cgroupDriver: cgroupfs
cgroupRoot: /$netns
cgroupsPerQOS: false
containerRuntimeEndpoint: unix://$state/run/containerd.sock
enforceNodeAllocatable: []
# A machine that is busy or full is no reason to throw out a test's pods.
evictionHard: {memory.available: 0%, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%}
failCgroupV1: false
failSwapOn: false
imageGCHighThresholdPercent: 100
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
podLogsDir: $state/pod-logs
registerWithTaints: []
resolvConf: ""
serializeImagePulls: false
volumePluginDir: $state/volume-plugins
END
}

cni_config() {
    cat <<END
{"cniVersion": "1.0.0", "name": "bed", "plugins": [
  {"type": "ptp", "ipam": {"type": "host-local", "ranges": [[{"subnet": "$real_pods"}]],
   "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "$state/run/addresses"}}]}
END
}

# How containerd reaches the registry that has its own certificate.
hosts_config() {
    cat <<END
server = "https://$node_ip:5443"
[host."https://$node_ip:5443"]
  ca = "$state/ca.crt"
END
}

start_containerd() {
    mkdir -p "$state"/{cni,volume-plugins,"certs.d/$node_ip:5443"}
    containerd_config >"$state/containerd.toml"
    cni_config >"$state/cni/10-bed.conflist"
    hosts_config >"$state/certs.d/$node_ip:5443/hosts.toml"
    launch containerd "$state/bin/containerd" --config "$state/containerd.toml" --log-level warn
}

start_kubelet() {
    local labels=node.kubernetes.io/instance-type=bed,topology.kubernetes.io/zone=bed-1c
    labels+=,nvidia.com/gpu.present=true,nvidia.com/gpu.product=NVIDIA-L4,nvidia.com/gpu.memory=23034
    labels+=,nvidia.com/gpu.count=$fake_gpus,nvidia.com/gpu.replicas=1,nvidia.com/gpu.family=ada-lovelace
    labels+=,nvidia.com/gpu.compute.major=8,nvidia.com/gpu.compute.minor=9,nvidia.com/mig.capable=false
    labels+=,bed.infer.dev/real=true
    kubelet_config >"$state/kubelet.yaml"
    until_true 20 "containerd does not start" test -S "$state/run/containerd.sock"
    launch kubelet "$state/bin/kubelet" --config "$state/kubelet.yaml" \
        --kubeconfig "$state/admin.kubeconfig" --root-dir /var/lib/kubelet \
        --cert-dir "$state/run/kubelet" --hostname-override "$node" --node-ip "$node_ip" \
        --node-labels "$labels"
}

nodes_ready() {
    until_true 60 "not all nodes become ready" all_ready
}

# The real one and the fake ones; `up` waits for no more.
all_ready() {
    request GET /api/v1/nodes | jq -e '
        [.items[] | select(any(.status.conditions[]?; .type == "Ready" and .status == "True"))] | length == 5'
}

# A device plugin's part: the scheduler and the kubelet count what the node says it has.
fake_gpus_on_node() {
    local gpus="{\"nvidia.com/gpu\": \"$fake_gpus\"}"
    request PATCH "/api/v1/nodes/$node/status" --header 'Content-Type: application/merge-patch+json' \
        --data "{\"status\": {\"capacity\": $gpus, \"allocatable\": $gpus}}" >/dev/null
}
