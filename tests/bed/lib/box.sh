# The box: a network, mount and process namespace that hold the whole bed, and cgroups. Its
# first process ends all others when it ends, and their mounts go with them: so `down` needs
# to know nothing of shims, containers and volumes.

# Folders whose paths are written into kubelet, containerd and CNI: the box sees its own.
fixed_paths=(/run/containerd /var/lib/kubelet /var/lib/cni /var/log/containers)

# Everything in one place, by name. $state is only removed with this mark in it.
make_state() {
    if [ -d "$state" ] && [ ! -e "$state/.infer-bed" ] && [ -n "$(ls -A "$state")" ]; then
        fail "$state holds something else: set INFER_BED_STATE to an empty folder"
    fi
    # The longest of the sockets in it; the system allows 107 bytes.
    [ ${#state} -le 60 ] || fail "the path of INFER_BED_STATE is too long for unix sockets: at most 60 bytes"
    if [ -e "/run/netns/$netns" ] && [ ! -e "$state/.infer-bed" ]; then
        fail "there is a network namespace $netns of somebody else: name another folder with INFER_BED_STATE"
    fi
    mkdir -p "$state"/{logs,pids,bin,run}
    touch "$state/.infer-bed"
}

make_network() {
    if [ ! -e "/run/netns/$netns" ]; then
        ip netns add "$netns" || fail "cannot make a network namespace: needs root and CONFIG_NET_NS"
    fi
    nsenter --net="/run/netns/$netns" bash -euo pipefail -s "$node_ip" "$fake_node_ip" "$gateway_ip" "$fake_pods" <<'END'
ip link show bed0 >/dev/null 2>&1 && exit
ip link set lo up
# A kubelet refuses a loopback address, so the node's are on a veth pair. Nothing leaves it:
# the other end is here as well.
ip link add bed0 type veth peer name bed1
ip link set bed0 up
ip link set bed1 up
for address in "$1" "$2" "$3"; do ip address add "$address/24" dev bed0; done
ip route add default via "$1" dev bed0
# Whatever is bound to the address of a fake pod is that pod.
ip route add local "$4" dev lo
sysctl -qw net.ipv4.ip_forward=1
# A load test leaves many connections in TIME_WAIT.
sysctl -qw net.ipv4.ip_local_port_range='20000 65000' net.ipv4.tcp_tw_reuse=1
# Contour has Envoy listen 8000 above a listener's port; a client knows the listener's.
nft -f - <<RULES
table ip bed {
    chain output { type nat hook output priority -100; ip daddr $3 tcp dport 80 dnat to $3:8080; }
    chain prerouting { type nat hook prerouting priority -100; ip daddr $3 tcp dport 80 dnat to $3:8080; }
}
RULES
END
}

# The hierarchies of cgroup v1, or the one of v2.
cgroup_roots() {
    awk '$3 == "cgroup" || $3 == "cgroup2" {print $2}' /proc/self/mounts
}

make_box() {
    local path made=()
    box >/dev/null && return
    for path in "${fixed_paths[@]}"; do
        if [ ! -d "$path" ]; then
            mkdir -p "$path"
            echo "$path" >>"$cache/made"
        fi
    done
    mkdir -p "$state/hostproc" "${fixed_paths[@]/#/$state/fixed}"
    setsid nohup nsenter --net="/run/netns/$netns" \
        unshare --mount --pid --fork --propagation private \
        bash "$bed/lib/box-init" "$state" "${fixed_paths[@]}" \
        </dev/null >"$state/logs/box.log" 2>&1 9>&- &
    until_true 10 "the namespaces could not be made" box
    make_cgroups "$(box)"
}

# The box in cgroups of its own, beside which the kubelet puts the containers. A hierarchy
# that does not take it is left alone: what counts is that nothing stays behind.
make_cgroups() {
    local root path
    for root in $(cgroup_roots); do
        mkdir -p "$root/$netns/parts" || continue
        if [ -e "$root/cpuset.cpus" ]; then
            for path in "$root/$netns" "$root/$netns/parts"; do
                cat "$root/cpuset.cpus" >"$path/cpuset.cpus"
                cat "$root/cpuset.mems" >"$path/cpuset.mems"
            done
        fi
        if echo "$1" >"$root/$netns/parts/cgroup.procs"; then
            # Each part moves itself here: a process that enters namespaces keeps its cgroups.
            echo "$root/$netns/parts/cgroup.procs"
        fi
    done 2>/dev/null >"$state/cgroups"
}

# The fixed paths that a bed has made on the machine, unless a bed still uses them: it would
# lose what is mounted there.
remove_fixed_paths() {
    local path
    [ -s "$cache/made" ] || return 0
    sort -u "$cache/made" | while read -r path; do
        if grep -lqs " $path " /proc/[0-9]*/mountinfo; then
            echo "$path"
        else
            rmdir "$path" 2>/dev/null || true
        fi
    done >"$cache/made.new"
    mv "$cache/made.new" "$cache/made"
}

remove_cgroups() {
    local root
    for root in $(cgroup_roots); do
        [ ! -d "$root/$netns" ] || find "$root/$netns" -depth -type d -exec rmdir {} +
    done
}

# launch NAME COMMAND…: starts a part in the box, unless it runs; its pid file is written by
# itself, with the id that it has outside the box.
launch() {
    local name=$1
    shift
    alive "$state/pids/$name" >/dev/null && return
    echo "--- $(date -u +%FT%TZ) $*" >>"$state/logs/$name.log"
    rm -f "$state/pids/$name"
    inside bash "$bed/lib/box-launch" "$state" "$name" "$@" 9>&-
    until_true 5 "$name did not start" test -s "$state/pids/$name"
}

# stop NAME [SIGNAL]: ends a part and waits for it.
stop() {
    local pid
    pid=$(alive "$state/pids/$1") || return 0
    kill "-${2:-TERM}" "$pid"
    until_true 20 "$1 does not end" ended "$1"
}

ended() {
    ! alive "$state/pids/$1" >/dev/null
}
