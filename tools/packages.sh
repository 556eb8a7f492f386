# packages.sh - sourced by tools/demo and tools/test: Debian packages that are missing are installed, without recommends,
# as root or through sudo; without either the line to run is printed and the script ends with 2.

build_packages="cmake ninja-build gcc libc6-dev pkg-config libopenblas-pthread-dev libjansson-dev libpcre2-dev
    libutf8proc-dev libssl-dev zlib1g-dev"
# The OpenCL backend, and a device for it that every machine has.
opencl_packages="ocl-icd-opencl-dev opencl-headers libclblast-dev pocl-opencl-icd"

need_packages() {
    missing=""
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | cut -c1-2)" = "ii" ] ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" = 0 ]; then
        become=""
    elif command -v sudo >/dev/null 2>&1; then
        become=sudo
    else
        echo "missing packages; as root run: apt-get install --no-install-recommends$missing" >&2
        exit 2
    fi
    echo "installing$missing"
    # shellcheck disable=SC2086 # a list of words
    { $become apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive $become apt-get install -y -qq --no-install-recommends $missing >/dev/null; } ||
        { echo "could not install$missing" >&2; exit 2; }
}
