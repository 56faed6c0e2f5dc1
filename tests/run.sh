#!/usr/bin/env bash
# All tests: format, lints, Rust tests, Jupyter's conformance tests, notebooks.
# Needs rustc (rust-toolchain.toml), a C linker and Python 3; Python packages go into target/venv.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check

step "build"
cargo build --release --workspace

step "lints"
cargo clippy --release --workspace --all-targets -- -D warnings

step "Rust tests"
cargo test --release --workspace

step "plugins of an edited SDK are refused"
cargo test --release --workspace --test plugins -- --ignored

step "Python packages"
python3 -m venv target/venv
target/venv/bin/pip install --quiet --disable-pip-version-check -r tests/python/requirements.txt

step "Jupyter's conformance tests, notebooks through nbclient"
target/release/patchbay install --prefix target/venv
target/venv/bin/python -m pytest -q tests/python

step "notebooks"
for notebook in notebooks/*.ipynb; do
    target/release/patchbay run "$notebook" -o "target/notebooks/$(basename "$notebook")"
done

step "all passed"
