//! Forecasters: one component a file.
//!
//! [`tide`] is the network; [`ridge`], [`d_linear`], [`seasonal_naive`] and [`last_value`] are what its
//! results are shown beside. Reading series, fitting and backtesting are in the SDK, `patchbay::forecast`,
//! and work with any of them.

pub mod d_linear;
pub mod last_value;
pub mod normal_equations;
pub mod preset;
pub mod ridge;
pub mod seasonal_naive;
pub mod tide;
pub mod window_scale;

pub use d_linear::DLinear;
pub use last_value::LastValue;
pub use preset::Preset;
pub use ridge::Ridge;
pub use seasonal_naive::SeasonalNaive;
pub use tide::Tide;

patchbay::export_plugin!(Tide, Ridge, DLinear, SeasonalNaive, LastValue);
