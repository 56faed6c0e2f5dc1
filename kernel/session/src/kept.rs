//! What `patchbay build` keeps of a session beside the compiled cells.

use std::{collections::BTreeMap, path::PathBuf};

use patchbay_toolchain::dependency::Bundle;
use serde::{Deserialize, Serialize};

/// What a notebook asked for while it was compiled.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// The crates of each `:dep`, by the requests that had been made until then.
    pub bundles: BTreeMap<String, Bundle>,
    /// The libraries of each `%plugin PATH`, by path, as files in `plugins`.
    pub plugins: BTreeMap<String, PathBuf>,
}
