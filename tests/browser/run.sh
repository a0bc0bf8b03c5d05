#!/usr/bin/env bash
# The page of the service in Chromium. run.sh BINARY [DIRECTORY for pictures]: needs node with npm, and Debian's chromium or
# the browser that CHROMIUM names; without them it is passed over, with a word.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
binary="$(realpath "${1:?the binary to test}")"
if [ -z "${CHROMIUM:-}" ] && [ ! -x /usr/bin/chromium ] && command -v apt-get >/dev/null; then
    . "$here/../../scripts/lib.sh"
    install "No Chromium here" "Debian's" chromium
fi
export CHROMIUM="${CHROMIUM:-/usr/bin/chromium}"
if ! command -v npm >/dev/null || [ ! -x "$CHROMIUM" ]; then
    echo "no npm or no Chromium here: the page is not tested in a browser" >&2
    exit 0
fi
# Outside of the repository, and kept from run to run.
work="${T5_GPU_BROWSER:-${XDG_CACHE_HOME:-$HOME/.cache}/t5-gpu-browser}"
mkdir -p "$work"
cp "$here/package.json" "$here/package-lock.json" "$here/page.mjs" "$work/"
(cd "$work" && npm ci --silent --no-audit --no-fund)

log="$(mktemp)"
# Under a prefix, so that nothing of the page is looked for elsewhere.
"$binary" serve --port 0 --url-prefix /a/b 2>"$log" &
service=$!
trap 'kill $service 2>/dev/null || true; rm -f "$log"' EXIT
url=""
for _ in $(seq 100); do
    url="$(sed -n 's/.*listening at \(http:[^ ]*\).*/\1/p' "$log")"
    [ -z "$url" ] || break
    kill -0 $service 2>/dev/null || { cat "$log" >&2; exit 1; }
    sleep 0.1
done
node "$work/page.mjs" "$url" ${2:+"$2"}
