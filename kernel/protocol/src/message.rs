//! The messages themselves.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{deep, question::Question};

/// One result in several representations, keyed by MIME type, as Jupyter's `data` and `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MimeBundle {
    /// The value by MIME type.
    #[serde(with = "deep::map")]
    pub data: Map<String, Value>,
    /// What is said about a MIME type, the size of a picture for instance.
    #[serde(default, skip_serializing_if = "Map::is_empty", with = "deep::map")]
    pub metadata: Map<String, Value>,
}

/// One of the two streams that a process prints to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamName {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// What the host asks of the runtime.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Load a compiled cell and call it. Answered by [`Event::Done`].
    Run {
        /// The number that the answer has.
        id: u64,
        /// The cell's library.
        library: PathBuf,
        /// The function to call.
        symbol: String,
        /// Where the program's lines stand in cells.
        #[serde(default)]
        line_map: LineMap,
    },
    /// Drop variables, those whose type a cell redefined for instance. Answered by [`Event::Done`].
    DropVariables {
        /// The number that the answer has.
        id: u64,
        /// The variables.
        names: Vec<String>,
    },
    /// Set or (with `None`) remove environment variables. Answered by [`Event::Done`].
    SetEnvironment {
        /// The number that the answer has.
        id: u64,
        /// The new values; `None` removes a variable.
        variables: BTreeMap<String, Option<String>>,
    },
    /// Change the working directory. Answered by [`Event::Done`].
    ChangeDirectory {
        /// The number that the answer has.
        id: u64,
        /// The folder.
        path: PathBuf,
    },
    /// Run a command line in `sh`, its output going where a cell's goes. Answered by [`Event::Done`].
    Shell {
        /// The number that the answer has.
        id: u64,
        /// The command, for `sh`.
        command: String,
    },
    /// Stop the running cell at its next interruption point. Not answered.
    Interrupt,
    /// Forget an interrupt: a cell begins, or has ended. Served at once, in order with [`Command::Interrupt`]. Not answered.
    ClearInterrupt,
    /// Stop the handler of a comm that runs, where there is no cell to interrupt: [`Command::Interrupt`] is for the handler, too. Not answered.
    StopHandler,
    /// The answer to [`Event::InputRequest`]; `None` where the user gave none.
    InputReply {
        /// The line; `None` where there is nobody to ask.
        value: Option<String>,
    },
    /// The output with this sequence number is on its way to the front ends.
    Ack {
        /// The number of the last output that was published.
        sequence: u64,
    },
    /// A comm message from a front end. Not answered.
    Comm(CommMessage),
    /// A question to the SDK, which is answered while a cell runs, too. Answered by [`Event::Answer`] with the same id.
    Ask {
        /// The number that the answer has.
        id: u64,
        /// The question.
        question: Question,
    },
    /// End the process.
    Shutdown,
}

/// Where the lines of a program stand in the notebook's cells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineMap {
    /// The program's file, as the compiler names it.
    pub file: String,
    /// The cell that the program is for.
    pub cell: u32,
    /// The program's lines that come from cells, in their order.
    pub lines: Vec<LineRange>,
}

/// Lines of a program that follow each other in a cell, too. Lines are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRange {
    /// The first line in the program.
    pub first: u32,
    /// How many lines.
    pub count: u32,
    /// The cell.
    pub cell: u32,
    /// The first line in the cell.
    pub line: u32,
}

impl LineMap {
    /// The cell of a line of the program, and the line in it; for a line of the engine's own there is only the cell that
    /// the program is for.
    pub fn find(&self, line: u32) -> (u32, Option<u32>) {
        let after = self.lines.partition_point(|range| range.first <= line);
        let range = after.checked_sub(1).and_then(|index| self.lines.get(index));
        match range {
            Some(range) if line - range.first < range.count => {
                (range.cell, Some(range.line + (line - range.first)))
            }
            _ => (self.cell, None),
        }
    }
}

/// What the runtime tells the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first message: the runtime is up.
    Ready {
        /// The process.
        pid: u32,
        /// The build id of the SDK that it has loaded.
        build_id: String,
    },
    /// Something to show. Acknowledged by [`Command::Ack`].
    Output {
        /// The output's number.
        sequence: u64,
        /// The output.
        output: Output,
    },
    /// The cell wants a line from the user. Answered by [`Command::InputReply`].
    InputRequest {
        /// The text in front of the field.
        prompt: String,
        /// Whether the field hides what is typed.
        password: bool,
    },
    /// A comm message to the front ends.
    Comm(CommMessage),
    /// The answer to [`Command::Ask`].
    Answer {
        /// The question's number.
        id: u64,
        /// The answer, or why there is none.
        content: Result<Value, String>,
    },
    /// A command has ended.
    Done {
        /// The command's number.
        id: u64,
        /// What became of it.
        outcome: Outcome,
    },
}

/// Something that a front end draws.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Output {
    /// The value of the cell's last expression.
    Result {
        /// The value in each of its MIME types; with none the value prints itself next, by evcxr's convention.
        bundle: MimeBundle,
    },
    /// A new display, or with `update` new content for the displays of that id.
    Display {
        /// The value in each of its MIME types.
        bundle: MimeBundle,
        /// The name by which it can be updated.
        display_id: Option<String>,
        /// Whether all that were displayed under this name are changed.
        update: bool,
    },
    /// Remove what the cell has shown; with `wait`, once the next output arrives.
    Clear {
        /// Whether the outputs stay until the next one.
        wait: bool,
    },
    /// Put this text into a new cell below the one that runs.
    NextInput {
        /// The text of the next cell.
        text: String,
    },
}

/// A comm message in either direction; `buffers` are base64.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommMessage {
    /// `comm_open`, `comm_msg` or `comm_close`.
    pub kind: String,
    /// The comm's id.
    pub comm_id: String,
    /// The name under which the front end knows what to open.
    #[serde(default)]
    pub target_name: Option<String>,
    /// The content.
    #[serde(default, with = "deep::value")]
    pub data: Value,
    /// What is said about the content.
    #[serde(default, with = "deep::value")]
    pub metadata: Value,
    /// Bytes beside the JSON, in base64.
    #[serde(default)]
    pub buffers: Vec<String>,
}

/// How a command ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// What went wrong, if anything.
    pub failure: Option<Failure>,
    /// The variables that hold a value now and were stored or put back by this command.
    pub stored: Vec<StoredVariable>,
    /// Nanoseconds spent in `dlopen` and symbol look-up.
    pub load_nanoseconds: u64,
    /// Nanoseconds spent in the cell itself.
    pub run_nanoseconds: u64,
    /// The command did not end; its thread was stopped for good, with the variables that it held and that are not in `stored`.
    #[serde(default)]
    pub given_up: bool,
}

/// A variable that is alive in the runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredVariable {
    /// The variable's name.
    pub name: String,
    /// How many definitions of the name the cell had had before; 0 for a variable put back.
    pub ordinal: usize,
    /// Bytes of the value itself, without what it points to.
    pub bytes: usize,
    /// Bytes of the tensors in it, on all devices.
    pub tensor_bytes: usize,
    /// Those of them that are on a GPU.
    pub gpu_bytes: usize,
    /// What it is, of a tensor.
    #[serde(default)]
    pub tensor: Option<TensorFacts>,
}

/// What a tensor is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorFacts {
    /// `[2, 3]`
    pub shape: String,
    /// `f32`
    pub dtype: String,
    /// `cpu`, `cuda:0`
    pub device: String,
}

/// Why a cell failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The error's message, one line or more.
    pub message: String,
    /// The messages of the errors behind it, outermost first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// Where it happened, in the generated program.
    pub location: Option<Location>,
    /// The cells' functions that a panic went through, innermost first.
    #[serde(default)]
    pub functions: Vec<String>,
    /// The places in functions of cells at which an error was passed on by `?`, innermost first.
    #[serde(default)]
    pub frames: Vec<Location>,
}

/// The sort of a [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A panic.
    Panic,
    /// An `Err` that reached the cell's top level by `?`.
    Error,
    /// The user interrupted the cell.
    Interrupted,
    /// The command could not be carried out (a library that does not load, no such folder).
    Refused,
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The file, as the compiler names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_in_their_cells() {
        let range = |first, count, cell, line| LineRange {
            first,
            count,
            cell,
            line,
        };
        let line_map = LineMap {
            file: "cell_1.rs".to_owned(),
            cell: 7,
            lines: vec![range(3, 2, 2, 5), range(9, 1, 7, 1)],
        };
        assert_eq!(line_map.find(2), (7, None));
        assert_eq!(line_map.find(3), (2, Some(5)));
        assert_eq!(line_map.find(4), (2, Some(6)));
        assert_eq!(line_map.find(5), (7, None));
        assert_eq!(line_map.find(9), (7, Some(1)));
        assert_eq!(line_map.find(10), (7, None));
    }
}
