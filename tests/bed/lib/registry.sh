# Two registries: one as plain HTTP, one with a password and a certificate of the bed's own
# authority, which no machine trusts unasked.

registry_user=infer
registry_password=hunter2
# Of that password, by bcrypt, which openssl cannot make.
registry_hash='$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.'

registry_config() {
    cat <<END
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $state/$1}
  delete: {enabled: true}
http:
  addr: $2
END
}

start_registries() {
    if [ ! -s "$state/registry-tls.yaml" ]; then
        echo "$registry_user:$registry_hash" >"$state/htpasswd"
        registry_config registry 127.0.0.1:5000 >"$state/registry-plain.yaml"
        {
            registry_config registry-tls "$node_ip:5443"
            echo "  tls: {certificate: $state/registry.crt, key: $state/registry.key}"
            echo "auth:"
            echo "  htpasswd: {realm: bed, path: $state/htpasswd}"
        } >"$state/registry-tls.yaml"
    fi
    launch registry "$state/bin/registry" serve "$state/registry-plain.yaml"
    launch registry-tls "$state/bin/registry" serve "$state/registry-tls.yaml"
}

registry_ready() {
    nsenter --net="/run/netns/$netns" -- curl --silent --fail --max-time 5 http://127.0.0.1:5000/v2/
}

# The registry's folder with the bed's own images in it, kept from the first time.
registry_seed() {
    echo "$cache/registry-store-$(cat "$cache"/image-{pause,llama-server}.key | sha256sum | cut -c1-12)"
}

seed_registry() {
    local seed
    seed=$(registry_seed)
    [ -d "$state/registry" ] || [ ! -d "$seed" ] || cp -a "$seed" "$state/registry"
}

push_images() {
    local name seed
    seed=$(registry_seed)
    [ ! -d "$seed" ] || [ ! -d "$state/registry" ] || return 0
    until_true 20 "the registry does not answer" registry_ready
    for name in pause llama-server; do
        nsenter --net="/run/netns/$netns" -- skopeo copy --quiet --preserve-digests --dest-tls-verify=false \
            "oci:$(image_layout $name)" "docker://localhost:5000/bed/$name:latest" || return
    done
    # Nobody else has written to it in a bed that is only starting.
    if [ ! -d "$seed" ] && [ -z "${healing:-}" ]; then
        cp -a "$state/registry" "$seed.new" && mv "$seed.new" "$seed"
    fi
}
