//! One notebook session: the engine that compiles cells and the runtime process that runs them.
//!
//! The Jupyter server and `patchbay run` both drive a [`Session`]; neither knows how a cell is
//! compiled.

use std::path::PathBuf;

use patchbay_protocol::{CommMessage, MimeBundle};
use serde_json::Value;
use tokio::sync::mpsc;

/// What a session needs to start.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The SDK snapshot that cells are compiled against (see `snapshot`).
    pub prefix: PathBuf,
    /// Where the runtime starts; a notebook's folder for instance.
    pub working_directory: PathBuf,
}

/// A cell to execute.
#[derive(Clone, Debug, Default)]
pub struct CellRequest {
    pub code: String,
    /// The number that the user sees in front of the cell.
    pub execution_count: u32,
    /// Whether the front end can answer input requests.
    pub allow_stdin: bool,
}

/// What happens while a cell runs, in the order in which a front end should show it.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// Text on `stdout` or `stderr`; already gathered into chunks.
    Stream { name: StreamName, text: String },
    Display {
        bundle: MimeBundle,
        display_id: Option<String>,
        update: bool,
    },
    Result { bundle: MimeBundle },
    Clear { wait: bool },
    InputRequest { prompt: String, password: bool },
    Comm(CommMessage),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamName {
    Stdout,
    Stderr,
}

/// How a cell ended.
#[derive(Clone, Debug, Default)]
pub struct CellReply {
    /// `None` means that the cell succeeded.
    pub error: Option<CellError>,
    /// Nanoseconds by phase, for the reply's metadata.
    pub timings: Timings,
    /// Jupyter payloads, a page of help for instance.
    pub payload: Vec<Value>,
}

/// An error as Jupyter wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellError {
    /// The sort of error, `Panic` or `CompileError` for instance.
    pub name: String,
    /// The first line of the message.
    pub value: String,
    /// Lines with ANSI colours.
    pub traceback: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    pub compile_nanoseconds: u64,
    pub load_nanoseconds: u64,
    pub run_nanoseconds: u64,
    /// Whether the compiled cell came from the cache.
    pub cached: bool,
}

/// Whether a cell's text can be executed as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    Complete,
    Incomplete { indent: String },
    Invalid,
}

/// A running session. Dropping it ends the runtime process.
pub struct Session {
    _private: (),
}

/// A cheap handle that reaches a session while a cell runs.
#[derive(Clone)]
pub struct SessionControl {
    _private: (),
}

impl Session {
    /// Starts the runtime process. Returns before the runtime is up; the first cell waits for it.
    ///
    /// # Errors
    ///
    /// Fails where the prefix holds no SDK or the compiler is not the one that built it.
    pub async fn start(_config: SessionConfig) -> anyhow::Result<Session> {
        anyhow::bail!("not yet")
    }

    pub fn control(&self) -> SessionControl {
        SessionControl { _private: () }
    }

    /// Compiles and runs a cell, sending what it shows to `events` before it returns.
    pub async fn execute(
        &mut self,
        _request: CellRequest,
        _events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> CellReply {
        CellReply::default()
    }

    /// Whether this text can be executed as it stands.
    pub fn completeness(_code: &str) -> Completeness {
        Completeness::Complete
    }
}

impl SessionControl {
    /// Stops the running cell: the first call asks, a second one kills the runtime.
    pub fn interrupt(&self) {}

    /// Hands the user's answer to the cell that asked.
    pub fn answer_input(&self, _value: Option<String>) {}

    /// Hands a front end's comm message to the runtime.
    pub fn comm(&self, _message: CommMessage) {}
}
