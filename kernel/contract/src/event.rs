//! What a cell shows while it runs.

use patchbay_protocol::{CommMessage, MimeBundle, Output, StreamName};
use serde_json::Value;
use tokio::sync::mpsc;

/// What happens while a cell runs, in the order in which a front end should show it.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// Text on `stdout` or `stderr`; already gathered into chunks.
    Stream {
        /// The stream that it goes to.
        name: StreamName,
        /// The text, not always a whole line.
        text: String,
    },
    /// A value that is displayed, or one that takes the place of a displayed one.
    Display {
        /// The value in each of its MIME types.
        bundle: MimeBundle,
        /// The name by which it can be updated.
        display_id: Option<String>,
        /// Whether all that were displayed under this name are changed.
        update: bool,
    },
    /// The value of the cell's last expression.
    Result {
        /// The value in each of its MIME types.
        bundle: MimeBundle,
    },
    /// The cell's outputs are cleared.
    Clear {
        /// Whether they stay until the next output.
        wait: bool,
    },
    /// A text for a new cell below the one that runs.
    NextInput {
        /// The text of the next cell.
        text: String,
    },
    /// The cell waits for a line of input.
    InputRequest {
        /// The text in front of the field.
        prompt: String,
        /// Whether the field hides what is typed.
        password: bool,
    },
    /// A message of a comm.
    Comm(CommMessage),
    /// The process that held the cells' ends of all comms has ended.
    CommsLost,
    /// Dropped when what came before it has been taken by all who read; until then the cell has to wait.
    Barrier(mpsc::Sender<()>),
}

impl From<Output> for SessionEvent {
    fn from(output: Output) -> SessionEvent {
        match output {
            Output::Result { bundle } => SessionEvent::Result { bundle },
            Output::Display {
                bundle,
                display_id,
                update,
            } => SessionEvent::Display {
                bundle,
                display_id,
                update,
            },
            Output::Clear { wait } => SessionEvent::Clear { wait },
            Output::NextInput { text } => SessionEvent::NextInput { text },
        }
    }
}

impl SessionEvent {
    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        fn of(value: &Value) -> usize {
            match value {
                Value::String(text) => text.len(),
                Value::Array(values) => values.iter().map(of).sum(),
                Value::Object(entries) => entries
                    .iter()
                    .map(|(key, value)| key.len() + of(value))
                    .sum(),
                Value::Null | Value::Bool(_) | Value::Number(_) => 8,
            }
        }
        let content = match self {
            SessionEvent::Stream { text, .. } => text.len(),
            SessionEvent::Display { bundle, .. } | SessionEvent::Result { bundle } => bundle
                .data
                .values()
                .chain(bundle.metadata.values())
                .map(of)
                .sum(),
            SessionEvent::Comm(message) => {
                let buffers: usize = message.buffers.iter().map(String::len).sum();
                buffers + of(&message.data) + of(&message.metadata)
            }
            _ => 0,
        };
        content + 256
    }
}
