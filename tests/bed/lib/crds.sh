# Custom resource definitions, and an etcd that holds them already.

# Without descriptions, nine tenths of them: they cost a server half a gigabyte and a minute.
make_crds() {
    python3 "$parts/crds/fetch.py" "$1" || return
    KUBECONFIG=/dev/null "$(part controlplane)/bin/kubectl" patch --local --type merge --patch '{}' \
        --filename "$1/crds.yaml" --output json |
        jq --compact-output 'walk(if type == "object" and (.description | type) == "string" then del(.description) else . end)' \
            >"$1/crds.json" && rm "$1/crds.yaml"
}

# etcd's folder with all definitions and the bed's own objects in it, made once: to be given
# them takes a server far longer than to start with them.
etcd_seed() {
    echo "$cache/etcd-$({
        echo "$(part controlplane)" "$(part crds)"
        cat "$bed/config/nodes.yaml" "$bed/config/gateway.yaml" "$bed/../../examples/rbac.yaml" "$bed/lib/crds.sh"
    } | sha256sum | cut -c1-12)"
}

# The seed, when this is a new cluster; made first where there is none.
seed_etcd() {
    local seed
    seed=$(etcd_seed)
    [ -d "$seed" ] || step "crds (once)" make_etcd_seed "$seed"
    [ -d "$state/etcd" ] || cp -a "$seed" "$state/etcd"
}

make_etcd_seed() {
    if [ -d "$state/etcd" ]; then
        # A cluster of other sources runs: it is kept, and given what is new.
        start_control
        control_ready
        apply_crds && objects
        return
    fi
    start_control
    control_ready
    apply_crds && objects || return
    stop kube-apiserver KILL
    stop etcd
    rm -rf "$1.new"
    cp -a "$state/etcd" "$1.new" && mv "$1.new" "$1"
}

apply_crds() {
    kubectl apply --server-side --force-conflicts --validate=ignore -f "$(part crds)/crds.json" >"$cache/crds.apply.log" 2>&1 ||
        fail "the CRDs were not accepted: $(grep -m1 -i error "$cache/crds.apply.log")"
    kubectl wait --for condition=established --timeout 120s crd --all >/dev/null
}

# The fake nodes, the Gateway, and the roles that are for the whole cluster; those of a
# namespace come with tests/bed/namespace.
objects() {
    local roles
    roles=$(awk 'BEGIN {RS = "---\n"; ORS = "---\n"} /kind: ClusterRole/' "$bed/../../examples/rbac.yaml")
    cat "$bed/config/nodes.yaml" <(echo ---) "$bed/config/gateway.yaml" <(echo ---) <(echo "$roles") |
        kubectl apply --server-side --force-conflicts --validate=ignore -f - >/dev/null
}
