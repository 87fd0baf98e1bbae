# etcd, the API server, the controllers, the scheduler, and who may talk to them.

# An authority of the bed's own, as every cluster has one; infer trusts no server unseen.
make_authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj /CN=infer-bed -keyout "$state/ca.key" -out "$state/ca.crt" 2>/dev/null &&
        certificate apiserver 127.0.0.1 && certificate registry "$node_ip"
}

# certificate NAME ADDRESS
certificate() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
        -keyout "$state/$1.key" -out "$state/$1.csr" 2>/dev/null &&
        openssl x509 -req -days 3650 -CA "$state/ca.crt" -CAkey "$state/ca.key" -CAcreateserial \
            -extfile <(echo "subjectAltName=IP:$2,DNS:kubernetes.default.svc") \
            -in "$state/$1.csr" -out "$state/$1.crt" 2>/dev/null
}

make_keys() {
    [ -s "$state/service-accounts.pub" ] && return
    make_authority || fail "openssl could not make certificates"
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$state/service-accounts.key" &&
        openssl pkey -in "$state/service-accounts.key" -pubout -out "$state/service-accounts.pub"
    local admin infer
    admin=$(openssl rand -hex 16) infer=$(openssl rand -hex 16)
    # `infer` may do what examples/rbac.yaml gives its group, and nothing else.
    cat >"$state/tokens.csv" <<END
$admin,admin,admin,"system:masters"
$infer,infer,infer,"inference-operators"
END
    kubeconfig admin "$admin" default >"$state/admin.kubeconfig"
    kubeconfig infer "$infer" default >"$state/infer.kubeconfig"
    chmod 600 "$state"/{tokens.csv,service-accounts.key,admin.kubeconfig,infer.kubeconfig}
}

# kubeconfig USER TOKEN NAMESPACE
kubeconfig() {
    cat <<END
apiVersion: v1
kind: Config
current-context: bed
contexts:
- name: bed
  context: {cluster: bed, user: $1, namespace: $3}
clusters:
- name: bed
  cluster: {server: "$api", certificate-authority-data: $(base64 -w0 "$state/ca.crt")}
users:
- name: $1
  user: {token: $2}
END
}

start_etcd() {
    launch etcd "$state/bin/etcd" --name bed --data-dir "$state/etcd" --unsafe-no-fsync \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster bed=http://127.0.0.1:2380 --log-level warn
}

start_apiserver() {
    launch kube-apiserver "$state/bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
        --advertise-address "$node_ip" --bind-address 127.0.0.1 --secure-port 6443 \
        --tls-cert-file "$state/apiserver.crt" --tls-private-key-file "$state/apiserver.key" --service-cluster-ip-range 10.246.0.0/16 \
        --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$state/service-accounts.pub" \
        --service-account-signing-key-file "$state/service-accounts.key" \
        --token-auth-file "$state/tokens.csv" --authorization-mode RBAC,Node \
        --kubelet-preferred-address-types InternalIP --allow-privileged \
        --endpoint-reconciler-type none
}

apiserver_ready() {
    request GET /readyz --max-time 1
}

# request METHOD PATH [CURL-OPTION…]: what kubectl does in ten times the time.
request() {
    local method=$1 path=$2
    shift 2
    nsenter --net="/run/netns/$netns" -- curl --silent --fail --max-time 5 --cacert "$state/ca.crt" \
        --header "Authorization: Bearer $(head -1 "$state/tokens.csv" | cut -d, -f1)" \
        --request "$method" "$api$path" "$@"
}

# Half a minute without the API server, as a test has it, makes no node look lost.
start_controllers() {
    local common=(--kubeconfig "$state/admin.kubeconfig" --leader-elect=false --secure-port 0
        --authentication-kubeconfig "$state/admin.kubeconfig"
        --authorization-kubeconfig "$state/admin.kubeconfig")
    launch kube-controller-manager "$state/bin/kube-controller-manager" "${common[@]}" \
        --service-account-private-key-file "$state/service-accounts.key" \
        --use-service-account-credentials=false --node-monitor-grace-period 180s
    launch kube-scheduler "$state/bin/kube-scheduler" "${common[@]}"
}

start_control() {
    start_etcd
    start_apiserver
}

control_ready() {
    until_true 60 "the API server does not become ready" apiserver_ready
}
