"""Times ops of this working tree beside those of an earlier revision, in one program and by turns.

    python3 tests/bench/ops_pairs.py ae872c5 [rounds]

For each op and size, without and with the way back, it prints the median time of both and the median of the ratios of pairs, now
over before. A ratio of 1 is no change; with HEAD in the place of the revision it prints how far from 1 the comparison itself is. The
earlier sources become a module of an example that is removed again.
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "kernel/ops/examples/ops_pairs.rs"

PROGRAM = r"""
#![allow(warnings)]
#[path = "BEFORE/src/lib.rs"]
mod before;

use std::time::Instant;

use candle_core::{Device, Result, Tensor, Var};
use patchbay_ops as now;

type Run = Box<dyn Fn() -> Result<()>>;

fn pair(name: &str, small: usize, before: Run, now: Run, rounds: usize) -> Result<()> {
    // As many calls as take a millisecond or so.
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed().as_micros() < 2000 {
        before()?;
        now()?;
        calls += 1;
    }
    let time = |run: &Run| -> Result<f64> {
        let start = Instant::now();
        for _ in 0..calls {
            run()?;
        }
        Ok(start.elapsed().as_secs_f64() / calls as f64)
    };
    let (mut olds, mut news, mut ratios) = (vec![], vec![], vec![]);
    for round in 0..rounds {
        let (old, new) = if round % 2 == 0 {
            let old = time(&before)?;
            (old, time(&now)?)
        } else {
            let new = time(&now)?;
            (time(&before)?, new)
        };
        olds.push(old);
        news.push(new);
        ratios.push(new / old);
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "{name:34} {small:>9} {:>10.2} us {:>10.2} us   {:.3}",
        1e6 * median(&mut olds), 1e6 * median(&mut news), median(&mut ratios),
    );
    Ok(())
}

macro_rules! pairs {
    ($name:literal, $shape:expr, $rounds:expr, |$ops:ident, $x:ident| $body:expr) => {{
        let shape: &[usize] = &$shape;
        let var = Var::randn(0f32, 1.0, shape, &Device::Cpu)?;
        let count = var.elem_count();
        let run = |tracked: bool, new: bool| -> Run {
            let $x = if tracked { var.as_tensor().clone() } else { var.as_detached_tensor() };
            Box::new(move || {
                let y = if new {
                    use now as $ops;
                    $body
                } else {
                    use before as $ops;
                    $body
                };
                if tracked {
                    y.backward()?;
                }
                Ok(())
            })
        };
        pair(concat!($name, ", value"), count, run(false, false), run(false, true), $rounds)?;
        pair(concat!($name, ", with its gradient"), count, run(true, false), run(true, true), $rounds)?;
    }};
}

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1).map_or(51, |text| text.parse().unwrap());
    now::threads::join_pool();
    println!("{:34} {:>9} {:>13} {:>13}   ratio of pairs", "op", "values", "before", "now");
    // They live as long as the program, which is what the runs borrow.
    let kept = |tensor: Tensor| -> &'static Tensor { Box::leak(Box::new(tensor)) };
    for shape in [[2, 8], [2048, 1024]] {
        pairs!("softmax", shape, rounds, |ops, x| ops::softmax(&x)?);
    }
    for shape in [[1, 16], [1024, 2048]] {
        pairs!("gelu", shape, rounds, |ops, x| ops::gelu(&x)?);
    }
    for shape in [[2, 8], [4096, 384]] {
        let ones = kept(Tensor::ones(shape[1], candle_core::DType::F32, &Device::Cpu)?);
        pairs!("layer_norm", shape, rounds, |ops, x| ops::layer_norm(&x, Some(ones), Some(ones), 1e-5)?);
    }
    for shape in [[2, 4], [1024, 256]] {
        let weight = kept(Tensor::randn(0f32, 1.0, (shape[1], shape[1]), &Device::Cpu)?);
        pairs!("linear", shape, rounds, |ops, x| ops::linear(&x, weight, None)?);
    }
    Ok(())
}
"""


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = ROOT / "target/ops-before"
    archive = subprocess.run(["git", "archive", sys.argv[1], "kernel/ops/src"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    subprocess.run(["rm", "-rf", folder], check=True)
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-x", "--strip-components=2", "-C", folder], input=archive.stdout, check=True)
    for path in folder.glob("src/**/*.rs"):
        # A module of another crate has its own root.
        path.write_text(path.read_text().replace("crate::", "crate::before::").replace("$crate::before::", "crate::before::"))
    EXAMPLE.parent.mkdir(exist_ok=True)
    try:
        EXAMPLE.write_text(PROGRAM.replace("BEFORE", str(folder)))
        command = ["cargo", "run", "--release", "--quiet", "--package", "patchbay-ops", "--example", "ops_pairs", "--"]
        sys.exit(subprocess.run(command + sys.argv[2:], cwd=ROOT).returncode)
    finally:
        EXAMPLE.unlink()
        if not any(EXAMPLE.parent.iterdir()):
            EXAMPLE.parent.rmdir()


if __name__ == "__main__":
    main()
