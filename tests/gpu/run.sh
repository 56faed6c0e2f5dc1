#!/usr/bin/env bash
# Runs the packed suites on a machine with a GPU: `run.sh` for all, `run.sh --without-gpu` for what a processor can show of them.
# The results are notebooks, pictures and result.txt in the folder `results` beside this script.
set -uo pipefail
cd "$(dirname "$0")"
mkdir -p results

gpu=true quick=false
if [ "${1:-}" = --without-gpu ]; then
    gpu=false quick=true
fi

# CUDA's libraries, from wherever Python packages (the user's own, too) or the toolkit have put them; the driver's come with
# the driver.
add() {
    if [ -d "$1" ]; then
        LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$1"
    fi
}
while IFS= read -r packages; do
    for folder in "$packages"/*/lib; do
        add "$folder"
    done
done < <(python3 -c 'import importlib.util as u; print(*u.find_spec("nvidia").submodule_search_locations, sep="\n")' 2>/dev/null)
for folder in /usr/local/cuda/lib64 /usr/local/nvidia/lib64; do
    add "$folder"
done
export LD_LIBRARY_PATH
if [ -d stub ] && ! sh ./has_driver.sh; then
    if $gpu; then
        echo "no libcuda.so.1: there is no NVIDIA driver here; with one of version 580 or later this runs on the GPU, and" \
            "gpu-suites/run.sh --without-gpu runs on the processor" >&2
        exit 1
    fi
    add "$PWD/stub"
fi
missing=$(LD_LIBRARY_PATH="$PWD/parity/lib:${LD_LIBRARY_PATH:-}" ldd parity/lib/libpatchbay.so | awk '/not found/ { print $1 }' | tr '\n' ' ')
if [ -n "$missing" ]; then
    echo "not found: $missing: these are in Python packages of CUDA 13:" \
        "python3 -m pip install 'nvidia-cublas==13.*' 'nvidia-curand==10.4.*' 'nvidia-cuda-nvrtc==13.*' 'nvidia-cuda-runtime==13.*'" >&2
    exit 1
fi
failed=0
{
    date --utc +'%Y-%m-%d'
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null || echo "no driver"
    LD_LIBRARY_PATH="$PWD/parity/lib:${LD_LIBRARY_PATH:-}" ./ops_parity reference:: || failed=1
    parity/run -p require_gpu=$gpu -o results/parity.ipynb || failed=1
    benchmark/run -p quick=$quick -p peer="$PWD/peer.py" -o results/benchmark.ipynb || failed=1
    python3 - results/parity.ipynb results/benchmark.ipynb <<'PYTHON'
import json
import sys

for path in sys.argv[1:]:
    try:
        cells = json.load(open(path))["cells"]
    except OSError as error:
        print(error)
        continue
    for output in (output for cell in cells for output in cell.get("outputs", [])):
        text = output.get("text") or output.get("data", {}).get("text/plain") or output.get("evalue", "")
        print("".join(text))
PYTHON
    exit "$failed"
} 2>&1 | tee results/result.txt
