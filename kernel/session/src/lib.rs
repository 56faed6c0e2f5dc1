//! One notebook session: the engine that compiles cells and the runtime process that runs them.
//!
//! The Jupyter server and `patchbay run` both drive an [`EngineSession`]; neither knows how a cell is compiled.

mod ahead;
mod autoreload;
mod builder;
mod chunk;
mod compile_only;
mod config;
mod control;
mod crates;
mod defined;
mod dependency;
mod execute;
mod included;
mod kept;
mod last_errors;
mod magic;
mod parsed;
mod plugin;
mod say;
mod shared;
mod state;
mod upcoming;
mod variables;

pub use config::SessionConfig;
pub use kept::Kept;
pub use magic::magics;
pub use state::EngineSession;
