//! From the events of a running cell to the outputs that a notebook stores.

use serde_json::{Value, json};

use super::lines;
use crate::session::{CellError, SessionEvent, StreamName};

/// The outputs of all cells of a notebook, as a front end would show them.
#[derive(Debug, Default)]
pub struct Outputs {
    cells: Vec<Vec<Output>>,
    /// The running cell's outputs go once the next one arrives.
    clear_at_next: bool,
}

#[derive(Debug)]
enum Output {
    Stream {
        name: StreamName,
        text: String,
    },
    Display {
        display_id: Option<String>,
        data: Value,
        metadata: Value,
    },
    Result {
        data: Value,
        metadata: Value,
        execution_count: u32,
    },
    Error(CellError),
}

impl Outputs {
    pub fn new(cells: usize) -> Outputs {
        Outputs {
            cells: (0..cells).map(|_| Vec::new()).collect(),
            clear_at_next: false,
        }
    }

    /// Adds what a cell has shown.
    pub fn push(&mut self, cell: usize, execution_count: u32, event: SessionEvent) {
        match event {
            SessionEvent::Stream { name, text } => {
                self.clear_if_asked(cell);
                match self.cells[cell].last_mut() {
                    Some(Output::Stream {
                        name: last,
                        text: gathered,
                    }) if *last == name => {
                        gathered.push_str(&text);
                        overwrite(gathered);
                    }
                    _ => {
                        let mut text = text;
                        overwrite(&mut text);
                        self.cells[cell].push(Output::Stream { name, text });
                    }
                }
            }
            SessionEvent::Display {
                bundle,
                display_id,
                update,
            } => {
                if update {
                    self.update(display_id.as_deref(), &bundle);
                    return;
                }
                self.clear_if_asked(cell);
                // A display with an id that is known changes the others of that id, too.
                self.update(display_id.as_deref(), &bundle);
                self.cells[cell].push(Output::Display {
                    display_id,
                    data: Value::Object(bundle.data),
                    metadata: Value::Object(bundle.metadata),
                });
            }
            SessionEvent::Result { bundle } => {
                self.clear_if_asked(cell);
                self.cells[cell].push(Output::Result {
                    data: Value::Object(bundle.data),
                    metadata: Value::Object(bundle.metadata),
                    execution_count,
                });
            }
            SessionEvent::Clear { wait: true } => self.clear_at_next = true,
            SessionEvent::Clear { wait: false } => self.cells[cell].clear(),
            SessionEvent::InputRequest { .. } | SessionEvent::Comm(_) => {}
        }
    }

    /// Adds the error that a cell has ended with.
    pub fn push_error(&mut self, cell: usize, error: CellError) {
        self.clear_if_asked(cell);
        self.cells[cell].push(Output::Error(error));
    }

    fn clear_if_asked(&mut self, cell: usize) {
        if std::mem::take(&mut self.clear_at_next) {
            self.cells[cell].clear();
        }
    }

    fn update(&mut self, id: Option<&str>, bundle: &patchbay_protocol::MimeBundle) {
        let Some(id) = id else { return };
        for output in self.cells.iter_mut().flatten() {
            if let Output::Display {
                display_id: Some(known),
                data,
                metadata,
            } = output
                && known == id
            {
                *data = Value::Object(bundle.data.clone());
                *metadata = Value::Object(bundle.metadata.clone());
            }
        }
    }

    /// The outputs of a cell in the notebook's format.
    pub fn of_cell(&self, cell: usize) -> Vec<Value> {
        self.cells[cell].iter().map(Output::to_value).collect()
    }
}

/// Text behind a carriage return overwrites its line, as in a terminal.
fn overwrite(text: &mut String) {
    if !text.contains('\r') {
        return;
    }
    let plain = text.replace("\r\n", "\n");
    *text = plain
        .split_inclusive('\n')
        .map(|line| match line.strip_suffix('\r') {
            // The line is still open: what comes next overwrites it.
            Some(open) => format!("{}\r", open.rsplit('\r').next().unwrap_or_default()),
            None => line.rsplit('\r').next().unwrap_or_default().to_owned(),
        })
        .collect();
}

impl Output {
    fn to_value(&self) -> Value {
        match self {
            Output::Stream { name, text } => {
                let name = match name {
                    StreamName::Stdout => "stdout",
                    StreamName::Stderr => "stderr",
                };
                json!({ "name": name, "output_type": "stream", "text": lines(text) })
            }
            Output::Display { data, metadata, .. } => {
                json!({ "data": stored(data), "metadata": metadata, "output_type": "display_data" })
            }
            Output::Result {
                data,
                metadata,
                execution_count,
            } => json!({
                "data": stored(data),
                "execution_count": execution_count,
                "metadata": metadata,
                "output_type": "execute_result",
            }),
            Output::Error(error) => json!({
                "ename": error.name,
                "evalue": error.value,
                "output_type": "error",
                "traceback": error.traceback,
            }),
        }
    }
}

/// Texts become lists of lines; pictures and JSON stay as they are.
fn stored(data: &Value) -> Value {
    let Value::Object(data) = data else {
        return data.clone();
    };
    let stored = data.iter().map(|(mime, content)| {
        let is_text = mime.starts_with("text/")
            || mime == "image/svg+xml"
            || mime == "application/javascript";
        let value = match content {
            Value::String(text) if is_text => lines(text),
            other => other.clone(),
        };
        (mime.clone(), value)
    });
    Value::Object(stored.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_protocol::MimeBundle;

    fn stream(text: &str) -> SessionEvent {
        SessionEvent::Stream {
            name: StreamName::Stdout,
            text: text.into(),
        }
    }

    fn display(text: &str, id: &str, update: bool) -> SessionEvent {
        let mut bundle = MimeBundle::default();
        bundle.data.insert("text/plain".into(), json!(text));
        SessionEvent::Display {
            bundle,
            display_id: Some(id.into()),
            update,
        }
    }

    #[test]
    fn streams_are_merged_and_carriage_returns_overwrite() {
        let mut outputs = Outputs::new(1);
        for text in ["a\n", "10%\r", "50%\r", "100%\nend"] {
            outputs.push(0, 1, stream(text));
        }
        let stored = outputs.of_cell(0);
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0]["text"], json!(["a\n", "100%\n", "end"]));
    }

    #[test]
    fn updates_reach_displays_of_earlier_cells() {
        let mut outputs = Outputs::new(2);
        outputs.push(0, 1, display("one", "id", false));
        outputs.push(1, 2, display("two", "id", true));
        assert_eq!(outputs.of_cell(0)[0]["data"]["text/plain"], json!(["two"]));
        assert!(outputs.of_cell(1).is_empty());
    }

    #[test]
    fn clearing_waits_for_the_next_output_if_asked() {
        let mut outputs = Outputs::new(1);
        outputs.push(0, 1, stream("old"));
        outputs.push(0, 1, SessionEvent::Clear { wait: true });
        assert_eq!(outputs.of_cell(0).len(), 1);
        outputs.push(0, 1, stream("new"));
        assert_eq!(outputs.of_cell(0)[0]["text"], json!(["new"]));
        outputs.push(0, 1, SessionEvent::Clear { wait: false });
        assert!(outputs.of_cell(0).is_empty());
    }
}
