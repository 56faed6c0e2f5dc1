//! Of candle's ops.

use candle_core::{
    CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Tensor, backend::BackendStorage,
};

pub(super) fn embedding(
    ids: &Tensor,
    table: &Tensor,
    padding_index: Option<usize>,
) -> Result<Tensor> {
    let flat = ids.flatten_all()?;
    let mut shape = ids.dims().to_vec();
    shape.push(table.dim(1)?);
    let y = table.contiguous()?.index_select(&flat, 0)?;
    let y = match padding_index {
        Some(index) => {
            let padding = flat
                .eq(index as i64)?
                .unsqueeze(1)?
                .broadcast_as(y.shape())?
                .contiguous()?;
            padding.where_cond(&y.detach(), &y)?
        }
        None => y,
    };
    y.reshape(shape)
}

pub(super) fn gather(x: &Tensor, dim: usize, index: &Tensor) -> Result<Tensor> {
    covered(x, dim, index)?.gather(&index.contiguous()?, dim)
}

pub(super) fn scatter(x: &Tensor, dim: usize, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    let ones = src.detach().ones_like()?;
    let replaced = into_zeros(x, dim, index, &ones, false)?;
    let written = into_zeros(x, dim, index, src, false)?;
    replaced.ne(0.0)?.where_cond(&written, x)
}

pub(super) fn scatter_add(x: &Tensor, dim: usize, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    x + into_zeros(x, dim, index, src, true)?
}

/// `src` written or added to zeros of the shape of `x`.
fn into_zeros(x: &Tensor, dim: usize, index: &Tensor, src: &Tensor, add: bool) -> Result<Tensor> {
    let zeros = covered(x, dim, index)?.detach().zeros_like()?;
    let written = zeros.apply_op3(
        &index.contiguous()?,
        &src.contiguous()?,
        IntoZeros { dim, add },
    )?;
    padded(&written, x.dims())
}

/// candle's scatter, whose own gradient is that of another function, with the right one.
struct IntoZeros {
    dim: usize,
    add: bool,
}

impl IntoZeros {
    fn run<S: BackendStorage>(
        &self,
        zeros: &S,
        layout: &Layout,
        index: (&S, &Layout),
        src: (&S, &Layout),
    ) -> Result<(S, Shape)> {
        let mut out = zeros.try_clone(layout)?;
        if self.add {
            out.scatter_add_set(layout, index.0, index.1, src.0, src.1, self.dim)?;
        } else {
            out.scatter_set(layout, index.0, index.1, src.0, src.1, self.dim)?;
        }
        Ok((out, layout.shape().clone()))
    }
}

impl CustomOp3 for IntoZeros {
    fn name(&self) -> &'static str {
        if self.add { "scatter-add" } else { "scatter" }
    }

    fn cpu_fwd(
        &self,
        zeros: &CpuStorage,
        layout: &Layout,
        index: &CpuStorage,
        index_layout: &Layout,
        src: &CpuStorage,
        src_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.run(zeros, layout, (index, index_layout), (src, src_layout))
    }

    fn cuda_fwd(
        &self,
        zeros: &CudaStorage,
        layout: &Layout,
        index: &CudaStorage,
        index_layout: &Layout,
        src: &CudaStorage,
        src_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.run(zeros, layout, (index, index_layout), (src, src_layout))
    }

    fn bwd(
        &self,
        _: &Tensor,
        index: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let of_src = grad.contiguous()?.gather(index, self.dim)?;
        Ok((None, None, Some(of_src)))
    }
}

/// The part of `x` that an index speaks of: as long as the index in all dimensions but `dim`.
fn covered(x: &Tensor, dim: usize, index: &Tensor) -> Result<Tensor> {
    let mut part = x.clone();
    for (i, &length) in index.dims().iter().enumerate() {
        if i != dim && length < part.dims()[i] {
            part = part.narrow(i, 0, length)?;
        }
    }
    part.contiguous()
}

/// `x` with zeros at the ends, up to the lengths of `dims`.
fn padded(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    let mut x = x.clone();
    for (i, &length) in dims.iter().enumerate() {
        if x.dims()[i] < length {
            x = x.pad_with_zeros(i, 0, length - x.dims()[i])?;
        }
    }
    Ok(x)
}
