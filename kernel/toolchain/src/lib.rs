//! What cells are compiled against: the snapshot of the SDK, crates that a notebook asks for, and plugins.

pub mod dependency;
pub mod plugin;
pub mod snapshot;
pub mod workplace;
