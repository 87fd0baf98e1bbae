# KWOK, which plays the GPU nodes and their pods.

start_kwok() {
    local stages config=()
    stages=$(part crds)/kustomize/stage
    mkdir -p "$state/kwok"
    cp -r "$bed/config/pod-log-texts" "$state/"
    cp "$stages/node/fast/node-initialize.yaml" \
        "$stages/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml" "$state/kwok/"
    for file in "$bed"/config/kwok/*.yaml; do
        sed "s|@STATE@|$state|g" "$file" >"$state/kwok/${file##*/}"
    done
    for file in "$state"/kwok/*.yaml; do
        config+=(--config "$file")
    done
    launch kwok "$state/bin/kwok" --kubeconfig "$state/admin.kubeconfig" \
        --manage-all-nodes=false --manage-nodes-with-label-selector type=kwok "${config[@]}" \
        --cidr "$fake_pods" --node-ip "$fake_node_ip" --node-port 10247 \
        --server-address "$fake_node_ip:10247" --node-lease-duration-seconds 40 \
        --enable-crds Logs
}
