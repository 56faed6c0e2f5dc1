//! DB-MTL: dual balancing, of losses by their logarithm and of gradients by their length.
//!
//! The gradients are exponential averages. They are as large as K copies of the shared parameters and not carried: they
//! begin anew in a swap or reload, and when the shared parameters change. As they begin at zero, the first steps are shorter,
//! by 1 - beta in the first.

use patchbay::plugin::prelude::*;
use std::{collections::BTreeMap, sync::Mutex};

use crate::{
    gradients::{balance_above_zero, gram, sum},
    kept::{from_tensors, to_tensors},
    losses::lock,
};

patchbay::config! {
    /// Settings of [`DbMtl`].
    pub struct DbMtlConfig {
        /// How slowly the averaged gradients follow.
        #[schemars(range(min = 0.0, max = 1.0))]
        beta: f64 = 0.9,
        /// The exponent by which `beta` falls with the number of the step.
        #[schemars(range(min = 0.0))]
        sigma: f64 = 0.0,
    }
}

#[derive(Default)]
struct State {
    /// By loss, then by shared parameter.
    averages: Vec<Vec<Option<Tensor>>>,
    step: usize,
}

/// Dual balancing: gradients of logarithms of losses, averaged over steps, at the length of the longest.
pub struct DbMtl {
    config: DbMtlConfig,
    state: Mutex<State>,
}

impl Component for DbMtl {
    fn tensors(&self) -> BTreeMap<String, Tensor> {
        let state = lock(&self.state);
        to_tensors(&state.averages, state.step)
    }

    fn restore_tensors(&self, tensors: BTreeMap<String, Tensor>) -> Result<()> {
        let (averages, step) = from_tensors(tensors)?;
        *lock(&self.state) = State { averages, step };
        Ok(())
    }
}

impl Define for DbMtl {
    type Kind = dyn Balancer;
    type Config = DbMtlConfig;
    const ID: &'static str = "balancer/db_mtl";
    const SUMMARY: &'static str = "Dual balancing: gradients of logarithms of losses, averaged over steps, at the length of the longest";
    const DETAILS: Details = Details {
        formula: "sum_k max_j |m_j| / |m_k| m_k, m_k <- g_k / L_k + beta / t^sigma (m_k - g_k / L_k)",
        reference: "Lin et al. 2023, Dual-Balancing for Multi-Task Learning, arXiv 2308.12029, algorithm 1; as LibMTL's DB_MTL",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/db_mtl", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: DbMtlConfig, _context: &Context) -> Result<Self> {
        Ok(DbMtl {
            config,
            state: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for DbMtl {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.backward_present(losses, &Present::all(losses.len()), shared)
    }

    fn backward_present(
        &self,
        losses: &[Tensor],
        present: &Present,
        shared: &[Var],
    ) -> Result<Balanced> {
        balance_above_zero(losses, shared, "balancer/db_mtl", |gradients| {
            let present = gradients.present(present);
            let (total, places) = (present.total(), present.places());
            let values = gradients.losses.clone();
            let mut state = lock(&self.state);
            let fits = state.averages.len() == total
                && state.averages.iter().all(|row| {
                    row.len() == shared.len()
                        && row.iter().zip(shared).all(|(average, var)| {
                            average.as_ref().is_none_or(|a| a.shape() == var.shape())
                        })
                });
            if !fits {
                *state = State {
                    averages: vec![vec![None; shared.len()]; total],
                    step: 0,
                };
            }
            state.step += 1;
            let beta = self.config.beta / (state.step as f64).powf(self.config.sigma);
            let mut averages = Vec::with_capacity(values.len());
            for ((row, &place), value) in gradients.rows().iter().zip(places).zip(&values) {
                let mut next = Vec::with_capacity(row.len());
                for (gradient, old) in row.iter().zip(&state.averages[place]) {
                    next.push(average(gradient.as_ref(), old.as_ref(), value, beta)?);
                }
                averages.push(next);
            }
            let lengths: Vec<f64> = {
                let products = gram(&averages, &averages)?;
                (0..values.len()).map(|k| products[k][k].sqrt()).collect()
            };
            if let Some(zero) = lengths.iter().position(|&length| length == 0.0) {
                bail!(
                    "the averaged gradient of loss {} of {total} is zero at the shared parameters: it cannot be lengthened",
                    places[zero]
                );
            }
            let longest = lengths.iter().copied().fold(0.0, f64::max);
            let factors: Vec<f64> = lengths.iter().map(|length| longest / length).collect();
            let combined = sum(&averages, &factors, shared)?;
            present.put(&mut state.averages, averages);
            drop(state);
            let weights = factors
                .iter()
                .zip(&values)
                .map(|(factor, value)| factor / value)
                .collect();
            gradients.with(combined, weights)
        })
    }
}

/// g / L + beta (old - g / L); the first average is (1 - beta) g / L, as it begins at zero.
fn average(
    gradient: Option<&Tensor>,
    old: Option<&Tensor>,
    loss: &f64,
    beta: f64,
) -> Result<Option<Tensor>> {
    Ok(match (gradient, old) {
        (Some(gradient), Some(old)) => Some(((gradient * ((1.0 - beta) / loss))? + (old * beta)?)?),
        (Some(gradient), None) => Some((gradient * ((1.0 - beta) / loss))?),
        (None, Some(old)) => Some((old * beta)?),
        (None, None) => None,
    })
}
