//! How a loss of many elements becomes one number.

use candle_core::{Result, Tensor};

/// What a loss does with its elements: torch's `reduction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean; each loss says over what.
    #[default]
    Mean,
    /// The sum of the values.
    Sum,
    /// They are returned as they are.
    None,
}

impl Reduction {
    /// Of losses that candle's ops have made; `mean` divides their sum.
    pub(crate) fn of(
        self,
        losses: Tensor,
        mean: impl FnOnce(Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        match self {
            Reduction::None => Ok(losses),
            Reduction::Sum => crate::sum_all(&losses),
            Reduction::Mean => mean(crate::sum_all(&losses)?),
        }
    }
}

impl std::str::FromStr for Reduction {
    type Err = candle_core::Error;

    fn from_str(text: &str) -> Result<Reduction> {
        match text {
            "mean" => Ok(Reduction::Mean),
            "sum" => Ok(Reduction::Sum),
            "none" => Ok(Reduction::None),
            other => candle_core::bail!("the reduction is {other:?}: must be mean, sum or none"),
        }
    }
}
