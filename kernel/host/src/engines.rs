//! The two engines that run notebooks, as one.

use std::path::PathBuf;

use patchbay_evcxr_protocol::Completions;
use patchbay_protocol::CommMessage;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    notebook::{Control, Engine},
    session::{CellReply, CellRequest, Session, SessionConfig, SessionControl, SessionEvent},
    side::{
        SideConfig,
        evcxr::{EvcxrControl, EvcxrSession},
    },
};

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

/// A session on one of the engines.
pub enum AnySession {
    Own(Box<Session>),
    Evcxr(Box<EvcxrSession>),
}

/// Reaches a session while a cell runs.
#[derive(Clone)]
pub enum AnyControl {
    Own(SessionControl),
    Evcxr(EvcxrControl),
}

impl AnySession {
    /// Starts a session.
    ///
    /// # Errors
    ///
    /// Fails where its process cannot be started or there is no folder for its files.
    pub async fn start(config: EngineConfig) -> anyhow::Result<AnySession> {
        Ok(match config {
            EngineConfig::Own(config) => AnySession::Own(Box::new(Session::start(*config).await?)),
            EngineConfig::Evcxr {
                side,
                working_directory,
            } => AnySession::Evcxr(Box::new(EvcxrSession::new(*side, working_directory)?)),
        })
    }

    /// What the cells' process says before the first cell.
    pub fn take_early_events(&mut self) -> Option<mpsc::UnboundedReceiver<SessionEvent>> {
        match self {
            AnySession::Own(session) => session.take_early_events(),
            AnySession::Evcxr(_) => None,
        }
    }
}

impl Engine for AnySession {
    type Control = AnyControl;

    fn control(&self) -> AnyControl {
        match self {
            AnySession::Own(session) => AnyControl::Own(session.control()),
            AnySession::Evcxr(session) => AnyControl::Evcxr(session.control()),
        }
    }

    /// Runs a cell, sending what it shows to `events` before it returns.
    async fn execute(
        &mut self,
        request: CellRequest,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> CellReply {
        match self {
            AnySession::Own(session) => session.execute(request, events).await,
            AnySession::Evcxr(session) => session.execute(request, events).await,
        }
    }
}

impl Control for AnyControl {
    fn interrupt(&self) {
        match self {
            AnyControl::Own(control) => control.interrupt(),
            AnyControl::Evcxr(control) => control.interrupt(),
        }
    }

    fn no_input(&self) {
        self.answer_input(None);
    }

    fn announce(&self, code: &str) {
        if let AnyControl::Own(control) = self {
            control.announce(code);
        }
    }
}

impl AnyControl {
    /// Serves completion in the background, until the session ends.
    pub async fn attend_completion(self) {
        if let AnyControl::Own(control) = self {
            control.attend_completion().await;
        }
    }

    /// What can stand at a byte of a cell.
    pub async fn complete(&self, code: &str, cursor: usize) -> Completions {
        let found = match self {
            AnyControl::Own(control) => Some(control.complete(code, cursor).await),
            AnyControl::Evcxr(control) => control.complete(code, cursor).await,
        };
        found.unwrap_or(Completions {
            start: cursor,
            end: cursor,
            items: Vec::new(),
        })
    }

    /// What is known about the name at a byte of a cell, as Markdown.
    pub async fn inspect(&self, code: &str, cursor: usize) -> Option<String> {
        match self {
            AnyControl::Own(control) => control.inspect(code, cursor).await,
            AnyControl::Evcxr(control) => control.inspect(code, cursor).await,
        }
    }

    /// The memory of the cells' GPU, `{name, used, total}` in bytes; null where there is none.
    pub async fn gpu_memory(&self) -> Value {
        match self {
            AnyControl::Own(control) => control.gpu_memory().await,
            AnyControl::Evcxr(_) => Value::Null,
        }
    }

    /// Hands the user's answer to the cell that asked.
    pub fn answer_input(&self, value: Option<String>) {
        match self {
            AnyControl::Own(control) => control.answer_input(value),
            AnyControl::Evcxr(control) => control.answer_input(value),
        }
    }

    /// Hands a front end's comm message to the cells' process; evcxr's takes none.
    pub fn comm(&self, message: CommMessage) {
        if let AnyControl::Own(control) = self {
            control.comm(message);
        }
    }
}
