//! The crates of a session.

use std::path::PathBuf;

use patchbay_toolchain::dependency::{InUse, Request, Settings};

/// What the notebook has asked for and the process of the cells uses.
#[derive(Default)]
pub(crate) struct Crates {
    /// What the notebook has asked for, in order.
    pub(crate) requests: Vec<Request>,
    pub(crate) settings: Settings,
    /// What the process of the cells has used of them, which stays as it is.
    pub(crate) in_use: InUse,
    /// The tokio whose runtime drives the futures of cells.
    pub(crate) executor: Option<PathBuf>,
}

impl Crates {
    /// Notes that the cells are in a new process.
    pub(crate) fn begin_anew(&mut self) {
        self.in_use = InUse::default();
        self.executor = None;
    }
}
