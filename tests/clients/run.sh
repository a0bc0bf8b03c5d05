#!/usr/bin/env bash
# Clients of LibreTranslate and DeepL, and a validator of OpenAPI, against the service, each of the version named here and in
# an environment of its own.
# run.sh BINARY: needs python3, and node with npm; without the one or the other those clients are passed over, with a word.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
binary="$(realpath "${1:?the binary to test}")"
# Outside of the repository, and kept from run to run.
work="${T5_GPU_CLIENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/t5-gpu-clients}"
if ! command -v python3 >/dev/null; then
    echo "no python3 here: the clients of the service are not tested" >&2
    exit 0
fi
mkdir -p "$work"

log="$(mktemp)"
"$binary" serve --port 0 2>"$log" &
service=$!
trap 'kill $service 2>/dev/null || true; rm -f "$log"' EXIT
url=""
for _ in $(seq 300); do
    url="$(sed -n 's/.*listening at \(http:[^ ]*[0-9]\)\/.*/\1/p' "$log")"
    if [ -n "$url" ] && python3 "$here/ready.py" "$url" 2>/dev/null; then break; fi
    kill -0 $service 2>/dev/null || { cat "$log" >&2; exit 1; }
    sleep 0.1
done

failed=0
# check NAME COMMAND...
check() {
    if "${@:2}" "$url"; then
        echo "$1: ok"
    else
        echo "$1: FAILED" >&2
        failed=1
    fi
}

# python_client PACKAGE==VERSION SCRIPT
python_client() {
    local place="$work/python/${1%%==*}-${1##*==}"
    if [ ! -e "$place/installed" ]; then
        python3 -m venv "$place"
        "$place/bin/pip" install -q --disable-pip-version-check "$1"
        touch "$place/installed"
    fi
    check "$1" "$place/bin/python" "$here/$2"
}

# node_client PACKAGE@VERSION SCRIPT
node_client() {
    local place="$work/node/${1//@/-}"
    if [ ! -e "$place/installed" ]; then
        mkdir -p "$place"
        npm install --silent --no-audit --no-fund --prefix "$place" "$1"
        touch "$place/installed"
    fi
    cp "$here/$2" "$place/"
    check "$1" node "$place/$2"
}

python_client libretranslatepy==2.1.1 libretranslatepy_client.py
python_client libretranslate-aio==0.1.3 libretranslate_aio_client.py
python_client deep-translator==1.11.4 deep_translator_client.py
python_client translate==3.8.1 translate_client.py
python_client deepl==1.32.0 deepl_client.py
python_client openapi-spec-validator==0.9.0 openapi_client.py
if command -v npm >/dev/null; then
    node_client translate@3.1.0 translate_client.mjs
    node_client deepl-node@1.28.0 deepl_client.mjs
else
    echo "no npm here: the clients in JavaScript are passed over" >&2
fi
exit $failed
