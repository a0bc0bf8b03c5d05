#!/usr/bin/env bash
# Everything that must hold: formatting, lints, every test. Fails where there is no GPU adapter, software ones included.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

if command -v rustup >/dev/null; then
    rustup component add rustfmt clippy >/dev/null 2>&1 || true
fi
cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
# The program too, as the tests want it: built by itself it would have other features, and so all that lies under it.
cargo test --locked --no-run
T5_GPU="${CARGO_TARGET_DIR:-target}/debug/t5-gpu"
ensure_adapter
ensure_spirv_val
"$T5_GPU" devices
# Validation layers, where they are installed, would slow down every test: scripts/devices.sh has them look on.
WGPU_VALIDATION=0 cargo test --locked
# Clients and a browser take packages from elsewhere: only when asked for. CI asks.
if [ -n "${T5_GPU_CLIENT_TESTS:-}" ]; then
    tests/clients/run.sh "$T5_GPU"
    tests/browser/run.sh "$T5_GPU"
else
    echo "Clients of the service and its page in a browser were not tested: set T5_GPU_CLIENT_TESTS=1." >&2
fi
