# What every script of the bed needs: where things are, and how they fail.
# Sourced by tests/bed/{up,down,enter,part} after they have set $bed to tests/bed.

# Everything the bed keeps is in two folders: the state, which `down` removes, and the cache of
# what was built, which it keeps.
state=${INFER_BED_STATE:-/var/lib/infer-bed}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/infer-bed
# Of the network namespace and the cgroups: beds with other state folders are other beds.
netns=${state##*/}

# Addresses, all inside the network namespace.
node_ip=10.200.0.1
fake_node_ip=10.200.0.2
gateway_ip=10.200.0.80
fake_pods=10.244.0.0/16
real_pods=10.245.0.0/24
api=https://127.0.0.1:6443

fail() {
    echo "tests/bed/${0##*/}: $*" >&2
    exit 1
}

# step NAME COMMAND…: runs it and prints a line with its seconds.
step() {
    local name=$1 start=${EPOCHREALTIME/./} tenths
    shift
    "$@" || fail "$name failed"
    tenths=$(((${EPOCHREALTIME/./} - start) / 100000))
    # What took no time is not news.
    [ "$tenths" -lt 2 ] || printf '%-12s %4d.%d s\n' "$name" $((tenths / 10)) $((tenths % 10)) >&2
}

# until_true SECONDS WHAT COMMAND…: waits for it, 10 times a second.
until_true() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "$what; its log is in $state/logs"
        sleep 0.1
    done
}

# One `up` or `down` at a time; descriptor 9 is closed for all that stays.
lock() {
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock --timeout "${1:-3600}" 9 || fail "another tests/bed/up or down is running"
}

need_root() {
    [ "$(id -u)" -eq 0 ] || fail "the bed needs root for namespaces, mounts and cgroups: run it with sudo"
}

# The host's process id in pid file $1, if that process still lives: an id alone may be
# somebody else's by now, so its start time is kept beside it.
alive() {
    local pid born
    read -r pid born 2>/dev/null <"$1" || return 1
    [ "$(born "$pid")" = "$born" ] && echo "$pid"
}

# When process $1 started, in clock ticks since boot; nothing for a zombie.
born() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
    # The name in parentheses may hold anything.
    set -- ${stat##*) }
    [ "$1" = Z ] || echo "${20}"
}

box() {
    alive "$state/pids/box"
}

# Runs a command where the bed's own processes run.
inside() {
    nsenter --target "$(box)" --mount --pid --net -- "$@"
}

kubectl() {
    nsenter --net="/run/netns/$netns" -- "$state/bin/kubectl" --kubeconfig "$state/admin.kubeconfig" "$@"
}
