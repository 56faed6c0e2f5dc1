//! The same ops composed of candle's own, for devices that have no kernel of ours.
//!
//! Values and gradients are those of the kernels (the same tests compare them with PyTorch); time and memory are
//! candle's. On the CPU they are of use to compare with.

use candle_core::{
    CpuStorage, CudaStorage, CustomOp3, D, DType, Layout, Result, Shape, Tensor,
    backend::BackendStorage,
};

use super::{
    Attention, BinaryCrossEntropy, Conv2d, ConvTranspose2d, CrossEntropy, Interpolate,
    Interpolation, Reduction, pooling::Windows,
};

/// [`super::relu`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x * x.detach().gt(0.0)?.to_dtype(x.dtype())?
}

/// [`super::silu`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    x * sigmoid(x)?
}

/// [`super::sigmoid`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    // By tanh, which does not overflow.
    ((x * 0.5)?.tanh()? * 0.5)? + 0.5
}

/// [`super::softmax_dim`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn softmax(x: &Tensor, dim: usize) -> Result<Tensor> {
    log_softmax(x, dim)?.exp()
}

/// [`super::log_softmax_dim`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn log_softmax(x: &Tensor, dim: usize) -> Result<Tensor> {
    let shifted = super::broadcast_sub(x, &x.detach().max_keepdim(dim)?)?;
    let log_sum = super::sum_keepdim(&shifted.exp()?, dim)?.log()?;
    super::broadcast_sub(&shifted, &log_sum)
}

/// [`super::layer_norm`] over the last `dims` dimensions.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let last = last_dims(x, weight);
    let centred = super::broadcast_sub(x, &super::mean_keepdim(x, last.clone())?)?;
    let variance = super::mean_keepdim(&centred.sqr()?, last)?;
    let normalised = super::broadcast_div(&centred, &(variance + eps)?.sqrt()?)?;
    super::broadcast_add(&super::broadcast_mul(&normalised, weight)?, bias)
}

/// [`super::rms_norm`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let mean = super::mean_keepdim(&x.sqr()?, last_dims(x, weight))?;
    let normalised = super::broadcast_div(x, &(mean + eps)?.sqrt()?)?;
    super::broadcast_mul(&normalised, weight)
}

fn last_dims(x: &Tensor, weight: &Tensor) -> Vec<usize> {
    (x.rank() - weight.rank()..x.rank()).collect()
}

/// [`super::l2_normalise`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn l2_normalise(x: &Tensor, dim: usize, eps: f64) -> Result<Tensor> {
    let squares = super::sum_keepdim(&x.sqr()?, dim)?;
    // Below eps the length is a constant; the square root has no slope at zero to multiply with.
    let small = squares.detach().lt(eps * eps)?;
    let safe = small.where_cond(&squares.ones_like()?, &squares)?.sqrt()?;
    let length = small.where_cond(&(squares.ones_like()? * eps)?, &safe)?;
    super::broadcast_div(x, &length)
}

/// [`super::focal`].
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn focal(cross_entropy: &Tensor, gamma: f64) -> Result<Tensor> {
    // At 0 the power's slope may be infinite; the least number has none that matters.
    let miss = cross_entropy
        .neg()?
        .exp()?
        .affine(-1.0, 1.0)?
        .maximum(1e-12)?;
    miss.powf(gamma)? * cross_entropy
}

/// [`super::dropout`] in training, with the device's generator.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn dropout(x: &Tensor, p: f64) -> Result<Tensor> {
    if p >= 1.0 {
        return x * 0.0;
    }
    // GPUs draw in f32 alone.
    let kept = Tensor::rand(0f32, 1f32, x.shape(), x.device())?
        .ge(p)?
        .to_dtype(x.dtype())?;
    x * (kept * (1.0 / (1.0 - p)))?
}

/// [`super::linear`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    shape.pop();
    shape.push(weight.dims()[0]);
    let y = x
        .reshape(((), weight.dims()[1]))?
        .matmul(&weight.t()?)?
        .reshape(shape)?;
    match bias {
        Some(bias) => super::broadcast_add(&y, bias),
        None => Ok(y),
    }
}

/// [`super::attention_with`]; holds all scores, and gives masks of numbers their gradient.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, settings: &Attention) -> Result<Tensor> {
    let scale = settings
        .scale
        .unwrap_or(1.0 / (q.dim(D::Minus1)? as f64).sqrt());
    // On the queries, of which there are fewer numbers than scores.
    let q = (q * scale)?.contiguous()?;
    let mut scores = q.matmul(&k.t()?.contiguous()?)?;
    if let Some(mask) = &settings.mask {
        scores = if mask.dtype() == DType::U8 {
            super::composed::masked_fill(
                &scores,
                &mask.eq(0u8)?.broadcast_as(scores.shape())?,
                f64::NEG_INFINITY,
            )?
        } else {
            super::broadcast_add(&scores, &mask.to_dtype(scores.dtype())?)?
        };
    }
    if settings.causal {
        let (queries, keys) = (scores.dim(2)?, scores.dim(3)?);
        let hidden: Vec<u8> = (0..queries * keys)
            .map(|i| u8::from(i % keys > i / keys))
            .collect();
        let hidden = Tensor::from_vec(hidden, (queries, keys), q.device())?;
        scores = masked_fill(
            &scores,
            &hidden.broadcast_as(scores.shape())?,
            f64::NEG_INFINITY,
        )?;
    }
    // Without a mask every query sees a key.
    let weights = if settings.mask.is_none() {
        super::softmax(&scores)?
    } else {
        // A query that sees nothing: its scores become zeros, and so do its weights afterwards.
        let blind = scores
            .detach()
            .max_keepdim(D::Minus1)?
            .eq(f64::NEG_INFINITY)?;
        let blind = blind.broadcast_as(scores.shape())?.contiguous()?;
        masked_fill(
            &super::softmax(&masked_fill(&scores, &blind, 0.0)?)?,
            &blind,
            0.0,
        )?
    };
    let weights = if settings.dropout > 0.0 {
        dropout(&weights, settings.dropout)?
    } else {
        weights
    };
    weights.matmul(&v.contiguous()?)
}

/// [`super::self_attention`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn self_attention(qkv: &Tensor, heads: usize, settings: &Attention) -> Result<Tensor> {
    let (batch, n, packed) = qkv.dims3()?;
    let width = packed / (3 * heads);
    let qkv = qkv.reshape((batch, n, 3, heads, width))?;
    let part = |index: usize| qkv.narrow(2, index, 1)?.squeeze(2)?.transpose(1, 2);
    attention(&part(0)?, &part(1)?, &part(2)?, settings)?
        .transpose(1, 2)?
        .reshape((batch, n, heads * width))
}

/// [`super::masked_fill`], with a mask of the shape of `x`.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn masked_fill(x: &Tensor, mask: &Tensor, value: f64) -> Result<Tensor> {
    let value = Tensor::full(value as f32, x.shape(), x.device())?.to_dtype(x.dtype())?;
    mask.where_cond(&value, x)
}

/// [`super::embedding`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn embedding(ids: &Tensor, table: &Tensor, padding_index: Option<usize>) -> Result<Tensor> {
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

/// [`super::gather`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn gather(x: &Tensor, dim: usize, index: &Tensor) -> Result<Tensor> {
    covered(x, dim, index)?.gather(&index.contiguous()?, dim)
}

/// [`super::scatter`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn scatter(x: &Tensor, dim: usize, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    let ones = src.detach().ones_like()?;
    let replaced = into_zeros(x, dim, index, &ones, false)?;
    let written = into_zeros(x, dim, index, src, false)?;
    replaced.ne(0.0)?.where_cond(&written, x)
}

/// [`super::scatter_add`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn scatter_add(x: &Tensor, dim: usize, index: &Tensor, src: &Tensor) -> Result<Tensor> {
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

/// [`super::max_pool2d`]. Which of several equal values gets the gradient is the device's choice, and what is not a number
/// may lose.
///
/// # Errors
///
/// As there.
pub fn max_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
) -> Result<Tensor> {
    let windows = Windows::regular("max-pool2d", x, kernel, stride, padding)?;
    let (batch, channels, height, width) = x.dims4()?;
    let (new_height, new_width) = windows.size();
    let count = kernel.0 * kernel.1;
    let places = Tensor::from_vec(
        windows.places(kernel),
        new_height * new_width * count,
        x.device(),
    )?;
    let values = x
        .reshape((batch * channels, height * width))?
        .contiguous()?
        .index_select(&places, 1)?
        .reshape((batch * channels, new_height * new_width, count))?;
    let largest = values.detach().argmax_keepdim(2)?;
    values
        .gather(&largest, 2)?
        .reshape((batch, channels, new_height, new_width))
}

/// [`super::avg_pool2d`].
///
/// # Errors
///
/// As there.
pub fn avg_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
) -> Result<Tensor> {
    let windows = Windows::regular("avg-pool2d", x, kernel, stride, padding)?;
    let (rows, columns) = windows.means(Some(kernel));
    separable(x, rows, columns)
}

/// [`super::adaptive_avg_pool2d`].
///
/// # Errors
///
/// As there.
pub fn adaptive_avg_pool2d(x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
    let (rows, columns) = Windows::adaptive(x, size)?.means(None);
    separable(x, rows, columns)
}

/// [`super::interpolate`].
///
/// # Errors
///
/// As there.
pub fn interpolate(x: &Tensor, size: (usize, usize), how: Interpolation) -> Result<Tensor> {
    interpolate_with(x, size, &how.into())
}

/// [`super::interpolate_with`].
///
/// # Errors
///
/// As there.
pub fn interpolate_with(
    x: &Tensor,
    size: (usize, usize),
    settings: &Interpolate,
) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let matrix = |from: usize, taps: Vec<super::interpolate::Taps>| {
        let mut values = vec![0.0; from * taps.len()];
        for (row, taps) in values.chunks_mut(from.max(1)).zip(taps) {
            for (index, weight) in taps {
                row[index] += weight;
            }
        }
        values
    };
    let (rows, columns) = super::interpolate::all_taps((height, width), size, settings);
    separable(x, matrix(height, rows), matrix(width, columns))
}

/// A linear map of the rows of images and one of their columns.
///
/// `x` is [batch, channels, height, width], `rows` [new height, height] and `columns` [new width, width], in row-major
/// order.
fn separable(x: &Tensor, rows: Vec<f64>, columns: Vec<f64>) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let (new_height, new_width) = (rows.len() / height.max(1), columns.len() / width.max(1));
    let rows = Tensor::from_vec(rows, (new_height, height), x.device())?.to_dtype(x.dtype())?;
    let columns = Tensor::from_vec(columns, (new_width, width), x.device())?.to_dtype(x.dtype())?;
    let wide = x
        .contiguous()?
        .reshape((batch * channels * height, width))?
        .matmul(&columns.t()?)?
        .reshape((batch * channels, height, new_width))?;
    rows.broadcast_left(batch * channels)?
        .contiguous()?
        .matmul(&wide)?
        .reshape((batch, channels, new_height, new_width))
}

/// [`super::conv2d`]. candle takes one stride, padding and dilation for both directions; where they differ, zeros are put
/// around the image and between the kernel's values, and rows and columns are left out of the result.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: Conv2d,
) -> Result<Tensor> {
    let equal = |(vertical, horizontal): (usize, usize)| vertical == horizontal;
    let (mut x, mut weight) = (x.clone(), weight.clone());
    let (mut padding, mut dilation, mut stride) =
        (settings.padding, settings.dilation, settings.stride);
    if !equal(padding) {
        x = x
            .pad_with_zeros(2, padding.0, padding.0)?
            .pad_with_zeros(3, padding.1, padding.1)?;
        padding = (0, 0);
    }
    if !equal(dilation) {
        weight = dilated(&dilated(&weight, 2, dilation.0)?, 3, dilation.1)?;
        dilation = (1, 1);
    }
    let taken = stride;
    if !equal(stride) {
        stride = (1, 1);
    }
    if stride.0 > 1 {
        // In its backward pass candle takes from the height how far the last patch ends before the image does, for the width,
        // too: without that rest both are right.
        for (dim, padding, dilation) in [(2, padding.0, dilation.0), (3, padding.1, dilation.1)] {
            let size = x.dim(dim)? + 2 * padding;
            let span = dilation * (weight.dim(dim)? - 1) + 1;
            let read = size - (size - span) % stride.0;
            x = x
                .pad_with_zeros(dim, padding, padding)?
                .narrow(dim, 0, read)?;
        }
        x = x.contiguous()?;
        padding = (0, 0);
    }
    let mut y = x.conv2d(&weight, padding.0, stride.0, dilation.0, settings.groups)?;
    if stride != taken {
        y = every(&every(&y, 2, taken.0)?, 3, taken.1)?;
    }
    match bias {
        Some(bias) => super::broadcast_add(&y, &bias.reshape((1, (), 1, 1))?),
        None => Ok(y),
    }
}

/// [`super::conv_transpose2d`]: a convolution, with a stride of 1, of the image with zeros between its values.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn conv_transpose2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: ConvTranspose2d,
) -> Result<Tensor> {
    let (inputs, part, rows, columns) = weight.dims4()?;
    let groups = settings.groups;
    // [in, out / groups, ...] to [out, in / groups, ...], both directions turned round.
    let weight = weight
        .reshape((groups, inputs / groups, part, rows, columns))?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((groups * part, inputs / groups, rows, columns))?;
    let weight = reversed(&reversed(&weight, 2)?, 3)?;
    let mut image = x.clone();
    let directions = [
        (
            2,
            rows,
            settings.stride.0,
            settings.padding.0,
            settings.dilation.0,
            settings.output_padding.0,
        ),
        (
            3,
            columns,
            settings.stride.1,
            settings.padding.1,
            settings.dilation.1,
            settings.output_padding.1,
        ),
    ];
    for (dim, kernel, stride, padding, dilation, more) in directions {
        image = dilated(&image, dim, stride)?;
        let span = dilation * (kernel - 1);
        let around = span.saturating_sub(padding);
        image = image.pad_with_zeros(dim, around, around + more)?;
        // Beyond the kernel the padding takes away from the image.
        let less = padding.saturating_sub(span);
        let length = image.dim(dim)? - 2 * less;
        image = image.narrow(dim, less, length)?;
    }
    let settings = Conv2d {
        dilation: settings.dilation,
        groups,
        ..Conv2d::default()
    };
    conv2d(&image.contiguous()?, &weight, bias, settings)
}

/// The values along a dimension in reverse order.
fn reversed(x: &Tensor, dim: usize) -> Result<Tensor> {
    let count = x.dim(dim)? as u32;
    let order: Vec<u32> = (0..count).rev().collect();
    x.contiguous()?
        .index_select(&Tensor::new(order, x.device())?, dim)
}

/// `distance - 1` zeros between the values along a dimension.
fn dilated(x: &Tensor, dim: usize, distance: usize) -> Result<Tensor> {
    if distance == 1 {
        return Ok(x.clone());
    }
    let mut shape = x.dims().to_vec();
    shape[dim] *= distance;
    let length = shape[dim] - (distance - 1);
    x.unsqueeze(dim + 1)?
        .pad_with_zeros(dim + 1, 0, distance - 1)?
        .reshape(shape)?
        .narrow(dim, 0, length)?
        .contiguous()
}

/// The first of every `distance` values along a dimension.
fn every(x: &Tensor, dim: usize, distance: usize) -> Result<Tensor> {
    let kept: Vec<u32> = (0..x.dims()[dim] as u32).step_by(distance).collect();
    let count = kept.len();
    x.contiguous()?
        .index_select(&Tensor::from_vec(kept, count, x.device())?, dim)
}

/// [`super::cross_entropy_with`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn cross_entropy(logits: &Tensor, target: &Tensor, settings: &CrossEntropy) -> Result<Tensor> {
    let axis = usize::from(logits.rank() > 1);
    let log_p = super::log_softmax_dim(logits, axis as i64)?;
    let classes = logits.dim(axis)?;
    let mut shape = vec![1; logits.rank()];
    shape[axis] = classes;
    let weight = match &settings.weight {
        Some(weight) => weight.detach().reshape(shape)?,
        None => Tensor::ones(shape, logits.dtype(), logits.device())?,
    };
    let smoothing = settings.label_smoothing;
    let weighted = super::broadcast_mul(&log_p, &weight)?;
    if target.dtype().is_float() {
        let q = ((target * (1.0 - smoothing))? + smoothing / classes as f64)?;
        let losses = super::sum(&(weighted * q)?, axis)?.neg()?;
        let count = losses.elem_count();
        return reduced(losses, settings.reduction, |sum| sum / count as f64);
    }
    let ignored = super::ignored_value(target.dtype(), settings.ignore_index);
    let target = target.to_dtype(DType::I64)?;
    let used = target.ne(ignored)?;
    // Ignored positions read class 0 and count nothing.
    let index = used
        .where_cond(&target, &target.zeros_like()?)?
        .unsqueeze(axis)?;
    let used = used.to_dtype(logits.dtype())?;
    let at_class = (weighted.gather(&index, axis)?.squeeze(axis)? * &used)?.neg()?;
    let everywhere = (super::sum(&weighted, axis)? * &used)?.neg()?;
    let losses = ((at_class * (1.0 - smoothing))? + (everywhere * (smoothing / classes as f64))?)?;
    let weights = weight
        .broadcast_as(logits.shape())?
        .contiguous()?
        .gather(&index, axis)?
        .squeeze(axis)?;
    let divisor = super::sum_all(&(weights * used)?)?;
    reduced(losses, settings.reduction, |sum| sum / divisor)
}

/// [`super::binary_cross_entropy_with_logits_with`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn binary_cross_entropy_with_logits(
    logits: &Tensor,
    target: &Tensor,
    settings: &BinaryCrossEntropy,
) -> Result<Tensor> {
    // softplus(x) = max(x, 0) + ln(1 + exp(-|x|)).
    let rest = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    let positive = (relu(&logits.neg()?)? + &rest)?;
    let negative = (relu(logits)? + &rest)?;
    let full = |weight: &Tensor| {
        weight
            .detach()
            .to_dtype(logits.dtype())?
            .broadcast_as(logits.shape())
    };
    let mut hit = (target * positive)?;
    if let Some(weight) = &settings.pos_weight {
        hit = (hit * full(weight)?)?;
    }
    let mut losses = (hit + (target.affine(-1.0, 1.0)? * negative)?)?;
    if let Some(weight) = &settings.weight {
        losses = (losses * full(weight)?)?;
    }
    let count = losses.elem_count();
    reduced(losses, settings.reduction, |sum| sum / count as f64)
}

fn reduced(
    losses: Tensor,
    reduction: Reduction,
    mean: impl FnOnce(Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    match reduction {
        Reduction::None => Ok(losses),
        Reduction::Sum => super::sum_all(&losses),
        Reduction::Mean => mean(super::sum_all(&losses)?),
    }
}

/// How many values candle's sum adds up at most: a block of threads of a GPU adds as many in pairs.
const STEP: usize = 1024;

/// [`super::sum`], as `[rows]` of all other dimensions. Few values are summed in their own type, and the sums in f64.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn sum(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = match dtype {
        DType::F16 | DType::BF16 => x.to_dtype(DType::F32)?,
        _ => x.clone(),
    };
    let mut order: Vec<usize> = (0..x.rank()).filter(|dim| !dims.contains(dim)).collect();
    let rows: usize = order.iter().map(|&dim| x.dims()[dim]).product();
    let count: usize = dims.iter().map(|&dim| x.dims()[dim]).product();
    order.extend(dims);
    let x = x.permute(order)?.contiguous()?.reshape((rows, count))?;
    if count <= STEP {
        // candle's sum: of few values.
        return x.sum(1)?.to_dtype(dtype);
    }
    // Metal has no f64.
    let wide = |sums: Tensor| match x.device().is_metal() {
        true => Ok(sums),
        false => sums.to_dtype(DType::F64),
    };
    let pieces = count / STEP;
    let whole = x
        .narrow(1, 0, pieces * STEP)?
        .contiguous()?
        .reshape((rows, pieces, STEP))?;
    // candle's sum: of few values, and in f64.
    let mut total = wide(whole.sum(2)?)?.sum(1)?;
    if pieces * STEP < count {
        let rest = x.narrow(1, pieces * STEP, count - pieces * STEP)?;
        // candle's sum: of few values.
        total = (total + wide(rest.sum(1)?)?)?;
    }
    total.to_dtype(dtype)
}

/// [`super::var_with`], as `[rows]` of all other dimensions.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn var(x: &Tensor, dims: &[usize], correction: f64) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = match dtype {
        DType::F16 | DType::BF16 => x.to_dtype(DType::F32)?,
        _ => x.clone(),
    };
    let count: usize = dims.iter().map(|&dim| x.dims()[dim]).product();
    let centred = |x: &Tensor| super::broadcast_sub(x, &super::mean_keepdim(x, dims)?);
    // Twice, as the mean is rounded the first time: of equal values nothing is left.
    let deviations = centred(&centred(&x)?)?;
    let divisor = (count as f64 - correction).max(0.0);
    (sum(&deviations.sqr()?, dims)? / divisor)?.to_dtype(dtype)
}
