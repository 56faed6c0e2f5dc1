//! Optimizers that update each parameter in one pass.

mod adam;
mod groups;
mod parameters;
mod sgd;

pub use adam::{Adam, AdamW, ParamsAdam};
pub use candle_nn::{Optimizer, ParamsAdamW};
pub use groups::{IntoGroups, ParameterGroups};
pub use parameters::{OptimizerState, ParameterGroup, ParameterNames};
pub use sgd::{ParamsSgd, SGD};

/// Argument of [`Adam::new`], [`AdamW::new`] and [`SGD::new`]: settings of type `P`, or a learning rate with PyTorch's other defaults.
pub trait OptimizerSettings<P> {
    /// Returns the settings.
    fn settings(self) -> P;
}

macro_rules! settings_themselves {
    ($($settings:ty),*) => {$(
        impl OptimizerSettings<$settings> for $settings {
            fn settings(self) -> $settings {
                self
            }
        }
    )*};
}

settings_themselves!(ParamsAdamW, ParamsAdam, ParamsSgd);
