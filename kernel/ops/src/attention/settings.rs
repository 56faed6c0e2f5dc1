//! What attention can be told.

use candle_core::Tensor;

/// The settings of [`crate::attention_with`] and [`crate::self_attention`].
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
