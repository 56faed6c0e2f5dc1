//! Writes what a running cell shows into the notebook, as a front end does.

use std::collections::HashMap;

use patchbay_protocol::MimeBundle;
use serde_json::{Map, Value, json};

use super::{Notebook, streams, text};
use patchbay_contract::{CellError, SessionEvent, StreamName};

/// The place of an output: the cell and the position in its list.
type OutputIndex = (usize, usize);

/// Records the outputs of one cell after the other.
pub struct Recorder<'a> {
    notebook: &'a mut Notebook,
    cell: usize,
    execution_count: u32,
    /// Where each display id is shown.
    displays: HashMap<String, Vec<OutputIndex>>,
    /// `clear_output(wait=true)` has been asked: the next output replaces what is there.
    clear_pending: bool,
}

impl<'a> Recorder<'a> {
    /// Takes the outputs out of the notebook, to write new ones into it.
    pub fn new(notebook: &'a mut Notebook) -> Recorder<'a> {
        Recorder {
            notebook,
            cell: 0,
            execution_count: 0,
            displays: HashMap::new(),
            clear_pending: false,
        }
    }

    /// The notebook with what was recorded so far.
    pub fn notebook(&self) -> &Notebook {
        self.notebook
    }

    /// Starts a cell: its old outputs go.
    pub fn begin(&mut self, cell: usize, execution_count: u32) {
        self.cell = cell;
        self.execution_count = execution_count;
        self.clear_pending = false;
        self.clear();
        if let Some(cell) = self.notebook.cell_mut(cell) {
            cell.insert("execution_count".to_owned(), json!(execution_count));
        }
    }

    /// Records one event. Those that are no output are passed over.
    pub fn record(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Stream { name, text } => self.stream(name, &text),
            SessionEvent::Result { bundle } => {
                let output = with_bundle(
                    json!({"data": {}, "execution_count": self.execution_count, "metadata": {}, "output_type": "execute_result"}),
                    bundle,
                );
                self.push(output);
            }
            SessionEvent::Display {
                bundle,
                display_id,
                update: false,
            } => {
                let output = with_bundle(
                    json!({"data": {}, "metadata": {}, "output_type": "display_data"}),
                    bundle,
                );
                let place = self.push(output);
                if let Some(id) = display_id {
                    self.displays.entry(id).or_default().push(place);
                }
            }
            SessionEvent::Display {
                bundle,
                display_id,
                update: true,
            } => {
                let places = display_id.and_then(|id| self.displays.get(&id).cloned());
                for place in places.unwrap_or_default() {
                    if let Some(output) = self.output_mut(place) {
                        *output = with_bundle(output.take(), bundle.clone());
                    }
                }
            }
            SessionEvent::Clear { wait: true } => self.clear_pending = true,
            SessionEvent::Clear { wait: false } => self.clear(),
            SessionEvent::NextInput { .. }
            | SessionEvent::InputRequest { .. }
            | SessionEvent::Comm(_)
            | SessionEvent::CommsLost
            | SessionEvent::Barrier(_) => {}
        }
    }

    /// Records the error that ended the cell.
    pub fn error(&mut self, error: &CellError) {
        self.push(json!({
            "ename": error.name,
            "evalue": error.value,
            "output_type": "error",
            "traceback": error.traceback,
        }));
    }

    /// Ends the cell: its texts get the form in which Jupyter stores them.
    pub fn finish(&mut self) {
        self.clear_pending = false;
        for output in self.outputs_mut().into_iter().flatten() {
            if output["output_type"] == "stream" {
                let settled = streams::settle(&text(&output["text"]));
                output["text"] = lines(&settled);
            }
        }
    }

    fn stream(&mut self, name: StreamName, text: &str) {
        if text.is_empty() {
            return;
        }
        self.clear_if_pending();
        let name = match name {
            StreamName::Stdout => "stdout",
            StreamName::Stderr => "stderr",
        };
        if let Some(last) = self.outputs_mut().and_then(|outputs| outputs.last_mut())
            && last["output_type"] == "stream"
            && last["name"] == name
            && let Some(Value::String(old)) = last.get_mut("text")
        {
            old.push_str(text);
            return;
        }
        self.push(json!({"name": name, "output_type": "stream", "text": text}));
    }

    fn push(&mut self, output: Value) -> OutputIndex {
        self.clear_if_pending();
        let cell = self.cell;
        match self.outputs_mut() {
            Some(outputs) => {
                outputs.push(output);
                (cell, outputs.len() - 1)
            }
            None => (cell, 0),
        }
    }

    fn clear_if_pending(&mut self) {
        if std::mem::take(&mut self.clear_pending) {
            self.clear();
        }
    }

    fn clear(&mut self) {
        let cleared = self.cell;
        for places in self.displays.values_mut() {
            places.retain(|(cell, _)| *cell != cleared);
        }
        if let Some(cell) = self.notebook.cell_mut(cleared) {
            cell.insert("outputs".to_owned(), json!([]));
        }
    }

    fn outputs_mut(&mut self) -> Option<&mut Vec<Value>> {
        self.notebook
            .cell_mut(self.cell)?
            .get_mut("outputs")?
            .as_array_mut()
    }

    fn output_mut(&mut self, (cell, position): OutputIndex) -> Option<&mut Value> {
        self.notebook
            .cell_mut(cell)?
            .get_mut("outputs")?
            .as_array_mut()?
            .get_mut(position)
    }
}

fn with_bundle(mut output: Value, bundle: MimeBundle) -> Value {
    let data: Map<String, Value> = bundle
        .data
        .into_iter()
        .map(|(mime, value)| match value {
            Value::String(text) if is_split(&mime) => (mime, lines(&text)),
            value => (mime, value),
        })
        .collect();
    output["data"] = Value::Object(data);
    output["metadata"] = Value::Object(bundle.metadata);
    output
}

/// Whether Jupyter stores this MIME type as a list of lines.
fn is_split(mime: &str) -> bool {
    mime.starts_with("text/") || matches!(mime, "image/svg+xml" | "application/javascript")
}

/// The lines of a text, each with its end.
fn lines(text: &str) -> Value {
    text.split_inclusive('\n').collect::<Vec<&str>>().into()
}
