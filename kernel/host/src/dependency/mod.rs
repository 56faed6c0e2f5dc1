//! `:dep name = "1"`: crates for cells, built once against the SDK.
//!
//! A crate on top of candle must use the candle that the SDK holds. So cargo resolves the request
//! with the SDK's lock file and builds it, but calls the compiler through [`wrapper`], which leaves
//! out what the SDK holds and points to the SDK's own crates in its place. What is new is bundled
//! into one dynamic library, which cells link beside the SDK.

mod build;
mod graph;
mod request;
pub mod wrapper;

pub use build::{Progress, Workshop};
pub use request::Request;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What cells need to use the crates that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The name in Rust of each crate that was asked for, with the file that describes it.
    pub externs: Vec<(String, PathBuf)>,
    /// The library that holds what the SDK does not; `None` where the SDK holds everything.
    pub library: Option<PathBuf>,
    /// The folder that describes the crates inside the library.
    pub dependencies: PathBuf,
    /// What is said of each crate that was asked for, by its name in the request.
    pub answers: Vec<(String, String)>,
}

/// The name of the crate that bundles the crates that were asked for.
pub const BUNDLE: &str = "patchbay_dependencies";
