//! The messages between the host and `patchbay-evcxr`, its side process for the evcxr engine and for
//! rust-analyzer.
//!
//! Each message is one line of JSON: requests on the process's stdin, events on its stdout. Cells are
//! evaluated in the order in which they come; questions for rust-analyzer are answered beside them,
//! while a cell runs, too. Positions are byte offsets into the text that they are sent with.

use std::path::PathBuf;

use patchbay_protocol::{CommMessage, Failure, Output};
pub use patchbay_protocol::{Completion, Completions, StreamName};
use serde::{Deserialize, Serialize};

/// What the host asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Run a cell by evcxr. Answered by [`Event::Evaluated`].
    Evaluate {
        /// The number that the answer has.
        id: u64,
        /// The cell's text.
        code: String,
    },
    /// End the process that runs the cell; its variables are lost.
    Interrupt,
    /// The answer to an input request; `None` where nobody can be asked.
    InputReply {
        /// The line; `None` where there is nobody to ask.
        value: Option<String>,
    },
    /// Complete in the state of evcxr's session. Answered by [`Event::Completed`].
    CompleteInSession {
        /// The number that the answer has.
        id: u64,
        /// The cell's text.
        code: String,
        /// The cursor's offset, in bytes.
        cursor: usize,
    },
    /// Describe in the state of evcxr's session. Answered by [`Event::Inspected`].
    InspectInSession {
        /// The number that the answer has.
        id: u64,
        /// The cell's text.
        code: String,
        /// The cursor's offset, in bytes.
        cursor: usize,
    },
    /// Load a Cargo package into rust-analyzer and look at `text` in it once, so that later questions
    /// are answered soon. Answered by [`Event::Opened`].
    Open {
        /// The number that the answer has.
        id: u64,
        /// The folder of the package; `src/lib.rs` in it stands for the texts.
        package: PathBuf,
        /// Nobody waits for it: cells go first.
        background: bool,
        /// The program that is opened.
        text: String,
        /// The offset at which the first question is, in bytes.
        cursor: usize,
    },
    /// Complete at a place of a program. Answered by [`Event::Completed`].
    Complete {
        /// The number that the answer has.
        id: u64,
        /// The program.
        text: String,
        /// The cursor's offset, in bytes.
        cursor: usize,
    },
    /// Describe what stands at a place of a program. Answered by [`Event::Inspected`].
    Inspect {
        /// The number that the answer has.
        id: u64,
        /// The program.
        text: String,
        /// The cursor's offset, in bytes.
        cursor: usize,
    },
}

/// What the process says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A piece of what the cell prints.
    Stream {
        /// The stream that it goes to.
        name: StreamName,
        /// The text, not always a whole line.
        text: String,
    },
    /// Something that a front end draws.
    Output {
        /// The output.
        output: Output,
    },
    /// The cell wants a line from the user. Answered by [`Request::InputReply`].
    InputRequest {
        /// The text in front of the field.
        prompt: String,
        /// Whether the field hides what is typed.
        password: bool,
    },
    /// A comm message to the front ends.
    Comm {
        /// The message.
        message: CommMessage,
    },
    /// A cell has ended.
    Evaluated {
        /// The request's number.
        id: u64,
        /// How the cell has ended.
        end: End,
    },
    /// rust-analyzer has loaded the package, or says why it has not.
    Opened {
        /// The request's number.
        id: u64,
        /// Why the program cannot be read.
        problem: Option<String>,
    },
    /// The answer to a request for completions.
    Completed {
        /// The request's number.
        id: u64,
        /// The completions.
        completions: Completions,
    },
    /// The description as Markdown; `None` where nothing is known.
    Inspected {
        /// The request's number.
        id: u64,
        /// What is known, as Markdown.
        markdown: Option<String>,
    },
}

/// How a cell ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// It succeeded.
    Ok,
    /// It did not compile: the first message, and all of them with the source, colored.
    CompileError {
        /// The first error's message.
        message: String,
        /// The compiler's own text.
        rendered: String,
    },
    /// It panicked, or an error reached its top level.
    Failed {
        /// The panic or the error.
        failure: Failure,
    },
    /// The process that ran it has ended, and the variables with it.
    ProcessEnded {
        /// What ended it.
        cause: String,
    },
    /// evcxr itself could not go on.
    EngineError {
        /// What the engine says.
        message: String,
    },
}

/// A message as a line.
///
/// # Errors
///
/// Fails where a value in it cannot be JSON.
pub fn line<T: Serialize>(message: &T) -> serde_json::Result<String> {
    serde_json::to_string(message).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_comes_back() {
        let request = Request::Evaluate {
            id: 7,
            code: "let a = 1;\na".to_owned(),
        };
        let text = line(&request).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let Request::Evaluate { id, code } = serde_json::from_str(&text).unwrap() else {
            panic!("{text}");
        };
        assert_eq!((id, code.as_str()), (7, "let a = 1;\na"));
    }
}
