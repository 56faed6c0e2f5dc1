//! `torch.nn.Dropout`.

use candle_core::{Result, Tensor};
use candle_nn::ModuleT;

use crate::network::layer_network;
use patchbay_ops as ops;

/// Drops values in training, and does nothing else; see [`ops::dropout`].
#[derive(Clone, Debug)]
pub struct Dropout {
    p: f64,
}

layer_network!(Dropout, "Dropout", {}, |layer| format!("p={}", layer.p));

impl Dropout {
    /// Drops with probability `p`.
    pub fn new(p: f32) -> Dropout {
        Dropout { p: f64::from(p) }
    }

    /// # Errors
    ///
    /// Fails where the probability is not in [0, 1].
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        ops::dropout(x, self.p, train)
    }
}

impl ModuleT for Dropout {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.forward(x, train)
    }
}
