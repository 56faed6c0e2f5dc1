//! Fuzzing led by coverage: `tests/fuzz/run.sh TARGET` sets what it needs.

#![no_main]

use std::{path::PathBuf, sync::LazyLock};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use patchbay_fuzz::{Mutator, Target};

/// The environment variable with the target's name.
const TARGET_VARIABLE: &str = "PATCHBAY_FUZZ_TARGET";

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    // A panic that the code catches is none; libFuzzer's hook would end the process at each.
    drop(std::panic::take_hook());
    let name = std::env::var(TARGET_VARIABLE).unwrap_or_default();
    Target::named(&name).unwrap_or_else(|problem| panic!("{TARGET_VARIABLE}: {problem}"))
});

static FOLDER: LazyLock<PathBuf> =
    LazyLock::new(|| tempfile::tempdir().expect("a folder for files").keep());

fuzz_target!(|input: &[u8]| TARGET.read(input, &FOLDER));

// libFuzzer's own mutations know no words, and nest nothing.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if !seed.is_multiple_of(4) {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut input = data[..size].to_vec();
    Mutator::new(&TARGET, Vec::new(), u64::from(seed)).change(&mut input);
    let length = input.len().min(max_size);
    data[..length].copy_from_slice(&input[..length]);
    length
});
