//! Which values are dropped, as a function of a stream of random numbers and of where a value lies.

use candle_core::Result;

use crate::{
    random::{BLOCK, Stream},
    real::Real,
    simd::simd_kernel,
};

/// A probability of dropping, as the kernels take it.
#[derive(Clone, Copy)]
pub(crate) struct Chance {
    /// Values whose random number is below this are dropped.
    pub threshold: u64,
    /// What the other values are multiplied with.
    pub scale: f64,
}

impl Chance {
    pub(crate) fn new(op: &'static str, p: f64) -> Result<Chance> {
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
pub(crate) struct Mask(Option<(Chance, Stream)>);

impl Mask {
    /// The mask that [`crate::dropout`] would take next.
    pub(crate) fn next(op: &'static str, p: f64, train: bool) -> Result<Mask> {
        let chance = Chance::new(op, p)?;
        Ok(Mask((train && p > 0.0).then(|| (chance, Stream::next()))))
    }

    /// The factors of `length` values from `first` on, which is a multiple of [`BLOCK`].
    pub(crate) fn fill<T: Real>(self, first: usize, length: usize, factors: &mut Vec<T>) {
        factors.clear();
        factors.resize(length.next_multiple_of(BLOCK), T::ONE);
        if let Some((chance, stream)) = self.0 {
            let ones = vec![T::ONE; factors.len()];
            drop_blocks(&ones, factors, stream, (first / BLOCK) as u64, chance);
        }
        factors.truncate(length);
    }
}

simd_kernel! {
    pub(crate) fn drop_blocks['a, T: Real](
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
