#!/usr/bin/env bash
# What drivers and Khronos' layers say of this program, beyond what the tests ask:
#
#   scripts/devices.sh --quick      validation layers (core, synchronisation) over translate, verify and bench on this
#                                   machine's adapter, and verify in every weight type there: some minutes
#   scripts/devices.sh              the same, then, in a Debian tree of its own with current drivers (made once, takes root and
#                                   some minutes): kernel tests, verify and the layers on today's lavapipe, and for GPUs that
#                                   need not be there what their compilers make of every kernel; fails where one spills
#   scripts/devices.sh DEVICE...    of the GPUs only these (benches/devices/kernels.sh has the names)
#
# T5_GPU: the program, if not target/release/t5-gpu. TREE: where the tree is, if not /var/lib/t5-gpu-devices. MIRROR: Debian's, which it is made from.
# Installs Debian's packages that it needs, after saying so.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

quick=""
if [ "${1:-}" = --quick ]; then
    quick=yes
    shift
fi
devices=("$@")
[ ${#devices[@]} -gt 0 ] || devices=(all)
tree=${TREE:-/var/lib/t5-gpu-devices}
failures=()

if [ -z "${T5_GPU:-}" ]; then
    cargo build --release --locked
    T5_GPU="${CARGO_TARGET_DIR:-target}/release/t5-gpu"
fi

# check WHAT COMMAND...: notes WHAT where the command fails.
check() {
    local what=$1
    shift
    echo "== $what"
    "$@" || failures+=("$what")
}

# layers MODE ENTER WORK COMMAND...: runs the command under the validation layer and fails where that says anything. ENTER goes
# into the tree, or is `env`; WORK is a folder, as the command sees it, below ROOT.
layers() {
    local mode=$1 enter=$2 work=$3
    shift 3
    local here=$ROOT$work settings=$ROOT$work/vk_layer_settings.txt
    mkdir -p "$here"
    rm -f "$here/said"
    {
        echo "khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG"
        echo "khronos_validation.log_filename = $work/said"
        echo "khronos_validation.report_flags = error,warn"
        if [ "$mode" = sync ]; then
            # The name of old layers, then that of new ones.
            echo "khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT"
            echo "khronos_validation.validate_sync = true"
        fi
    } >"$settings"
    # wgpu's own use of the layer would send what it says elsewhere; debug builds would name WGSL as the source language, which old
    # layers do not know.
    # shellcheck disable=SC2086
    $enter WGPU_VALIDATION=0 WGPU_DEBUG=0 VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation VK_LAYER_SETTINGS_PATH="$work" "$@" >"$here/printed" 2>&1 ||
        { tail -n 5 "$here/printed"; return 1; }
    if [ ! -e "$here/said" ]; then
        echo "the validation layer was not there"
        return 1
    fi
    if [ -s "$here/said" ]; then
        head -n 20 "$here/said"
        return 1
    fi
}

# everything LABEL ENTER WORK PROGRAM: both layers over the commands, then verify in every weight type.
everything() {
    local label=$1 enter=$2 work=$3 program=$4 mode dtype
    for mode in core sync; do
        check "$label: $mode, translate" layers $mode "$enter" "$work" "$program" translate --quiet "I love you." "Good morning."
        check "$label: $mode, verify" layers $mode "$enter" "$work" "$program" verify --quiet --new-tokens 4
        for dtype in f32 f16 int8; do
            check "$label: $mode, bench $dtype" layers $mode "$enter" "$work" "$program" bench --quiet --dtype $dtype \
                --batch-size 1,8,32 --num-beams 1,4 --new-tokens 4 --repeat 1
        done
    done
    for dtype in f32 f16 int8; do
        # shellcheck disable=SC2086
        check "$label: verify $dtype" $enter "$program" verify --quiet --new-tokens 8 --dtype $dtype
    done
}

# Makes the tree, or finds it.
make_tree() {
    if [ ! -e "$tree/ready" ]; then
        [ "$(id -u)" -eq 0 ] || { echo "Making the tree $tree takes root: run this with sudo." >&2; exit 1; }
        command -v debootstrap >/dev/null || install "No debootstrap here" "debootstrap" debootstrap
        local mirror=${MIRROR:-http://deb.debian.org/debian}
        debootstrap --variant=minbase --include=ca-certificates trixie "$tree" "$mirror"
        echo "deb $mirror trixie-backports main" >>"$tree/etc/apt/sources.list"
        cp /etc/apt/apt.conf.d/* "$tree/etc/apt/apt.conf.d/" 2>/dev/null || true
        chroot "$tree" apt-get update -qq
        chroot "$tree" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -t trixie-backports \
            libvulkan1 mesa-vulkan-drivers mesa-drm-shim vulkan-validationlayers
        touch "$tree/ready"
    fi
    mountpoint -q "$tree/proc" || mount -t proc proc "$tree/proc"
    mountpoint -q "$tree/dev" || mount --bind /dev "$tree/dev"
}

ensure_adapter
[ -e /usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json ] ||
    install "No validation layer here" "Khronos' validation layers" vulkan-validationlayers
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ROOT="" everything "this machine" env "$work" "$T5_GPU"

if [ -z "$quick" ]; then
    make_tree
    mkdir -p "$tree/opt/t5-gpu/shaders"
    cp "$T5_GPU" "$tree/opt/t5-gpu/t5-gpu"
    lavapipe="chroot $tree env HOME=/root XDG_RUNTIME_DIR=/tmp VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json"
    ROOT=$tree everything "lavapipe" "$lavapipe" /opt/t5-gpu/layers /opt/t5-gpu/t5-gpu

    tests=$(cargo test --locked --test kernels --no-run --message-format=json 2>/dev/null |
        python3 -c 'import json, sys; print(next(m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable") and m["target"]["kind"] == ["test"]))')
    cp "$tests" "$tree/opt/t5-gpu/kernels"
    # What asks for spirv-val and the sources has nothing to do with a driver.
    # shellcheck disable=SC2086
    check "lavapipe: kernel tests" $lavapipe /opt/t5-gpu/kernels --skip spirv --skip translation

    [ -e /usr/include/vulkan/vulkan.h ] || install "No Vulkan headers here" "them" libvulkan-dev
    spills() {
        TREE=$tree T5_GPU=$T5_GPU benches/devices/kernels.sh "${devices[@]}" | tee "$work/table.md"
        # Columns 7 and 8 of a row, the bars counted: spills and scratch.
        awk -F'|' '/^\| [a-z]/ && $2 !~ /kernel/ && ($7 + $8 > 0) { print "spills:", $2, $3; bad = 1 } END { exit bad }' "$work/table.md"
    }
    check "no kernel spills" spills
fi

if [ ${#failures[@]} -gt 0 ]; then
    printf '\n%d failed:\n' ${#failures[@]}
    printf -- '- %s\n' "${failures[@]}"
    exit 1
fi
echo
echo "All well."
