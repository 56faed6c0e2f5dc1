//! Dehazing without tensors: filters, priors, data sets.

pub mod airlight;
pub mod aod_net;
mod bands;
mod box_filter;
pub mod color_attenuation_prior;
pub mod dark_channel_prior;
pub mod dehazer;
pub mod guided_filter;
pub mod min_filter;
mod output;
pub mod picture;
pub mod quality;
pub mod recover;
mod refine;
pub mod runner;
mod running_sum;
pub mod sample;
mod simd;
pub mod skip;
mod subsampled;
pub mod synthesis;
mod workspace;

pub use patchbay_codec as codec;
pub use patchbay_weights as weights;

pub use dehazer::{Dehazer, Findings, Guide, Prior};
pub use picture::{Order, Picture, Shape};
pub use workspace::Workspace;
