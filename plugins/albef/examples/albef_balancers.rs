//! Forty ALBEF steps with batches of four pairs, in some of which no word is masked, with every balancer.
//!
//! Run it with `cargo build --release --workspace --examples && target/release/examples/albef_balancers`: the components are
//! loaded from the plugins of the build.

use patchbay::{Result, Table, candle};

#[path = "../tests/support/balancing.rs"]
mod balancing;
#[path = "../tests/support/mod.rs"]
mod support;

const STEPS: usize = 40;
const PAIRS: usize = 4;

fn main() -> Result<()> {
    support::find_built_plugins().map_err(|error| candle::Error::Msg(error.to_string()))?;
    patchbay_albef::register().map_err(candle::Error::wrap)?;
    let mut table = Table::new([
        "balancer",
        "steps",
        "without masked words",
        "sum of losses, first step",
        "mean of the last ten",
    ]);
    for id in balancing::balancers() {
        let run = balancing::train(&id, STEPS, PAIRS)?;
        let steps = match &run.error {
            None => STEPS.to_string(),
            Some((step, error)) => format!("ended in step {step}: {error}"),
        };
        let [itc, itm, mlm] = &run.absent;
        assert!(itc.is_empty() && itm.is_empty(), "{}", run.id);
        table.push([
            run.id,
            steps,
            format!("{mlm:?}"),
            format!("{:.3}", run.losses[0]),
            format!("{:.3}", run.losses[1]),
        ]);
    }
    println!("{table}");
    Ok(())
}
