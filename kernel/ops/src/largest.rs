//! The k-th largest number of each row.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::storage::{output, values};

/// The `k`-th largest of the last dimension of `x` (f32): `[...]` becomes `[..., 1]`. What is not a number is the largest. It has
/// no gradient.
///
/// # Errors
///
/// Fails for another dtype, and where the last dimension has not k values.
pub fn kth_largest(x: &Tensor, k: usize) -> Result<Tensor> {
    let n = x.dims().last().copied().unwrap_or(0);
    if k == 0 || k > n || n > u32::MAX as usize {
        candle_core::bail!(
            "kth-largest: k is {k} and the input {:?}: must be from 1 to the length of the last dimension",
            x.dims()
        )
    }
    x.detach().contiguous()?.apply_op1_no_bwd(&Kth { k, n })
}

struct Kth {
    k: usize,
    n: usize,
}

impl Kth {
    fn shape(&self, layout: &Layout) -> Shape {
        let mut dims = layout.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = 1;
        }
        Shape::from(dims)
    }
}

impl CustomOp1 for Kth {
    fn name(&self) -> &'static str {
        "kth-largest"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values::<f32>(storage, layout)?;
        let found = x.chunks_exact(self.n).map(|row| {
            let mut row = row.to_vec();
            *row.select_nth_unstable_by(self.k - 1, |a, b| b.total_cmp(a))
                .1
        });
        Ok(output(found.collect(), self.shape(layout)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let storage = super::cuda::largest::forward(self.k, self.n, storage, layout)?;
        Ok((storage, self.shape(layout)))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn each_row_has_its_own() {
        let x = Tensor::new(
            &[[3f32, -1.0, 2.0, 3.0], [0.0, -5.0, 7.0, 1.0]],
            &Device::Cpu,
        )
        .unwrap();
        let kth = |k| kth_largest(&x, k).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(kth(1), [[3.0], [7.0]]);
        assert_eq!(kth(2), [[3.0], [1.0]]);
        assert_eq!(kth(4), [[-1.0], [-5.0]]);
        let error = kth_largest(&x, 5).unwrap_err().to_string();
        assert!(error.contains("from 1 to the length"), "{error}");
    }
}
