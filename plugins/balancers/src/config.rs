//! ConFIG: the direction that has the same angle to all gradients, as long as their projections on it together.
//!
//! It needs the cosines of the gradients only: of unit gradients U the direction is their pseudo-inverse times the preference,
//! U^T (U U^T)^+ p. Gradients that oppose each other exactly leave none, and the step is zero.

use crate::{
    gradients::balance,
    linear_algebra::{Matrix, apply, dot, eigen, square},
    preference,
};
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`ConFig`].
    pub struct ConFigConfig {
        /// The ratios of the cosines with the gradients, one number for each loss; empty: all alike.
        weights: Vec<f64> = Vec::new(),
    }
}

/// The direction of equal angles to all gradients.
pub struct ConFig {
    config: ConFigConfig,
}

impl Component for ConFig {}

impl Define for ConFig {
    type Kind = dyn Balancer;
    type Config = ConFigConfig;
    const ID: &'static str = "balancer/config";
    const SUMMARY: &'static str = "ConFIG: a direction of equal angles to all gradients";
    const DETAILS: Details = Details {
        formula: "(sum_k g_k d) d,  d = v / |v|,  v = U^+ p,  U: the unit gradients",
        reference: "Liu et al. 2024, ConFIG: Towards Conflict-free Training of Physics Informed Neural Networks, arXiv 2408.11104, eq. 2; as TorchJD's ConFIG",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/config", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: ConFigConfig, _context: &Context) -> Result<Self> {
        preference::check(&config.weights)?;
        Ok(ConFig { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for ConFig {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.backward_present(losses, &Present::all(losses.len()), shared)
    }

    fn backward_present(
        &self,
        losses: &[Tensor],
        present: &Present,
        shared: &[Var],
    ) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let present = gradients.present(present);
            let preferred = preference::of("weights", &self.config.weights, &present, 1.0)?;
            let weights = weights(&gradients.gram, &preferred)?;
            gradients.combine(weights)
        })
    }
}

/// The factors of the gradients.
pub(crate) fn weights(gram: &Matrix, preferred: &[f64]) -> Result<Vec<f64>> {
    let count = gram.len();
    let norms: Vec<f64> = (0..count).map(|i| gram[i][i].sqrt()).collect();
    let inverse: Vec<f64> = norms
        .iter()
        .map(|&norm| if norm > 0.0 { 1.0 / norm } else { 0.0 })
        .collect();
    let cosines: Matrix = gram
        .iter()
        .zip(&inverse)
        .map(|(row, a)| row.iter().zip(&inverse).map(|(g, b)| g * a * b).collect())
        .collect();
    let (values, vectors) = eigen(&cosines)?;
    let largest = values.iter().copied().fold(0.0, f64::max);
    // The gradients are numbers of single precision: less than that is rounding.
    let least = count as f64 * f64::from(f32::EPSILON) * largest;
    let mut factors = vec![0.0; count];
    for (value, vector) in values.iter().zip(&vectors) {
        if *value > least {
            let share = dot(vector, preferred) / value;
            for (factor, entry) in factors.iter_mut().zip(vector) {
                *factor += share * entry;
            }
        }
    }
    let length = square(&cosines, &factors).sqrt();
    // What is left of gradients that oppose each other is rounding, too.
    if length <= 1e-6 * dot(preferred, preferred).sqrt() {
        return Ok(vec![0.0; count]);
    }
    let projections = apply(&cosines, &factors);
    let total: f64 = projections
        .iter()
        .zip(&norms)
        .map(|(p, norm)| p * norm)
        .sum();
    let scale = total / (length * length);
    Ok(factors
        .iter()
        .zip(&inverse)
        .map(|(factor, inverse)| scale * factor * inverse)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_has_equal_angles_to_all_gradients() {
        let gram = vec![
            vec![4.0, 0.3, -0.5],
            vec![0.3, 9.0, 0.2],
            vec![-0.5, 0.2, 0.25],
        ];
        let w = weights(&gram, &[1.0; 3]).unwrap();
        let products = apply(&gram, &w);
        let angle = |i: usize| products[i] / gram[i][i].sqrt();
        assert!((angle(0) - angle(1)).abs() < 1e-12 && (angle(0) - angle(2)).abs() < 1e-12);
        // As long as the projections together.
        let length = square(&gram, &w).sqrt();
        let projections: f64 = products.iter().map(|p| p / length).sum();
        assert!((length - projections).abs() < 1e-12);
    }

    #[test]
    fn opposed_and_repeated_gradients_are_no_singular_system() {
        let opposed = vec![vec![1.0, -2.0], vec![-2.0, 4.0]];
        assert_eq!(weights(&opposed, &[1.0, 1.0]).unwrap(), [0.0, 0.0]);
        let repeated = vec![vec![1.0, 2.0], vec![2.0, 4.0]];
        let w = weights(&repeated, &[1.0, 1.0]).unwrap();
        // g and 2 g: the step is 3 g.
        assert!((w[0] + 2.0 * w[1] - 3.0).abs() < 1e-12, "{w:?}");
    }
}
