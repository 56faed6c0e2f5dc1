#!/usr/bin/env bash
# run.sh TARGET [SECONDS]: fuzzes a target, led by coverage. What ends it is written to target/fuzz/found.
# Needs a C++ compiler, for libFuzzer.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?"a target: see tests/fuzz/README.md"}
seconds=${2:-600}
corpus=target/fuzz/corpus/$target
mkdir -p "$corpus" target/fuzz/found
# Instruments the code as libFuzzer wants it, on a stable compiler. Overflows count as defects in our own code.
flags=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-trace-compares
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=4)
RUSTFLAGS="${flags[*]}" cargo build --release --package patchbay-fuzz --no-default-features --features libfuzzer \
    --bin fuzz-coverage --target "$(rustc -vV | sed -n 's/^host: //p')" --target-dir target/fuzz \
    --config 'profile.release.overflow-checks=true' --config 'profile.release.package."*".overflow-checks=false'
# What is read from files is written anew for each input.
[ -d /dev/shm ] && export TMPDIR=/dev/shm
program=$(echo target/fuzz/*/release/fuzz-coverage)
PATCHBAY_FUZZ_TARGET=$target exec "$program" "$corpus" "tests/fuzz/seeds/$target" \
    -timeout=300 -rss_limit_mb=2048 -max_len=65536 -max_total_time="$seconds" -artifact_prefix="target/fuzz/found/$target-" \
    -print_final_stats=1
