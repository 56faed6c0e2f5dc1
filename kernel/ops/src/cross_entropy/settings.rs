//! What the loss can be told, and which classes do not count.

use candle_core::{DType, Tensor};

use crate::Reduction;

/// The settings of [`crate::cross_entropy_with`].
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// A factor for each class, of shape `[C]` and the logits' dtype. No gradient flows to it.
    pub weight: Option<Tensor>,
    /// Positions whose class is this number have no loss and no gradient. Class indices only; [`ignored_value`] says what
    /// stands for a number below 0 in u32.
    pub ignore_index: i64,
    /// ε: targets become `(1 - ε) q + ε / C` (Szegedy et al., 2016). From 0 to 1.
    pub label_smoothing: f64,
    /// The mean is over the weights of the classes that are there; with probabilities over the positions.
    pub reduction: Reduction,
}

/// The class index of targets that do not count, where nothing else is said: torch's `ignore_index`. All losses, metrics and
/// plots of classes take it.
pub const IGNORE_INDEX: i64 = -100;

/// What stands for `ignore_index` in targets of a dtype.
///
/// In i64, i32 and i16 it is the number itself. A u32 cannot hold -100: what `to_dtype(DType::U32)` makes of it, 2^32 - 100 =
/// 4294967196, is taken for it, and so for other numbers below 0. In u8 there is no such number, as all 256 may be classes:
/// give one that is none of yours, such as 255.
pub fn ignored_value(dtype: DType, ignore_index: i64) -> i64 {
    match (dtype, i32::try_from(ignore_index)) {
        (DType::U32, Ok(below)) if below < 0 => i64::from(below as u32),
        _ => ignore_index,
    }
}

impl Default for CrossEntropy {
    fn default() -> CrossEntropy {
        CrossEntropy {
            weight: None,
            ignore_index: IGNORE_INDEX,
            label_smoothing: 0.0,
            reduction: Reduction::Mean,
        }
    }
}
