#!/usr/bin/env bash
# Puts a CUDA 13 toolkit into a folder, from Python packages: enough to build the SDK with the feature `cuda`, on a
# machine with or without a GPU. Needs Python 3 and a C compiler.
#
#   bash kernel/cuda/toolkit.sh target/cuda-toolkit
#   source target/cuda-toolkit/environment
#   cargo build --release --features patchbay/cuda
#
# CUDA_COMPUTE_CAP says for which card (90: H100, H200; 80: A100; 89: RTX 40 and L4; 120: RTX 50).
set -euo pipefail
if [ $# -ne 1 ]; then
    echo "usage: bash kernel/cuda/toolkit.sh FOLDER" >&2
    exit 2
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    'nvidia-cuda-nvcc==13.0.*' 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cccl==13.0.*' 'nvidia-cuda-crt==13.0.*' \
    'nvidia-nvvm==13.0.*' 'nvidia-cuda-nvrtc==13.0.*' 'nvidia-cublas==13.*' 'nvidia-curand==10.4.*'
packages=$(echo "$folder"/venv/lib/python3*/site-packages/nvidia/cu13)
ln -sfn "$packages" "$folder/cuda"

# The packages have libraries with versions in their names, the linker looks for names without.
lib=$folder/lib
mkdir -p "$lib"
for library in "$packages"/lib/*.so.*; do
    name=$(basename "$library")
    ln -sf "$library" "$lib/$name"
    ln -sf "$library" "$lib/${name%%.so.*}.so"
done
for library in "$packages"/lib/*.a; do
    ln -sf "$library" "$lib/$(basename "$library")"
done

# The driver's library comes with the driver. To link, a library with its names is enough: each answers that it is no
# driver (CUDA_ERROR_STUB_LIBRARY). On a machine without a driver the loader needs it, too, to start what was linked; then
# tensors are on the processor.
{
    grep -ohE '\bcu[A-Z][A-Za-z0-9_]*\b *\(|#define +cu[A-Z][A-Za-z0-9_]* +[A-Za-z0-9_()]*' "$packages/include/cuda.h" \
        | sed -E 's/#define +cu[A-Za-z0-9_]* +//; s/__CUDA_API_(PTDS|PTSZ)\((.*)\)/\2/; s/ *\($//' \
        | grep -E '^cu[A-Z]'
    # These are in a header that the packages do not have.
    printf '%s\n' cuProfilerInitialize cuProfilerStart cuProfilerStop
} | sort -u | sed -E 's/(.*)/int \1(void) { return 34; }/' > "$folder/stub.c"
mkdir -p "$folder/stub"
cc -shared -fPIC -w -Wl,-soname,libcuda.so.1 -o "$folder/stub/libcuda.so.1" "$folder/stub.c"
ln -sf libcuda.so.1 "$folder/stub/libcuda.so"

cp "$(dirname "$0")/has_driver.sh" "$folder/has_driver.sh"
cat > "$folder/environment" <<EOF
export CUDA_HOME="$folder/cuda" CUDA_PATH="$folder/cuda" CUDA_ROOT="$folder/cuda" CUDA_TOOLKIT_ROOT_DIR="$folder/cuda"
export NVCC="$folder/cuda/bin/nvcc" CUDA_COMPUTE_CAP="\${CUDA_COMPUTE_CAP:-90}"
export PATH="$folder/cuda/bin:\$PATH"
export LIBRARY_PATH="$lib:$folder/stub\${LIBRARY_PATH:+:\$LIBRARY_PATH}"
# Where programs find CUDA's libraries.
export LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+\$LD_LIBRARY_PATH:}$lib"
# The library that stands for the driver's, only where the loader finds no driver: it would hide one.
if ! sh "$folder/has_driver.sh"; then
    export LD_LIBRARY_PATH="\$LD_LIBRARY_PATH:$folder/stub"
fi
EOF
echo "source $folder/environment"
