//! Dropout (Srivastava et al., 2014).

mod composed;
mod cpu;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Tensor};

use crate::{dispatch::dispatch, drop_mask::Chance, op::apply, random::Stream};

/// In training, each value is zero with probability `p` and otherwise divided by `1 - p`; else the input itself.
///
/// Any shape. What is dropped follows from [`crate::seed`] and the calls since, on any number of threads; the
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
    dispatch! {
        x;
        composed => composed::dropout(x, p);
        cpu(x) => apply(cpu::Dropout { chance, stream: Stream::next() }, [x])
    }
}
