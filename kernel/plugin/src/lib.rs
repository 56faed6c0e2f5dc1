//! Components as dynamically loaded plugins: list, describe, create, swap, reload.
//!
//! A *component* is an implementation of a *kind* (a [`Loss`], a [`Forecaster`]); its id is
//! `kind/name`. Components come in *plugins*, shared libraries that [`load`] checks against this
//! build of the SDK and maps into the process. Cells hold a [`Slot`], which implements the kind's
//! trait by forwarding to its present component, so that a swap takes effect at the next call of a
//! loop that is already running.
//!
//! ```no_run
//! use patchbay::plugin::{self, Loss};
//! use patchbay::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (logits, target): (Tensor, Tensor) = unimplemented!();
//! let loss = plugin::create::<dyn Loss>("loss/focal", json!({"gamma": 2.0}))?;
//! let value = loss.forward(&logits, &target)?;
//! loss.swap("loss/cross_entropy", json!({}))?;
//! # Ok(()) }
//! ```
//!
//! docs/writing-a-plugin.md leads through the making of a plugin.

pub mod abi;
mod carry;
mod checkpoint;
mod component;
pub(crate) mod config;
mod config_check;
mod context;
mod define;
mod description;
mod error;
mod former_settings;
mod guard;
mod history;
mod kind;
#[doc(hidden)]
pub mod kinds;
mod listing;
mod loader;
mod memory;
mod metadata;
mod nested;
mod origin;
mod panics;
#[doc(hidden)]
pub mod part;
mod record;
mod registry;
mod resolve;
mod run_directory;
mod sample;
mod search;
mod serve;
mod slot;
mod store;
pub mod trial;
mod tried;

pub use carry::{Carry, SwapReport};
#[doc(hidden)]
pub use checkpoint::{Note, NoteRecord};
pub use component::Component;
pub use config::Config;
pub use context::{Context, Options};
pub use define::{Define, Details, Registration, Spec};
pub use description::{Description, describe};
pub use error::Error;
pub use guard::{check, seal};
pub use history::{History, HistoryEntry};
pub use kind::Kind;
pub use kinds::*;
pub use listing::{Listing, list};
pub use loader::{LoadReport, SlotUpdate, load};
#[doc(hidden)]
pub use memory::Memory;
pub use metadata::{ComponentMetadata, Metadata, read_metadata};
pub use registry::{register, unregister};
pub use resolve::components_of;
pub use sample::{Inputs, Outputs, Sample};
pub use search::{search_path, set_search_path};
pub use serve::serve;
pub use slot::{Slot, create, create_with};
pub use store::NamedVar;
pub use trial::sample;
pub use tried::Tried;

/// Crates that the macros name.
#[doc(hidden)]
pub mod __crates {
    pub use {schemars, serde, serde_json};
}

patchbay_show::evcxr_display!(Description, History, Listing, LoadReport, SwapReport);
