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
    echo "No Vulkan device here: installing Mesa's software Vulkan driver (apt-get install libvulkan1 mesa-vulkan-drivers)." >&2
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        sudo="sudo"
    fi
    $sudo apt-get update -qq >&2
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libvulkan1 mesa-vulkan-drivers >&2
    "$T5_GPU" devices >/dev/null
}
