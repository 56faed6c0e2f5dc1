//! What it costs to note the way of an error: nanoseconds a `?`, of values and of errors, with and without the note.
//!
//! `cargo run --release -p patchbay-cell --example question_benchmark`

use std::{hint::black_box, time::Instant};

use patchbay_cell::questions::__at;

const CALLS: u32 = 10_000_000;
const ROUNDS: usize = 7;

#[inline(never)]
fn value(fails: bool) -> Result<u64, String> {
    // An empty text takes no memory, so that the error itself costs little.
    if fails { Err(String::new()) } else { Ok(1) }
}

#[inline(never)]
fn plain(fails: bool) -> Result<u64, String> {
    Ok(value(black_box(fails))? + 1)
}

#[inline(never)]
fn noted(fails: bool) -> Result<u64, String> {
    Ok(__at(value(black_box(fails)))? + 1)
}

/// The least of some rounds, in nanoseconds a call.
fn measure(call: fn(bool) -> Result<u64, String>, fails: bool) -> f64 {
    let round = || {
        let start = Instant::now();
        for _ in 0..CALLS {
            let _ = black_box(call(fails));
        }
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn main() {
    for (what, fails) in [("value", false), ("error", true)] {
        let (without, with) = (measure(plain, fails), measure(noted, fails));
        println!(
            "{what}: {without:.2} ns without the note, {with:.2} ns with it, {:.2} ns more",
            with - without
        );
    }
}
