//! How a loss of many elements becomes one number.

use candle_core::Result;

/// What a loss does with its elements: torch's `reduction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean; each loss says over what.
    #[default]
    Mean,
    Sum,
    /// They are returned as they are.
    None,
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
