#!/usr/bin/env bash
# What drivers make of the kernels on GPUs that need not be there: a table a device of every kernel that a command compiles,
# with registers, spills, workgroup memory, occupancy and loads.
#
#   benches/devices/kernels.sh DEVICE... [-- COMMAND...]
#
# DEVICE: polaris10 vega10 renoir navi21 navi31 gfx1201 (AMD), turing ampere (NVIDIA), m1 (Apple), adreno660 adreno740
# (Qualcomm), or `all`. COMMAND: what compiles them; without one, bench over the shape of t5-small with every weight type, with
# few rows and many, with beams and without. Nothing executes: results are rubbish.
#
# T5_GPU: the program, if not target/release/t5-gpu, which must have no debug assertions.
# TREE: a Debian tree with the drivers, for machines whose own are older; to enter it takes root.
#
# Needs gcc, python3 and Debian's libvulkan-dev, mesa-vulkan-drivers and mesa-drm-shim, the drivers from Mesa 26 or later
# (trixie-backports has them).
#
# Waves are those of a SIMD on AMD (in waves of 32 where there are such), of an SM on NVIDIA, of a core elsewhere.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
tree=${TREE:-}
libraries=/usr/lib/x86_64-linux-gnu
all="polaris10 vega10 renoir navi21 navi31 gfx1201 turing ampere m1 adreno660 adreno740"

# What makes the driver believe in the device.
environment() {
    local icd shim
    case $1 in
        turing) shim=nouveau icd=nouveau set="NOUVEAU_CHIPSET=0x162 NVK_I_WANT_A_BROKEN_VULKAN_DRIVER=1" ;;
        ampere) shim=nouveau icd=nouveau set="NOUVEAU_CHIPSET=0x172 NVK_I_WANT_A_BROKEN_VULKAN_DRIVER=1" ;;
        # It prints its instructions and tells them in no other way, in the order in which one thread compiles.
        m1) shim=asahi icd=asahi set="AGX_MESA_DEBUG=shaders RAYON_NUM_THREADS=1" ;;
        adreno*) shim=freedreno icd=freedreno set="FD_GPU_ID=${1#adreno}" ;;
        *) shim=amdgpu icd=radeon set="AMDGPU_GPU_ID=$1" ;;
    esac
    echo "$set LD_PRELOAD=$libraries/lib${shim}_noop_drm_shim.so VK_DRIVER_FILES=/usr/share/vulkan/icd.d/${icd}_icd.json"
}

devices=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    devices+=("$1")
    shift
done
shift || true
[ ${#devices[@]} -gt 0 ] || { sed -n '2,18p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
[ "${devices[0]}" != all ] || read -ra devices <<<"$all"
if [ $# -gt 0 ]; then
    program=$1
    shift
    commands=("$*")
else
    program=${T5_GPU:-target/release/t5-gpu}
    commands=()
    for dtype in f32 f16 int8; do
        bench="bench --arch t5-small --new-tokens 4 --repeat 1 --dtype $dtype"
        commands+=("$bench --batch-size 1,2,4,8,16,32,64" "$bench --batch-size 1,32 --num-beams 4")
    done
fi

work=$(mktemp -d --tmpdir="$tree/tmp" kernels.XXXXXX)
trap 'rm -rf "$work"' EXIT
inside=${work#"$tree"}
gcc -O1 -shared -fPIC -o "$work/liblayer.so" "$here/layer.c"
cat >"$work/layer.json" <<END
{"file_format_version": "1.2.0", "layer": {"name": "VK_LAYER_kernels", "type": "GLOBAL", "api_version": "1.3.0",
 "library_path": "$inside/liblayer.so", "implementation_version": "1", "description": "what drivers make of kernels"}}
END
cp "$program" "$work/program"

for device in "${devices[@]}"; do
    read -ra set <<<"$(environment "$device")"
    outs=()
    for command in "${commands[@]}"; do
        out=$work/$device.${#outs[@]}
        outs+=("$out")
        mkdir "$out"
        read -ra arguments <<<"$command"
        # Modules carry their WGSL, from which the table has names, only when wgpu debugs.
        run=(env WGPU_DEBUG=1 T5_GPU_CHECKED_SHADERS=0 MESA_SHADER_CACHE_DISABLE=true XDG_RUNTIME_DIR=/tmp HOME=/tmp
            VK_ADD_LAYER_PATH="$inside" VK_INSTANCE_LAYERS=VK_LAYER_kernels KERNELS_DIR="${out#"$tree"}"
            "${set[@]}" "$inside/program" "${arguments[@]}")
        if ! ${tree:+chroot "$tree"} "${run[@]}" >"$out/printed" 2>&1; then
            grep -a '^error' "$out/printed" >&2 || tail -n 5 "$out/printed" >&2
        fi
    done
    echo "## $device"
    echo
    python3 "$here/table.py" "$device" "${outs[@]}"
    echo
done
