//! Intervals and tests, recorded runs, and retrieval.
//!
//! Users see all of it as `patchbay::...`.

pub mod experiment;
pub mod retrieval;
pub mod stats;
