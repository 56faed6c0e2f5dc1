//! `:dep name = "1"`: crates for cells, built once against the SDK.
//!
//! A crate on top of candle must use the candle that the SDK holds. So cargo resolves the request
//! with the SDK's lock file and builds it, but calls the compiler through [`wrapper`], which leaves
//! out what the SDK holds and points to the SDK's own crates in its place. What is new is bundled
//! into one dynamic library, which cells link beside the SDK.
//!
//! A later request adds a [`Layer`]: another library, with what neither the SDK nor the layers before
//! it hold, linked to those. So a crate that is loaded stays the one that it is, and nothing is built
//! twice.

mod graph;
mod lock;
mod native;
mod request;
mod sources;
mod workshop;
pub mod wrapper;

pub use request::Request;
pub use workshop::{InUse, Progress, Settings, Workshop, merged};

pub use patchbay_engine::bundle::{BUNDLE, Bundle, Layer, LayerCrate};
