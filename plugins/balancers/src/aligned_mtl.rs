//! Aligned-MTL: the gradients are made orthogonal and equally long, as near to the given ones as possible.
//!
//! Directions that the gradients span only by rounding are left out, as in TorchJD. LibMTL's version calls a function that
//! PyTorch has removed.

use crate::{
    gradients::balance,
    linear_algebra::{Matrix, eigen},
};
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`AlignedMtl`].
    pub struct AlignedMtlConfig {
        /// How long the aligned gradients are: by the smallest, the median or the mean eigenvalue of G.
        scale: Scale = Scale::Min,
    }
}

/// Which eigenvalue gives the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Scale {
    /// The smallest.
    Min,
    /// The median, the lower one of two.
    Median,
    /// The mean.
    Mean,
}

/// Gradients are made orthogonal and equally long, as near to the given ones as possible.
pub struct AlignedMtl {
    config: AlignedMtlConfig,
}

impl Component for AlignedMtl {}

impl Define for AlignedMtl {
    type Kind = dyn Balancer;
    type Config = AlignedMtlConfig;
    const ID: &'static str = "balancer/aligned_mtl";
    const SUMMARY: &'static str =
        "Gradients are made orthogonal and equally long, as near to the given ones as possible";
    const DETAILS: Details = Details {
        formula: "w = sqrt(l) V diag(l_i^-1/2) V^T 1/K, with the eigenvalues l_i and vectors V of G, l = min l_i",
        reference: "Senushkin et al. 2023, Independent Component Alignment for Multi-Task Learning, arXiv 2305.19000, eq. 11",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/aligned_mtl", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: AlignedMtlConfig, _context: &Context) -> Result<Self> {
        Ok(AlignedMtl { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for AlignedMtl {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        balance(losses, shared, |gradients| {
            let weights = self.weights(&gradients.gram)?;
            gradients.combine(weights)
        })
    }
}

impl AlignedMtl {
    pub(crate) fn weights(&self, gram: &Matrix) -> Result<Vec<f64>> {
        let count = gram.len();
        let mean = 1.0 / count as f64;
        let (values, vectors) = eigen(gram)?;
        // What a spectral decomposition of products of single-precision numbers cannot tell from zero.
        let least = values[count - 1] * count as f64 * f64::from(f32::EPSILON);
        let first = values.partition_point(|&value| value <= least);
        if first == count {
            return Ok(vec![mean; count]);
        }
        let kept = &values[first..];
        let scale = match self.config.scale {
            Scale::Min => kept[0],
            Scale::Median => kept[(kept.len() - 1) / 2],
            Scale::Mean => kept.iter().sum::<f64>() / kept.len() as f64,
        };
        let mut weights = vec![0.0; count];
        for (value, vector) in kept.iter().zip(&vectors[first..]) {
            let part = (scale / value).sqrt() * vector.iter().sum::<f64>() * mean;
            for (weight, x) in weights.iter_mut().zip(vector) {
                *weight += part * x;
            }
        }
        Ok(weights)
    }
}
