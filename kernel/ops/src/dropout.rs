//! Dropout (Srivastava et al., 2014).

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, backend::BackendStorage};

use super::{
    composed,
    random::{BLOCK, Stream},
    real::Real,
    simd::{fill, simd_kernel},
    storage::{by_dtype, output, read, tensor, values, widened},
};

/// In training, each value is zero with probability `p` and otherwise divided by `1 - p`; else the input itself.
///
/// Any shape. What is dropped follows from [`super::seed`] and the calls since, on any number of threads; the
/// mask is computed again in the backward pass and takes no memory.
///
/// # Errors
///
/// Fails where `p` is not in [0, 1], and for integer dtypes.
pub fn dropout(x: &Tensor, p: f64, train: bool) -> Result<Tensor> {
    let chance = Chance::new("dropout", p)?;
    if !train || p == 0.0 {
        return Ok(x.clone());
    }
    if !x.device().is_cpu() {
        return composed::dropout(x, p);
    }
    let stream = Stream::next();
    widened(x, |x| x.apply_op1(Dropout { chance, stream }))
}

/// A probability of dropping, as the kernels take it.
#[derive(Clone, Copy)]
pub(super) struct Chance {
    /// Values whose random number is below this are dropped.
    pub threshold: u64,
    /// What the other values are multiplied with.
    pub scale: f64,
}

impl Chance {
    pub(super) fn new(op: &'static str, p: f64) -> Result<Chance> {
        if !(0.0..=1.0).contains(&p) {
            candle_core::bail!("{op}: the probability of dropping is {p}: must be from 0 to 1")
        }
        Ok(Chance {
            threshold: (p * 4_294_967_296.0) as u64,
            scale: if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 },
        })
    }
}

/// What the values of an op that drops some of its own are multiplied with.
#[derive(Clone, Copy)]
pub(super) struct Mask(Option<(Chance, Stream)>);

impl Mask {
    /// The mask that [`dropout`] would take next.
    pub(super) fn next(op: &'static str, p: f64, train: bool) -> Result<Mask> {
        let chance = Chance::new(op, p)?;
        Ok(Mask((train && p > 0.0).then(|| (chance, Stream::next()))))
    }

    /// The factors of `length` values from `first` on, which is a multiple of [`BLOCK`].
    pub(super) fn fill<T: Real>(self, first: usize, length: usize, factors: &mut Vec<T>) {
        factors.clear();
        factors.resize(length.next_multiple_of(BLOCK), T::ONE);
        if let Some((chance, stream)) = self.0 {
            let ones = vec![T::ONE; factors.len()];
            drop_blocks(&ones, factors, stream, (first / BLOCK) as u64, chance);
        }
        factors.truncate(length);
    }
}

struct Dropout {
    chance: Chance,
    stream: Stream,
}

impl Dropout {
    fn masked<T: Real>(&self, x: &[T]) -> Vec<T> {
        let whole = x.len() / BLOCK;
        let (last_x, last_y) = (&x[whole * BLOCK..], &mut [T::ZERO; BLOCK]);
        let mut padded = [T::ZERO; BLOCK];
        padded[..last_x.len()].copy_from_slice(last_x);
        drop_blocks(&padded, last_y, self.stream, whole as u64, self.chance);
        let mut y = fill(whole, BLOCK, 4 * BLOCK, |range, y| {
            let x = &x[range.start * BLOCK..range.end * BLOCK];
            drop_blocks(x, y, self.stream, range.start as u64, self.chance);
        });
        y.extend_from_slice(&last_y[..last_x.len()]);
        y
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(storage.dtype(), self.name(), T => {
            let x = values::<T>(storage, layout)?;
            Ok(output(self.masked::<T>(&x), layout.shape()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        by_dtype!(x.dtype(), self.name(), T => {
            read!(grad: T = grad, self.name());
            Ok(Some(tensor(self.masked::<T>(&grad), x.shape())?))
        })
    }
}

simd_kernel! {
    fn drop_blocks['a, T: Real](
        x: &'a [T], y: &'a mut [T], stream: Stream, first: u64, chance: Chance,
    ) -> () {
        let scale = T::of(chance.scale);
        for (index, (x, y)) in x.chunks_exact(BLOCK).zip(y.chunks_exact_mut(BLOCK)).enumerate() {
            let random = stream.block(0, first + index as u64);
            for i in 0..BLOCK {
                y[i] = if u64::from(random[i]) < chance.threshold { T::ZERO } else { x[i] * scale };
            }
        }
    }
}
