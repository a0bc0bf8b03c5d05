# Sourced by the other scripts: what a fresh machine lacks.

# Makes sure that there is a Vulkan device, installing Mesa's software driver where there is none.
# T5_GPU: the built binary, whose `devices` command answers that question.
ensure_adapter() {
    if "$T5_GPU" devices >/dev/null 2>&1; then
        return
    fi
    if ! command -v apt-get >/dev/null; then
        "$T5_GPU" devices
        return
    fi
    install "No Vulkan device here" "Mesa's software Vulkan driver" libvulkan1 mesa-vulkan-drivers
    "$T5_GPU" devices >/dev/null
}

# Makes sure that there is spirv-val, with which the tests judge what Vulkan drivers are given.
ensure_spirv_val() {
    if command -v spirv-val >/dev/null; then
        return
    fi
    if ! command -v apt-get >/dev/null; then
        echo "The tests need spirv-val: install Khronos' SPIRV-Tools (Fedora: spirv-tools; Arch: spirv-tools; others: the Vulkan SDK)." >&2
        return 1
    fi
    install "No spirv-val here" "Khronos' SPIRV-Tools" spirv-tools
}

# install WHY WHAT PACKAGE...
install() {
    echo "$1: installing $2 (apt-get install ${*:3})." >&2
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        sudo="sudo"
    fi
    $sudo apt-get update -qq >&2
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${@:3}" >&2
}
