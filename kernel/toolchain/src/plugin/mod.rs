//! Building plugins: a source file or a crate becomes a library that the runtime loads.
//!
//! A plugin is built against the SDK snapshot that the session runs on, by one call of rustc where
//! it depends on the SDK alone, else by cargo. The running process is told to load the library by
//! the question `LoadPlugin`. (`%%plugin` cells are compiled by the cell engine.)

mod compile;
mod manifest;
mod template;
mod watch;

pub use compile::{Sdk, build};
pub use template::{create, kinds};
pub use watch::Watcher;
