//! The two engines that run cells.

use std::path::PathBuf;

use patchbay_contract::Session;
use patchbay_session::{EngineSession, SessionConfig, magics};
use patchbay_side::{SideConfig, evcxr::EvcxrSession};

/// Which engine runs the cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineName {
    /// Patchbay's own
    #[default]
    Patchbay,
    /// evcxr, the reference
    Evcxr,
}

/// What an engine needs to start.
pub enum EngineConfig {
    Own(Box<SessionConfig>),
    Evcxr {
        side: Box<SideConfig>,
        working_directory: PathBuf,
    },
}

impl EngineConfig {
    /// Starts a session.
    ///
    /// # Errors
    ///
    /// Fails where its process cannot be started or there is no folder for its files.
    pub async fn start(self) -> anyhow::Result<Box<dyn Session>> {
        Ok(match self {
            EngineConfig::Own(config) => Box::new(EngineSession::start(*config).await?),
            EngineConfig::Evcxr {
                side,
                working_directory,
            } => Box::new(EvcxrSession::new(magics(), *side, working_directory)?),
        })
    }
}
