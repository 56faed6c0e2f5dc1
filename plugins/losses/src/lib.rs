//! Losses: one component a file.
//!
//! [`cross_entropy`] and [`focal`] work on logits `[batch, classes]` and
//! `[batch, classes, height, width]`, stay finite at logits of +-1e4, and compute in `f32` where the
//! logits are half precision. What they share (targets, reductions) is in [`classes`] and
//! [`reduction`].

pub mod classes;
pub mod cross_entropy;
pub mod focal;
pub mod reduction;

pub use cross_entropy::CrossEntropy;
pub use focal::Focal;

patchbay::export_plugin!(CrossEntropy, Focal);
