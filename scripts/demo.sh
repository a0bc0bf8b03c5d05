#!/usr/bin/env bash
# Builds t5-gpu and translates English to German with the model inside it: scripts/demo.sh ["A sentence." ...]
# Arguments are those of `t5-gpu translate`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

cargo build --release --locked
T5_GPU="${CARGO_TARGET_DIR:-target}/release/t5-gpu"
ensure_adapter

if [ $# -eq 0 ]; then
    set -- "I love you." "The house is wonderful." "Where is the train station?" "We have no time." "What are you doing tonight?"
    printf '%s\n' "$@"
    echo
fi
exec "$T5_GPU" translate "$@"
