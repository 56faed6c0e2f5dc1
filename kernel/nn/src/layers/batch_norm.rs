//! `torch.nn.BatchNorm1d` and its like: candle's, which writes NaN into its statistics where a channel has a single value.

use std::{borrow::Cow, ops::Deref};

use candle_core::{Result, Tensor};
pub use candle_nn::BatchNormConfig;
use candle_nn::{ModuleT, VarBuilder};

use crate::network::{Network, Part, TensorMap, show_as_network};

/// Normalization of each channel over the batch in training, by the running statistics else.
///
/// Parameters `weight` and `bias`; `running_mean` and `running_var` are variables without a gradient.
#[derive(Clone, Debug)]
pub struct BatchNorm(candle_nn::BatchNorm);

impl Network for BatchNorm {
    fn type_name(&self) -> Cow<'_, str> {
        self.0.type_name()
    }

    fn settings(&self) -> String {
        self.0.settings()
    }

    fn parts(&self) -> Vec<Part<'_>> {
        self.0.parts()
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        self.0.map_tensors(map)
    }
}

show_as_network!(BatchNorm);

impl BatchNorm {
    /// From running statistics, `weight` and `bias`, each `[num_features]`.
    ///
    /// # Errors
    ///
    /// Fails where a shape does not fit.
    pub fn new(
        num_features: usize,
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: f64,
    ) -> Result<BatchNorm> {
        candle_nn::BatchNorm::new(num_features, running_mean, running_var, weight, bias, eps)
            .map(BatchNorm)
    }

    /// From running statistics alone.
    ///
    /// # Errors
    ///
    /// Fails where a shape does not fit.
    pub fn new_no_bias(
        num_features: usize,
        running_mean: Tensor,
        running_var: Tensor,
        eps: f64,
    ) -> Result<BatchNorm> {
        candle_nn::BatchNorm::new_no_bias(num_features, running_mean, running_var, eps)
            .map(BatchNorm)
    }

    /// [`BatchNorm::new`] with the share of a batch in the running statistics.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn new_with_momentum(
        num_features: usize,
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: f64,
        momentum: f64,
    ) -> Result<BatchNorm> {
        candle_nn::BatchNorm::new_with_momentum(
            num_features,
            running_mean,
            running_var,
            weight,
            bias,
            eps,
            momentum,
        )
        .map(BatchNorm)
    }

    /// [`BatchNorm::new_no_bias`] with the share of a batch in the running statistics.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn new_no_bias_with_momentum(
        num_features: usize,
        running_mean: Tensor,
        running_var: Tensor,
        eps: f64,
        momentum: f64,
    ) -> Result<BatchNorm> {
        candle_nn::BatchNorm::new_no_bias_with_momentum(
            num_features,
            running_mean,
            running_var,
            eps,
            momentum,
        )
        .map(BatchNorm)
    }

    /// [`ModuleT::forward_t`] in training.
    ///
    /// # Errors
    ///
    /// Fails where a channel has a single value, which has no variance.
    pub fn forward_train(&self, x: &Tensor) -> Result<Tensor> {
        if x.rank() > 1 && x.elem_count() == x.dim(1)? {
            candle_core::bail!(
                "batch norm in training needs more than one value for each channel, and the input is {:?}: take a larger batch, \
                 or evaluate",
                x.dims()
            )
        }
        self.0.forward_train(x)
    }
}

/// `running_mean`, `running_var`, `weight_and_bias`, `eps` and `momentum`.
impl Deref for BatchNorm {
    type Target = candle_nn::BatchNorm;

    fn deref(&self) -> &candle_nn::BatchNorm {
        &self.0
    }
}

impl ModuleT for BatchNorm {
    /// [batch, channels, ...] to the same.
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match train {
            true => self.forward_train(x),
            false => self.0.forward_t(x, false),
        }
    }
}

/// Parameters `weight` (ones), `bias` (zeros), `running_mean` (zeros) and `running_var` (ones). A plain number as `config` is the
/// eps; torch's is 1e-5.
///
/// # Errors
///
/// Fails where the builder has parameters of other shapes.
pub fn batch_norm(
    num_features: usize,
    config: impl Into<BatchNormConfig>,
    vb: VarBuilder,
) -> Result<BatchNorm> {
    candle_nn::batch_norm(num_features, config, vb).map(BatchNorm)
}
