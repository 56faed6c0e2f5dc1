//! `%timeit`: how long an expression takes.

use std::time::{Duration, Instant};

use crate::device::finish_queued;
use patchbay_cell::{cell::CellError, interrupt};

/// How many times the loop of repetitions is run; the spread is over these.
const RUNS: usize = 7;

/// The least time that one loop of repetitions should take.
const LEAST_LOOP: Duration = Duration::from_millis(20);

/// Runs `body` repeatedly and prints the mean time of a repetition and its standard deviation.
///
/// The number of repetitions in a loop is the power of ten that makes a loop last 20 ms. A GPU is waited for before a loop and
/// at its end, as what a repetition asks of it is done later.
///
/// # Errors
///
/// Returns the first error of `body`.
pub fn timeit(mut body: impl FnMut() -> Result<(), CellError>) -> Result<(), CellError> {
    let mut repetitions: u32 = 1;
    loop {
        let elapsed = time_loop(&mut body, repetitions)?;
        if elapsed >= LEAST_LOOP || repetitions >= 1_000_000_000 {
            break;
        }
        repetitions *= 10;
    }
    let mut seconds = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        seconds.push(time_loop(&mut body, repetitions)?.as_secs_f64() / f64::from(repetitions));
    }
    let mean = seconds.iter().sum::<f64>() / RUNS as f64;
    let variance = seconds
        .iter()
        .map(|time| (time - mean).powi(2))
        .sum::<f64>()
        / RUNS as f64;
    println!(
        "{} ± {} per loop (mean ± std. dev. of {RUNS} runs, {repetitions} loop{} each)",
        describe(mean),
        describe(variance.sqrt()),
        if repetitions == 1 { "" } else { "s" }
    );
    Ok(())
}

fn time_loop(
    body: &mut impl FnMut() -> Result<(), CellError>,
    repetitions: u32,
) -> Result<Duration, CellError> {
    finish_queued()?;
    let start = Instant::now();
    for _ in 0..repetitions {
        interrupt::check();
        body()?;
    }
    finish_queued()?;
    Ok(start.elapsed())
}

/// A time in seconds with three digits and a fitting unit.
pub fn describe(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 60.0 => return format!("{} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s if s >= 1e-6 => (s * 1e6, "µs"),
        s => (s * 1e9, "ns"),
    };
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        assert_eq!(describe(12.34), "12.3 s");
        assert_eq!(describe(0.123_4), "123 ms");
        assert_eq!(describe(1.5e-6), "1.50 µs");
        assert_eq!(describe(2e-9), "2.00 ns");
        assert_eq!(describe(125.0), "2 min 5 s");
    }
}
