#!/usr/bin/env bash
# all.sh [NAME...]: runs the benchmarks, or those that are named, and prints each ratio beside its bar. Exit status 1 where one is missed.
# The machine must be idle. A peer that is not installed (torch, OpenCV, the side process of completion) leaves its benchmarks out, with a line.
# PYTHON names an interpreter with the peers (target/venv/bin/python, which tests/run.sh makes, where it is not set).
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-$PWD/target/venv/bin/python}
[ -x "$(command -v "$PYTHON")" ] || { echo "$PYTHON is not there: bash tests/run.sh makes it" >&2; exit 2; }
export PYTHON
cargo build --release --workspace --examples --quiet
"$PYTHON" -c 'import jupyter_client' 2>/dev/null && target/release/patchbay install --prefix target/venv >/dev/null
exec "$PYTHON" tests/bench/all.py "$@"
