#!/usr/bin/env bash
# Packs the suites for a machine with a GPU and without Rust: notebooks compiled by `patchbay build`, PyTorch's side, a script.
#
#   source target/cuda-toolkit/environment
#   cargo build --release --workspace --features patchbay/cuda --target-dir target/cuda
#   cargo test --no-run --release --package patchbay-ops --features cuda --target-dir target/cuda --lib
#   bash tests/gpu/pack.sh target/cuda target/gpu-suites.tar.xz
#
# There: tar xf gpu-suites.tar.xz && gpu-suites/run.sh; without xz: python3 -m tarfile -e gpu-suites.tar.xz
set -euo pipefail
if [ $# -ne 2 ]; then
    echo "usage: bash tests/gpu/pack.sh TARGET_FOLDER ARCHIVE" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
patchbay=$(cd "$1" && pwd)/release/patchbay
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
suites=$work/gpu-suites
mkdir "$suites"
for suite in parity benchmark; do
    "$patchbay" build "$here/$suite.ipynb" -o "$suites/$suite"
done
# The comparison of every op with PyTorch's numbers is a test of the ops, and runs on the first GPU.
test=$(find "$(dirname "$patchbay")/deps" -name 'patchbay_ops-*' -executable -type f -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2)
if [ -z "$test" ]; then
    echo "no tests of patchbay-ops in $1: cargo test --no-run --release --package patchbay-ops --features cuda --target-dir $1 --lib" >&2
    exit 1
fi
cp "$test" "$suites/ops_parity"
# The driver's library comes with the driver. Where there is none, the loader still wants the names that are linked; each
# answers that it is no driver (CUDA_ERROR_STUB_LIBRARY).
if readelf -d "$suites/parity/lib/libpatchbay.so" | grep -q 'NEEDED.*libcuda\.so\.1'; then
    mkdir "$suites/stub"
    nm -D --undefined-only "$suites/parity/lib/libpatchbay.so" | awk '{ print $2 }' | sed 's/@.*//' | grep '^cu[A-Z]' \
        | sed -E 's/(.*)/int \1(void) { return 34; }/' > "$work/stub.c"
    # Of which two are called by way of functions of those names in the library itself.
    printf 'int %s(void) { return 34; }\n' cuMemAllocAsync cuMemAlloc_v2 >> "$work/stub.c"
    cc -shared -fPIC -w -Wl,-soname,libcuda.so.1 -o "$suites/stub/libcuda.so.1" "$work/stub.c"
    cp "$here/../../kernel/cuda/has_driver.sh" "$suites"
fi
cp "$here/peer.py" "$here/../bench/albef_torch.py" "$here/../bench/tide_torch.py" "$here/../bench/rounds.py" "$here/run.sh" "$suites"

# Both folders have the same libraries; the archive holds each once.
(cd "$suites/parity" && find . -type f) | while read -r file; do
    if cmp -s "$suites/parity/$file" "$suites/benchmark/$file"; then
        ln -f "$suites/parity/$file" "$suites/benchmark/$file"
    fi
done
# The libraries have much in common: a window over all of them finds it.
tar -C "$work" -cf - gpu-suites | xz --lzma2=preset=6,dict=512MiB > "$2"
bytes=$(stat -c %s "$2")
echo "$2: $((bytes / 1000000)) MB"
if [ "$bytes" -gt 60000000 ]; then
    echo "$2 has $bytes bytes: it is to have at most 60000000, so that it reaches every machine; see what is new in parity/lib" >&2
    exit 1
fi
