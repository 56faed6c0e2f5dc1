//! Gradient surgery: what in a loss's gradient points against another's is taken out.
//!
//! The others are gone through in random order, which follows `nn::seed_all`.

use patchbay::ops::Stream;
use patchbay::plugin::prelude::*;

use crate::{
    gradients::balance,
    linear_algebra::{Matrix, dot},
};

/// Gradient surgery: conflicting parts of gradients are projected away.
pub struct PcGrad;

impl Component for PcGrad {}

impl Define for PcGrad {
    type Kind = dyn Balancer;
    type Config = ();
    const ID: &'static str = "balancer/pcgrad";
    const SUMMARY: &'static str =
        "Gradient surgery: conflicting parts of gradients are projected away";
    const DETAILS: Details = Details {
        formula: "g_i <- g_i - (g_i . g_j) / |g_j|^2 g_j where g_i . g_j < 0, j in random order; sum over i",
        reference: "Yu et al. 2020, Gradient Surgery for Multi-Task Learning, arXiv 2001.06782, algorithm 1",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/pcgrad", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build((): (), _context: &Context) -> Result<Self> {
        Ok(PcGrad)
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for PcGrad {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let weights = self.weights(&gradients.gram, others);
            gradients.combine(weights)
        })
    }
}

impl PcGrad {
    /// The projected gradients are combinations of the given ones, and so is their sum.
    fn weights(&self, gram: &Matrix, order: fn(usize, usize) -> Vec<usize>) -> Vec<f64> {
        let count = gram.len();
        let mut total = vec![0.0; count];
        for i in 0..count {
            let mut combination = vec![0.0; count];
            combination[i] = 1.0;
            for j in order(i, count) {
                let product = dot(&combination, &gram[j]);
                if product < 0.0 && gram[j][j] > 0.0 {
                    combination[j] -= product / gram[j][j];
                }
            }
            for (total, part) in total.iter_mut().zip(&combination) {
                *total += part;
            }
        }
        total
    }
}

/// All but `i`, in random order.
pub(crate) fn others(i: usize, count: usize) -> Vec<usize> {
    let keys = Stream::next().uniform(count);
    let mut order: Vec<usize> = (0..count).filter(|&j| j != i).collect();
    order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
    order
}

/// All but `i`, in their order.
#[cfg(test)]
pub(crate) fn ascending(i: usize, count: usize) -> Vec<usize> {
    (0..count).filter(|&j| j != i).collect()
}

/// The products and factors of some steps with three losses, gone through in their order: numbers by
/// tests/reference/balancers.py.
#[cfg(test)]
pub(crate) fn fixed_order(balancer: &str) -> (Vec<Matrix>, Matrix) {
    let text = include_str!("../tests/reference/balancers.json");
    let numbers: patchbay::serde_json::Value = patchbay::serde_json::from_str(text).unwrap();
    let read = |key: &str| numbers["fixed_order"][key].clone();
    (
        patchbay::serde_json::from_value(read("grams")).unwrap(),
        patchbay::serde_json::from_value(read(balancer)).unwrap(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_fixed_order_are_those_of_the_reference() {
        let (grams, expected) = fixed_order("pcgrad");
        for (gram, expected) in grams.iter().zip(&expected) {
            let weights = PcGrad.weights(gram, ascending);
            for (weight, expected) in weights.iter().zip(expected) {
                assert!((weight - expected).abs() < 1e-9, "{weights:?}");
            }
        }
    }

    #[test]
    fn two_opposed_gradients_end_up_orthogonal_to_one_another() {
        let gram = vec![vec![1.0, -0.5], vec![-0.5, 2.0]];
        let weights = PcGrad.weights(&gram, others);
        // g1 + g2 + 0.25 g2 + 0.5 g1.
        assert_eq!(weights, [1.5, 1.25]);
        let agreeing = vec![vec![1.0, 0.5], vec![0.5, 2.0]];
        assert_eq!(PcGrad.weights(&agreeing, others), [1.0, 1.0]);
    }
}
