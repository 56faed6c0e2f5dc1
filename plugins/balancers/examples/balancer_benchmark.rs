//! Cost of balancers over equal weights, in multiples of one backward pass: three losses on a network of 5 million
//! shared parameters.
//!
//! Run it with `cargo run --release --example balancer_benchmark`. The numbers are the fastest of all rounds, the
//! balancers taking turns.

use std::{hint::black_box, time::Instant};

use patchbay::{
    Result, Table,
    plugin::{Balancer, Slot, create},
    prelude::{DType, Device, Tensor, Var, json},
};

const ROUNDS: usize = 5;

/// Five layers of 1024 x 1024 in common, and a head for each loss.
struct Network {
    layers: Vec<Var>,
    heads: Vec<Var>,
    x: Tensor,
}

impl Network {
    fn new() -> Result<Network> {
        let cpu = Device::Cpu;
        let var = |rows: usize, columns: usize| {
            Var::from_tensor(
                &(Tensor::randn(0f32, 1.0, (rows, columns), &cpu)? / (rows as f64).sqrt())?,
            )
        };
        Ok(Network {
            layers: (0..5).map(|_| var(1024, 1024)).collect::<Result<_>>()?,
            heads: (0..3).map(|_| var(1024, 10)).collect::<Result<_>>()?,
            x: Tensor::randn(0f32, 1.0, (128, 1024), &cpu)?,
        })
    }

    fn losses(&self) -> Result<Vec<Tensor>> {
        let mut x = self.x.clone();
        for layer in &self.layers {
            x = patchbay::ops::relu(&patchbay::ops::matmul(&x, layer)?)?;
        }
        self.heads
            .iter()
            .map(|head| patchbay::ops::matmul(&x, head)?.sqr()?.mean_all())
            .collect()
    }
}

fn main() -> Result<()> {
    patchbay::ops::threads::join_pool();
    patchbay_balancers::register().map_err(patchbay::candle::Error::wrap)?;
    let network = Network::new()?;
    let names = [
        "equal",
        "uncertainty",
        "rlw",
        "gls",
        "famo",
        "gradnorm",
        "pcgrad",
        "gradvac",
        "cagrad",
        "mgda",
        "imtl_g",
        "nash_mtl",
        "aligned_mtl",
        "upgrad",
        "fairgrad",
        "db_mtl",
        "sdmgrad",
        "moco",
        "excess_mtl",
    ];
    let balancers = names
        .iter()
        .map(|name| {
            let settings = if *name == "uncertainty" {
                json!({ "losses": 3 })
            } else {
                json!({})
            };
            create::<dyn Balancer>(&format!("balancer/{name}"), settings)
                .map_err(patchbay::candle::Error::wrap)
        })
        .collect::<Result<Vec<Slot<dyn Balancer>>>>()?;

    let mut single = f64::INFINITY;
    let mut seconds = vec![f64::INFINITY; names.len()];
    for _ in 0..ROUNDS {
        let losses = network.losses()?;
        let start = Instant::now();
        black_box(losses[0].backward()?);
        single = single.min(start.elapsed().as_secs_f64());
        for (balancer, best) in balancers.iter().zip(&mut seconds) {
            let losses = network.losses()?;
            let start = Instant::now();
            black_box(balancer.backward(&losses, &network.layers)?);
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    let mut table = Table::new([
        "balancer",
        "ms",
        "over equal, in backward passes of one loss",
    ]);
    for (name, best) in names.iter().zip(&seconds) {
        table.push([
            (*name).to_owned(),
            format!("{:.1}", 1e3 * best),
            format!("{:.2}", (best - seconds[0]) / single),
        ]);
    }
    println!(
        "backward pass of one loss: {:.1} ms; {} shared parameters, dtype {:?}",
        1e3 * single,
        5 * 1024 * 1024,
        DType::F32
    );
    println!("{table}");
    Ok(())
}
