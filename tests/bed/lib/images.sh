# The images that the bed itself makes: one plain tar layer, links and modes kept.

# image_layout NAME: its OCI layout in the cache.
image_layout() {
    echo "$cache/image-$1-$(cat "$cache/image-$1.key")"
}

image_ref() {
    echo "localhost:5000/bed/$1@$(jq -r '.manifests[0].digest' "$(image_layout "$1")/index.json")"
}

make_images() {
    local root work
    work=$(mktemp -d "$cache/pause.XXXXXX")
    cp "$parts/images/pause.c" "$work/"
    image pause "$parts/images/pause.c" pause_root "$work" '["/pause"]' || return
    rm -rf "$work"
    root=$("$bed/../setup/llama-server" --root) || fail "there is no llama-server to make an image of"
    image llama-server <(find "$root" -printf '%P %s %m %l\n' | sort) true "$root" '["/usr/bin/llama-server"]'
}

pause_root() {
    cc -static -Os -s -o "$1/pause" "$1/pause.c" && rm "$1/pause.c"
}

# image NAME KEY-FILE PREPARE ROOT ENTRYPOINT: a layout, unless one of the same key is there.
image() {
    local name=$1 key layout layer config manifest
    key=$({
        cat "$bed/lib/images.sh" "$2"
    } | sha256sum | cut -c1-12)
    layout=$cache/image-$name-$key
    if [ ! -d "$layout" ]; then
        "$3" "$4" || fail "could not compile the program of the image $name: is there a C library to link statically (libc6-dev)?"
        rm -rf "$layout.new"
        mkdir -p "$layout.new/blobs/sha256"
        tar --create --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
            --directory "$4" --file "$layout.new/layer" . || return
        layer=$(blob "$layout.new" "$layout.new/layer")
        jq --null-input --compact-output --argjson entrypoint "$5" --arg layer "${layer%% *}" '{
            architecture: "amd64", os: "linux", rootfs: {type: "layers", diff_ids: [$layer]},
            config: {Entrypoint: $entrypoint, Env: ["PATH=/usr/local/bin:/usr/bin:/bin"], WorkingDir: "/"}
        }' >"$layout.new/config"
        config=$(blob "$layout.new" "$layout.new/config")
        jq --null-input --compact-output --arg layer "$layer" --arg config "$config" '
            def described($type; $text): ($text | split(" ")) as [$digest, $size]
                | {mediaType: ("application/vnd.oci.image." + $type), digest: $digest, size: ($size | tonumber)};
            {schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
             config: described("config.v1+json"; $config), layers: [described("layer.v1.tar"; $layer)]}
        ' >"$layout.new/manifest"
        manifest=$(blob "$layout.new" "$layout.new/manifest")
        jq --null-input --compact-output --arg digest "${manifest%% *}" --argjson size "${manifest##* }" '
            {schemaVersion: 2, manifests: [{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $digest, size: $size}]}
        ' >"$layout.new/index.json"
        echo '{"imageLayoutVersion":"1.0.0"}' >"$layout.new/oci-layout"
        mv "$layout.new" "$layout"
    fi
    echo "$key" >"$cache/image-$name.key"
}

# blob LAYOUT FILE: moves a file to where its hash is its name; prints digest and size.
blob() {
    local digest size
    digest=$(sha256sum <"$2" | cut -d' ' -f1)
    size=$(stat --format=%s "$2")
    mv "$2" "$1/blobs/sha256/$digest"
    echo "sha256:$digest $size"
}
