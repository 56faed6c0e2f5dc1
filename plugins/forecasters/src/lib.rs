//! Forecasters: one component a file.
//!
//! [`tide`] is the network; [`ridge`], [`d_linear`], [`seasonal_naive`] and [`last_value`] are what its
//! results are shown beside. Reading series, fitting and backtesting are in the SDK, `patchbay::forecast`,
//! and work with any of them.

pub mod normal_equations;
pub mod preset;
pub mod window_scale;

pub use preset::Preset;

patchbay::components! {
    d_linear::DLinear,
    last_value::LastValue,
    ridge::Ridge,
    seasonal_naive::SeasonalNaive,
    tide::Tide,
}
