# Custom resource definitions, and an etcd that holds them already.

make_crds() {
    python3 "$parts/crds/fetch.py" "$1"
}

# etcd's folder with all definitions in it, made once: a server takes far longer to be given
# them than to start with them.
etcd_seed() {
    echo "$cache/etcd-$(printf '%s\n' "$(part controlplane)" "$(part crds)" | sha256sum | cut -c1-12)"
}

# The seed, when this is a new cluster; made first where there is none.
seed_etcd() {
    local seed
    seed=$(etcd_seed)
    [ -d "$state/etcd" ] && return
    [ -d "$seed" ] || step "crds (once)" make_etcd_seed "$seed"
    cp -a "$seed" "$state/etcd"
}

make_etcd_seed() {
    start_control
    kubectl apply --server-side --force-conflicts -f "$(part crds)/crds.yaml" >"$cache/crds.apply.log" 2>&1 ||
        fail "the CRDs were not accepted: $(grep -m1 -i error "$cache/crds.apply.log")"
    kubectl wait --for condition=established --timeout 120s crd --all >/dev/null || return
    stop kube-apiserver KILL
    stop etcd
    rm -rf "$1.new"
    cp -a "$state/etcd" "$1.new" && mv "$1.new" "$1"
}
