//! Jupyter notebooks: nbformat 4, read and written so that nothing but the outputs changes.
//!
//! The document stays JSON, with its key order, unknown fields and indentation; there is no model
//! of it that could lose what another tool put there. Reference: the nbformat 4.5 schema.

mod execute;
mod file;
pub mod html;
mod outputs;
pub mod parameters;
mod pictures;
mod streams;

pub use execute::{Failure, Options, Progress, Report, execute, executed_cells, parameters_of};
pub use file::{write_whole, write_whole_with};
pub use outputs::Recorder;

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use file::Layout;

/// The minor version in which cells got ids.
const MINOR_WITH_IDS: u64 = 5;

/// A notebook of nbformat 4.
#[derive(Clone, Debug)]
pub struct Notebook {
    root: Map<String, Value>,
    layout: Layout,
}

/// What a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// A cell that is executed.
    Code,
    /// A text.
    Markdown,
    /// A cell that is neither.
    Raw,
}

impl Notebook {
    /// Reads a notebook.
    ///
    /// # Errors
    ///
    /// Names the file with line and column where it is no JSON, with the cell where it is JSON but
    /// no notebook, and with a command where it is of another major version.
    pub fn read(path: &Path) -> Result<Notebook> {
        Notebook::from_bytes(file::read(path)?, path)
    }

    /// Reads the bytes of a notebook; `path` is for messages.
    ///
    /// # Errors
    ///
    /// See [`Notebook::read`].
    pub fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Notebook> {
        let text = file::decode(bytes, path)?;
        Notebook::parse(&text, path)
    }

    /// Parses the text of a notebook; `path` is for messages.
    ///
    /// # Errors
    ///
    /// See [`Notebook::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Notebook> {
        let root = file::parse_json(text, path)?;
        let place = path.display();
        let Value::Object(root) = root else {
            bail!("{place}: expected a notebook, a JSON object")
        };
        check_version(&root, path)?;
        let Some(cells) = root.get("cells").and_then(Value::as_array) else {
            bail!("{place}: expected a list under \"cells\"")
        };
        for (index, cell) in cells.iter().enumerate() {
            if let Err(problem) = check_cell(cell) {
                bail!("{place}: cell {} (counted from 1): {problem}", index + 1);
            }
        }
        Ok(Notebook {
            root,
            layout: Layout::of(text),
        })
    }

    /// The text of the notebook, laid out as it was read.
    pub fn to_text(&self) -> String {
        self.layout.print(&self.root)
    }

    /// Writes the notebook so that the file is never half written.
    ///
    /// # Errors
    ///
    /// Fails where the folder is missing or not writable.
    pub fn write(&self, path: &Path) -> Result<()> {
        file::write_whole(path, self.to_text().as_bytes())
    }

    /// The number of cells of all kinds.
    pub fn cell_count(&self) -> usize {
        self.cells().len()
    }

    /// The cells as JSON, all checked to have a type and a source.
    pub fn cells(&self) -> &[Value] {
        self.root
            .get("cells")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    fn cell_mut(&mut self, index: usize) -> Option<&mut Map<String, Value>> {
        self.root
            .get_mut("cells")?
            .as_array_mut()?
            .get_mut(index)?
            .as_object_mut()
    }

    /// Notes the kernel that executed the notebook. Other fields of the metadata stay.
    pub fn set_kernel(&mut self, kernelspec: Value, language_version: &str) {
        let metadata = self.root.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("kernelspec".to_owned(), kernelspec);
            let language = json!({
                "codemirror_mode": "rust",
                "file_extension": ".rs",
                "mimetype": "text/x-rustsrc",
                "name": "rust",
                "pygments_lexer": "rust",
                "version": language_version,
            });
            metadata.insert("language_info".to_owned(), language);
        }
    }

    /// Makes a notebook of 4.0 to 4.4 one of 4.5, as Jupyter does when it saves: every cell gets
    /// an id. The ids follow from the position, so that two runs write the same file.
    pub fn upgrade(&mut self) {
        if self.root.get("nbformat_minor").and_then(Value::as_u64) >= Some(MINOR_WITH_IDS) {
            return;
        }
        for index in 0..self.cell_count() {
            if let Some(cell) = self.cell_mut(index)
                && !cell.contains_key("id")
            {
                cell.insert("id".to_owned(), json!(format!("cell-{:04}", index + 1)));
            }
        }
        self.root
            .insert("nbformat_minor".to_owned(), json!(MINOR_WITH_IDS));
    }
}

/// The kind of a cell.
pub fn kind(cell: &Value) -> CellKind {
    match cell.get("cell_type").and_then(Value::as_str) {
        Some("code") => CellKind::Code,
        Some("markdown") => CellKind::Markdown,
        _ => CellKind::Raw,
    }
}

/// The source of a cell.
pub fn source(cell: &Value) -> String {
    cell.get("source").map(text).unwrap_or_default()
}

/// Whether a cell has this tag.
pub fn has_tag(cell: &Value, tag: &str) -> bool {
    cell.pointer("/metadata/tags")
        .and_then(Value::as_array)
        .is_some_and(|tags| tags.iter().any(|found| found == tag))
}

/// A text that the format allows to be split into a list of lines.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        other => other.to_string(),
    }
}

fn check_version(root: &Map<String, Value>, path: &Path) -> Result<()> {
    let place = path.display();
    match root.get("nbformat").and_then(Value::as_u64) {
        Some(4) => Ok(()),
        Some(old @ 1..=3) => bail!(
            "{place}: expected a notebook of format 4, this one is of format {old}\n\
             type: jupyter nbconvert --to notebook --nbformat 4 --inplace {place}"
        ),
        Some(new) => bail!("{place}: expected a notebook of format 4, this one is of format {new}"),
        None => bail!("{place}: expected a notebook, which has a number under \"nbformat\""),
    }
}

fn check_cell(cell: &Value) -> Result<(), String> {
    let cell = cell.as_object().ok_or("expected a JSON object")?;
    match cell.get("cell_type").and_then(Value::as_str) {
        Some("code" | "markdown" | "raw") => {}
        Some(other) => {
            return Err(format!(
                "expected the type code, markdown or raw, found {other:?}"
            ));
        }
        None => return Err("expected a text under \"cell_type\"".to_owned()),
    }
    match cell.get("source") {
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(lines)) if lines.iter().all(Value::is_string) => Ok(()),
        _ => Err("expected a text or a list of lines under \"source\"".to_owned()),
    }
}

#[cfg(test)]
mod tests;
