# contour, which programs Envoy from the Gateway API, and Envoy.

start_gateway() {
    # Addresses of their own, so that no port is taken on those of the fake pods.
    launch contour "$state/bin/contour" serve --kubeconfig "$state/admin.kubeconfig" \
        --config-path "$bed/config/contour.yaml" --insecure --disable-leader-election \
        --xds-address 127.0.0.1 --xds-port 8001 --http-address 127.0.0.1 --http-port 8002 \
        --health-address 127.0.0.1 --health-port 8003 --debug-http-address 127.0.0.1 --debug-http-port 6060 \
        --stats-address 127.0.0.1 --stats-port 8004 --envoy-http-access-log /dev/null \
        --envoy-service-http-address "$gateway_ip" --envoy-service-https-address "$gateway_ip" \
        --ingress-status-address "$gateway_ip"
    if [ ! -s "$state/envoy.json" ]; then
        "$state/bin/contour" bootstrap "$state/envoy.new" --namespace infra --admin-address "$state/run/envoy.sock" \
            --xds-address 127.0.0.1 --xds-port 8001 >"$state/logs/bootstrap.log" 2>&1 &&
            jq '.admin.address = {socket_address: {address: "127.0.0.1", port_value: 9901}}' \
                "$state/envoy.new" >"$state/envoy.json" || return
    fi
    launch envoy "$state/bin/envoy" --config-path "$state/envoy.json" --service-cluster infra \
        --service-node bed --concurrency 2 --log-level warn --disable-hot-restart
}
