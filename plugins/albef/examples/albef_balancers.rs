//! Forty ALBEF steps with batches of four pairs, in some of which losses have no gradient, or hardly one, with every balancer.
//!
//! Run it with `cargo build --release --workspace --examples && target/release/examples/albef_balancers`: the components are
//! loaded from the plugins of the build.

use patchbay::{Result, Table, candle};

#[path = "../tests/support/balancing.rs"]
mod balancing;
#[path = "../tests/support/mod.rs"]
mod support;

use balancing::Case;

const STEPS: usize = 40;
const PAIRS: usize = 4;

fn main() -> Result<()> {
    support::find_built_plugins().map_err(|error| candle::Error::Msg(error.to_string()))?;
    patchbay_albef::register().map_err(candle::Error::wrap)?;
    let mut table = Table::new([
        "balancer",
        "losses",
        "steps",
        "without judged pairs",
        "without masked words",
        "sum of losses, first step",
        "mean of the last ten",
    ]);
    for id in balancing::balancers() {
        for case in Case::ALL {
            let run = balancing::train(&id, case, STEPS, PAIRS)?;
            let steps = match &run.error {
                None => STEPS.to_string(),
                Some((step, error)) => format!("ended in step {step}: {error}"),
            };
            let [_, itm, mlm] = &run.absent;
            table.push([
                run.id,
                format!("{case:?}"),
                steps,
                itm.len().to_string(),
                mlm.len().to_string(),
                format!("{:.3}", run.losses[0]),
                format!("{:.3}", run.losses[1]),
            ]);
        }
    }
    println!("{table}");
    Ok(())
}
