//! Stochastic depth: in training a residual branch is left out of some images of the batch.

use patchbay::plugin::prelude::*;

/// `x + branch`, the branch of each image left out with probability `p` and scaled by `1 / (1 - p)`
/// where it stays (Huang et al. 2016, Deep Networks with Stochastic Depth; timm's `DropPath`).
///
/// Both are `[batch, ...]` of one shape. Outside of training it is the sum.
///
/// # Errors
///
/// Fails where the shapes differ or `p` is not in `0..=1`.
pub fn add(x: &Tensor, branch: &Tensor, p: f64, train: bool) -> Result<Tensor> {
    if !train || p == 0.0 {
        return x + branch;
    }
    let mut shape = vec![1; x.rank()];
    shape[0] = x.dim(0)?;
    let ones = Tensor::ones(shape, x.dtype(), x.device())?;
    x + branch.broadcast_mul(&ops::dropout(&ones, p, true)?)?
}

/// The probability at each of `depth` blocks: from 0 at the first to `last` at the last, as in timm.
pub fn rates(last: f64, depth: usize) -> Vec<f64> {
    let steps = depth.saturating_sub(1).max(1) as f64;
    (0..depth)
        .map(|block| last * block as f64 / steps)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_images_are_dropped_and_the_mean_is_kept() {
        nn::seed_all(3).unwrap();
        let x = Tensor::zeros((4000, 2, 3), DType::F32, &Device::Cpu).unwrap();
        let branch = x.ones_like().unwrap();
        let y = add(&x, &branch, 0.3, true).unwrap();
        let rows: Vec<Vec<f32>> = y.flatten_from(1).unwrap().to_vec2().unwrap();
        let kept = rows.iter().filter(|row| row[0] > 0.0).count();
        assert!(rows.iter().all(|row| row.iter().all(|&v| v == row[0])));
        assert!(
            rows.iter()
                .all(|row| row[0] == 0.0 || (row[0] - 1.0 / 0.7).abs() < 1e-6)
        );
        // Four deviations of a binomial of 4000 with 0.7 are 116.
        assert!((kept as i64 - 2800).abs() < 116, "{kept} kept");
        let same = add(&x, &branch, 0.3, false).unwrap();
        assert_eq!(same.mean_all().unwrap().to_scalar::<f32>().unwrap(), 1.0);
    }

    #[test]
    fn rates_rise_from_zero() {
        assert_eq!(rates(0.2, 3), [0.0, 0.1, 0.2]);
        assert_eq!(rates(0.2, 1), [0.0]);
    }
}
