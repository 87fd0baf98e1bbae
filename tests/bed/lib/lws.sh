# The controller of LeaderWorkerSets. Its webhooks are part of it: they put the leader's address,
# the worker's number and their labels on pods.

lws_port=9443

# How the API server reaches the webhook $1.
lws_client() {
    echo "{url: \"https://$node_ip:$lws_port/$1\", caBundle: $(base64 -w0 "$state/ca.crt")}"
}

# lws_webhooks KIND LETTER VERB OPERATIONS-ON-PODS: a configuration as config/webhook of the
# module has it, with an address in place of a Service.
lws_webhooks() {
    cat <<END
apiVersion: admissionregistration.k8s.io/v1
kind: $1
metadata: {name: lws}
webhooks:
- name: $2leaderworkerset.kb.io
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  clientConfig: $(lws_client "$3-leaderworkerset-x-k8s-io-v1-leaderworkerset")
  rules:
  - {apiGroups: [leaderworkerset.x-k8s.io], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [leaderworkersets]}
- name: $2pod.kb.io
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  clientConfig: $(lws_client "$3--v1-pod")
  objectSelector: {matchExpressions: [{key: leaderworkerset.sigs.k8s.io/name, operator: Exists}]}
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [$4], resources: [pods]}
END
}

lws_config() {
    cat <<END
apiVersion: config.lws.x-k8s.io/v1alpha1
kind: Configuration
leaderElection: {leaderElect: false}
internalCertManagement: {enable: false}
webhook: {host: $node_ip, port: $lws_port, certDir: $state/lws}
metrics: {bindAddress: "0"}
health: {healthProbeBindAddress: "127.0.0.1:8005"}
END
}

# put PATH FILE: makes an object, or what is there like it.
put() {
    request PATCH "$1?fieldManager=bed&force=true" --output /dev/null \
        --header 'Content-Type: application/apply-patch+yaml' --data-binary "@$2"
}

start_lws() {
    local group=/apis/admissionregistration.k8s.io/v1
    if [ ! -s "$state/lws/tls.crt" ]; then
        certificate lws "$node_ip" || fail "openssl could not make a certificate"
        mkdir -p "$state/lws"
        cp "$state/lws.key" "$state/lws/tls.key"
        cp "$state/lws.crt" "$state/lws/tls.crt"
    fi
    lws_config >"$state/lws/config.yaml"
    launch lws "$state/bin/lws" --config "$state/lws/config.yaml" \
        --kubeconfig "$state/admin.kubeconfig" --zap-log-level error
    lws_webhooks MutatingWebhookConfiguration m mutate CREATE >"$state/lws/mutating.yaml"
    lws_webhooks ValidatingWebhookConfiguration v validate "CREATE, UPDATE" >"$state/lws/validating.yaml"
    put "$group/mutatingwebhookconfigurations/lws" "$state/lws/mutating.yaml" &&
        put "$group/validatingwebhookconfigurations/lws" "$state/lws/validating.yaml" ||
        fail "the API server did not take the webhooks of lws"
}

# Without its webhooks the API server takes no LeaderWorkerSet.
lws_ready() {
    until_true 30 "the LeaderWorkerSet controller does not answer" lws_answers
}

lws_answers() {
    nsenter --net="/run/netns/$netns" -- curl --silent --max-time 2 --output /dev/null \
        --cacert "$state/ca.crt" "https://$node_ip:$lws_port/"
}
