#!/usr/bin/env bash
# Measures everything that bench/results holds and draws the chart, in one
# command. About a quarter of an hour on a quiet machine.
#
#   bench/record.sh MODELS [PHOTO]
#
# MODELS is a folder with v1-fp32.onnx, v2-fp32.onnx, v3l-fp32.onnx and
# v3s-fp32.onnx; those that are missing are left out. PHOTO is a JPEG of about
# 500 x 375 for the whole-process start; without one that part is left out.
# Environment:
#   NAME       of the results, as bench/results/NAME.json (default: the processor's)
#   PEERS      folder with node_modules (default .)
#   PYTHON     interpreter with PyTorch and OpenCV (default python3)
#   PRECISION  ours, as fp32,bf16x3,bf16 (default fp32)
#   THREADS    as 1,2 (default 1 and, where there are two processors, 2)
#   PAIRS, RUNS  turns of each engine and runs in a turn (default 7 and 100)
#   START_RUNS  processes for the start (default 20)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
models=${1:?usage: bench/record.sh MODELS [PHOTO]}
photo=${2:-}
peers=${PEERS:-.}
python=${PYTHON:-python3}
if [ -z "${THREADS:-}" ]; then
	THREADS=1
	if [ "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)" -ge 2 ]; then THREADS=1,2; fi
fi

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
CGO_ENABLED=0 go -C "$here/.." build -o "$temp/mobilenet" ./cmd/mobilenet

files=()
for m in v1 v2 v3l v3s; do
	if [ -f "$models/$m-fp32.onnx" ]; then files+=("$models/$m-fp32.onnx"); else echo "left out: $models/$m-fp32.onnx is missing" >&2; fi
done
[ ${#files[@]} -gt 0 ] || { echo "no models in $models" >&2; exit 2; }

# The processor's name as a file's, where no other is given.
if [ -z "${NAME:-}" ]; then
	NAME=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1 | tr 'A-Z' 'a-z' | tr -cs 'a-z0-9' '-' | sed 's/^-*//;s/-*$//')
	NAME=${NAME:-$(uname -m)}
fi
out=$here/results/$NAME.json
node "$here/vs_onnxruntime.mjs" --threads "$THREADS" --precision "${PRECISION:-fp32}" --pairs "${PAIRS:-7}" --runs "${RUNS:-100}" \
	--peers "$peers" --python "$python" --json "$out" "$temp/mobilenet" "${files[@]}"
go -C "$here/chart" run . "$out"

if [ -n "$photo" ] && [ -f "$models/v2-fp32.onnx" ]; then
	"$temp/mobilenet" convert "$models/v2-fp32.onnx" -o "$temp/v2.safetensors" >/dev/null 2>&1
	node "$here/start.mjs" --runs "${START_RUNS:-20}" --peers "$peers" --python "$python" --json "$here/results/$NAME-start.json" \
		"$temp/mobilenet" "$temp/v2.safetensors" "$models/v2-fp32.onnx" "$photo"
else
	echo "left out: the start (no PHOTO, or no v2-fp32.onnx)" >&2
fi
