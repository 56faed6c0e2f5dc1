//! Scaled dot-product attention (Vaswani et al., 2017) that never holds all scores.
//!
//! The scores of a tile of queries are made, used and forgotten; the backward pass makes them again from the
//! kept log-sum-exp of each row, as FlashAttention does (Dao et al., 2022). So memory grows with the number of
//! queries, not with its product with the number of keys.

use std::sync::OnceLock;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp3, DType, Layout, Result, Shape, Tensor, backend::BackendStorage,
};

use super::{
    attention_kernel::{Inputs, Mask, Outputs, Problem, View, backward, forward},
    composed,
    dropout::Chance,
    random::Stream,
    real::Real,
    simd::zeros,
    storage::{by_dtype, on_cpu, output, read, same_dtype, tensor, widened},
};

/// The settings of [`attention_with`] and [`self_attention`].
#[derive(Clone, Debug, Default)]
pub struct Attention {
    /// What each query may look at, of a shape that broadcasts to [batch, heads, queries, keys]: u8, where 0
    /// hides a key, or numbers of the queries' dtype that are added to the scores (negative infinity hides).
    pub mask: Option<Tensor>,
    /// Query i sees keys 0 to i only.
    pub causal: bool,
    /// The probability of dropping an attention weight; give 0 outside of training.
    pub dropout: f64,
    /// What scores are multiplied with; 1 / sqrt(width of a head) where nothing is said.
    pub scale: Option<f64>,
}

/// softmax(scale · q kᵀ) v, without mask.
///
/// # Errors
///
/// As [`attention_with`].
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    attention_with(q, k, v, &Attention::default())
}

/// softmax(scale · q kᵀ + mask) v: torch's `scaled_dot_product_attention`.
///
/// `q` is [batch, heads, queries, d], `k` [batch, heads, keys, d], `v` [batch, heads, keys, e]; the result is
/// [batch, heads, queries, e]. Any strides are read where they lie. A query that may look at nothing gives
/// zeros, and passes no gradient on.
///
/// A mask of numbers that a variable leads to gets its gradient, by a path that does hold all scores.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit.
pub fn attention_with(q: &Tensor, k: &Tensor, v: &Tensor, settings: &Attention) -> Result<Tensor> {
    let op = "attention";
    let (batch, heads, queries, width) = rank_4(op, "q", q)?;
    let (k_batch, k_heads, keys, k_width) = rank_4(op, "k", k)?;
    let (v_batch, v_heads, v_keys, v_width) = rank_4(op, "v", v)?;
    if (k_batch, k_heads, k_width) != (batch, heads, width)
        || (v_batch, v_heads, v_keys) != (batch, heads, keys)
    {
        candle_core::bail!(
            "{op}: q is {:?}, k {:?} and v {:?}: must be [batch, heads, queries, d], [batch, heads, keys, d] and \
             [batch, heads, keys, e]",
            q.dims(),
            k.dims(),
            v.dims()
        )
    }
    same_dtype(op, q, "k", k)?;
    same_dtype(op, q, "v", v)?;
    let learned = settings.mask.as_ref().is_some_and(Tensor::track_op);
    if learned || !q.device().is_cpu() {
        return composed::attention(q, k, v, settings);
    }
    let scale = settings.scale.unwrap_or(1.0 / (width as f64).sqrt());
    let problem = Problem {
        batch,
        heads,
        queries,
        keys,
        width,
        v_width,
        scale,
        causal: settings.causal,
    };
    let fused = Fused::new(problem, settings)?;
    widened(q, |q| {
        q.apply_op3(&k.to_dtype(q.dtype())?, &v.to_dtype(q.dtype())?, fused)
    })
}

/// Attention of a sequence to itself, from the packed projections that one linear map makes.
///
/// `qkv` is [batch, n, 3 · heads · d]: all heads' queries, then keys, then values, as in torch's
/// `MultiheadAttention` and timm's ViT. The result is [batch, n, heads · d]. Neither pass makes a copy to bring
/// the heads to the front.
///
/// # Errors
///
/// Fails where the last dimension is not a multiple of 3 · heads, where the mask does not fit, and for a mask
/// that needs a gradient: use [`attention_with`] for that.
pub fn self_attention(qkv: &Tensor, heads: usize, settings: &Attention) -> Result<Tensor> {
    let op = "self-attention";
    let [batch, n, packed] = *qkv.dims() else {
        candle_core::bail!(
            "{op}: the input is {:?}: must be [batch, n, 3 * heads * d]",
            qkv.dims()
        )
    };
    if heads == 0 || packed % (3 * heads) != 0 {
        candle_core::bail!(
            "{op}: the last dimension is {packed}: must be a multiple of 3 * {heads} heads"
        )
    }
    if settings.mask.as_ref().is_some_and(Tensor::track_op) {
        candle_core::bail!(
            "{op}: the mask needs a gradient: call `attention_with`, or detach the mask"
        )
    }
    if !qkv.device().is_cpu() {
        return composed::self_attention(qkv, heads, settings);
    }
    let width = packed / (3 * heads);
    let problem = Problem {
        batch,
        heads,
        queries: n,
        keys: n,
        width,
        v_width: width,
        scale: settings.scale.unwrap_or(1.0 / (width as f64).sqrt()),
        causal: settings.causal,
    };
    let fused = Fused::new(problem, settings)?;
    widened(qkv, |qkv| qkv.apply_op1(fused))
}

fn rank_4(op: &'static str, name: &str, x: &Tensor) -> Result<(usize, usize, usize, usize)> {
    x.dims4().map_err(|_| {
        candle_core::Error::Msg(format!(
            "{op}: {name} is {:?}: must be [batch, heads, n, d]",
            x.dims()
        ))
        .bt()
    })
}

struct Fused {
    problem: Problem,
    /// In the layout that broadcasts it to [batch, heads, queries, keys].
    mask: Option<Tensor>,
    dropout: Option<(Chance, Stream)>,
    /// ln Σ exp of each row of scores.
    log_sum_exp: OnceLock<Vec<f64>>,
}

impl Fused {
    fn new(problem: Problem, settings: &Attention) -> Result<Fused> {
        let chance = Chance::new("attention", settings.dropout)?;
        let shape = (problem.batch, problem.heads, problem.queries, problem.keys);
        Ok(Fused {
            problem,
            mask: settings
                .mask
                .as_ref()
                .map(|mask| mask.detach().broadcast_as(shape))
                .transpose()
                .map_err(|error| {
                    error.context(
                        "attention: the mask must broadcast to [batch, heads, queries, keys]",
                    )
                })?,
            dropout: (settings.dropout > 0.0).then(|| (chance, Stream::next())),
            log_sum_exp: OnceLock::new(),
        })
    }

    /// Runs `f` with the mask as the kernels read it.
    fn with_mask<T: Real, R>(&self, f: impl FnOnce(Mask<'_, T>) -> R) -> Result<R> {
        let Some(mask) = &self.mask else {
            return Ok(f(Mask::None));
        };
        let mask = match mask.dtype() {
            DType::U8 => mask.clone(),
            dtype if dtype.is_float() => mask.to_dtype(T::DTYPE)?,
            other => candle_core::bail!(
                "attention: the mask is {}: must be u8 (0 hides) or numbers to add",
                other.as_str()
            ),
        };
        let (storage, layout) = mask.storage_and_layout();
        let strides: [usize; 4] = std::array::from_fn(|i| layout.stride()[i]);
        let start = layout.start_offset();
        Ok(match on_cpu(&storage, "attention")? {
            CpuStorage::U8(values) => f(Mask::Visible(&values[start..], strides)),
            storage => f(Mask::Added(&storage.as_slice::<T>()?[start..], strides)),
        })
    }

    fn forward<T: Real>(&self, inputs: Inputs<'_, T>, out: View) -> Result<Vec<T>> {
        let p = &self.problem;
        let mut y = zeros::<T>(p.batch * p.heads * p.queries * p.v_width);
        let kept = self.with_mask(|mask| forward(p, inputs, mask, self.dropout, out, &mut y))?;
        // The pass runs once for each op, so the cell is empty.
        let _ = self.log_sum_exp.set(kept);
        Ok(y)
    }

    /// The views of the three parts of packed projections.
    fn packed(&self) -> [View; 3] {
        let p = &self.problem;
        let row = 3 * p.heads * p.width;
        let part = |index: usize| View {
            start: index * p.heads * p.width,
            batch: p.queries * row,
            head: p.width,
            row,
            column: 1,
        };
        [part(0), part(1), part(2)]
    }

    /// The view of the result of packed projections: [batch, n, heads · d].
    fn merged(&self) -> View {
        let p = &self.problem;
        let row = p.heads * p.width;
        View {
            start: 0,
            batch: p.queries * row,
            head: p.width,
            row,
            column: 1,
        }
    }
}

impl CustomOp3 for Fused {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(q.dtype(), "attention", T => {
            let p = &self.problem;
            let inputs = Inputs {
                q: (q.as_slice::<T>()?, View::of(q_layout)),
                k: (k.as_slice::<T>()?, View::of(k_layout)),
                v: (v.as_slice::<T>()?, View::of(v_layout)),
            };
            let y = self.forward(inputs, View::contiguous(p.heads, p.queries, p.v_width))?;
            Ok(output(y, (p.batch, p.heads, p.queries, p.v_width)))
        })
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        by_dtype!(q.dtype(), "attention", T => {
            let p = &self.problem;
            let shapes = (q.shape(), k.shape(), v.shape());
            let (q, q_layout) = q.storage_and_layout();
            let (k, k_layout) = k.storage_and_layout();
            let (v, v_layout) = v.storage_and_layout();
            read!(y: T = y, "attention");
            read!(grad: T = grad, "attention");
            let out = View::contiguous(p.heads, p.queries, p.v_width);
            let inputs = Inputs {
                q: (on_cpu(&q, "attention")?.as_slice::<T>()?, View::of(q_layout)),
                k: (on_cpu(&k, "attention")?.as_slice::<T>()?, View::of(k_layout)),
                v: (on_cpu(&v, "attention")?.as_slice::<T>()?, View::of(v_layout)),
            };
            let (q_size, k_size) = (shapes.0.elem_count(), shapes.1.elem_count());
            let mut all = zeros::<T>(q_size + k_size + shapes.2.elem_count());
            let views = [
                View::contiguous(p.heads, p.queries, p.width),
                View::contiguous(p.heads, p.keys, p.width).at(q_size),
                View::contiguous(p.heads, p.keys, p.v_width).at(q_size + k_size),
            ];
            let outputs = Outputs { values: &mut all, q: views[0], k: views[1], v: views[2] };
            let kept = self.log_sum_exp.get().map_or(&[][..], Vec::as_slice);
            self.with_mask(|mask| {
                backward(p, inputs, mask, self.dropout, (&y, out), (&grad, out), kept, outputs);
            })?;
            let v_grad = all.split_off(q_size + k_size);
            let k_grad = all.split_off(q_size);
            Ok((
                Some(tensor(all, shapes.0)?),
                Some(tensor(k_grad, shapes.1)?),
                Some(tensor(v_grad, shapes.2)?),
            ))
        })
    }
}

impl CustomOp1 for Fused {
    fn name(&self) -> &'static str {
        "self-attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(qkv.dtype(), "self-attention", T => {
            let p = &self.problem;
            let qkv = super::storage::values::<T>(qkv, layout)?;
            let [q, k, v] = self.packed();
            let inputs = Inputs { q: (&qkv, q), k: (&qkv, k), v: (&qkv, v) };
            let y = self.forward(inputs, self.merged())?;
            Ok(output(y, (p.batch, p.queries, p.heads * p.width)))
        })
    }

    fn bwd(&self, qkv: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        by_dtype!(qkv.dtype(), "self-attention", T => {
            let shape = qkv.shape();
            read!(qkv: T = qkv, "self-attention");
            read!(y: T = y, "self-attention");
            read!(grad: T = grad, "self-attention");
            let [q, k, v] = self.packed();
            let inputs = Inputs { q: (&qkv, q), k: (&qkv, k), v: (&qkv, v) };
            let mut all = zeros::<T>(qkv.len());
            let outputs = Outputs { values: &mut all, q, k, v };
            let kept = self.log_sum_exp.get().map_or(&[][..], Vec::as_slice);
            let out = self.merged();
            self.with_mask(|mask| {
                backward(&self.problem, inputs, mask, self.dropout, (&y, out), (&grad, out), kept, outputs);
            })?;
            Ok(Some(tensor(all, shape)?))
        })
    }
}
