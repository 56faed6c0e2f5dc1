//! Jupyter notebooks: reading, writing, and the outputs of an execution.

mod outputs;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use outputs::Outputs;

/// A notebook of format 4. All fields are kept as they were read, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Notebook {
    value: Value,
}

impl Notebook {
    /// Reads a notebook.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, is not JSON (with line and column) or not a notebook of
    /// format 4.
    pub fn read(path: &Path) -> anyhow::Result<Notebook> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        Notebook::parse(&text)
            .with_context(|| format!("{} is not a notebook that can be run", path.display()))
    }

    /// Parses a notebook.
    ///
    /// # Errors
    ///
    /// As [`Notebook::read`].
    pub fn parse(text: &str) -> anyhow::Result<Notebook> {
        let value: Value = serde_json::from_str(text).context("it is not valid JSON")?;
        match value["nbformat"].as_u64() {
            Some(4) => {}
            Some(version) => bail!(
                "its format is {version}, expected 4; convert it: jupyter nbconvert --to notebook --nbformat 4"
            ),
            None => bail!("it has no `nbformat`"),
        }
        let Some(cells) = value["cells"].as_array() else {
            bail!("it has no list of `cells`")
        };
        for (index, cell) in cells.iter().enumerate() {
            let number = index + 1;
            if !cell["cell_type"].is_string() {
                bail!("cell {number} has no `cell_type`");
            }
            if join(&cell["source"]).is_none() {
                bail!("the `source` of cell {number} is neither text nor a list of lines");
            }
        }
        Ok(Notebook { value })
    }

    /// The number of cells of all kinds.
    pub fn len(&self) -> usize {
        self.cells().len()
    }

    fn cells(&self) -> &[Value] {
        self.value["cells"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The source of a code cell; `None` for other kinds.
    pub fn code(&self, index: usize) -> Option<String> {
        let cell = self.cells().get(index)?;
        (cell["cell_type"] == "code").then(|| join(&cell["source"]))?
    }

    /// The kind and source of every cell, with the outputs of code cells.
    pub fn contents(&self) -> impl Iterator<Item = (&str, String, &[Value], Option<u64>)> {
        self.cells().iter().map(|cell| {
            (
                cell["cell_type"].as_str().unwrap_or_default(),
                join(&cell["source"]).unwrap_or_default(),
                cell["outputs"].as_array().map_or(&[][..], Vec::as_slice),
                cell["execution_count"].as_u64(),
            )
        })
    }

    /// Puts outputs and execution count into a code cell.
    pub fn set_outputs(&mut self, index: usize, execution_count: Option<u32>, outputs: Vec<Value>) {
        if let Some(cell) = self.value["cells"].get_mut(index) {
            cell["execution_count"] = json!(execution_count);
            cell["outputs"] = Value::Array(outputs);
        }
    }

    /// Notes the kernel that has executed the notebook.
    pub fn set_kernel(&mut self, language_version: &str) {
        let Some(notebook) = self.value.as_object_mut() else {
            return;
        };
        let metadata = notebook
            .entry("metadata")
            .or_insert_with(|| Value::Object(Map::new()));
        metadata["kernelspec"] = json!({ "display_name": "Rust (Patchbay)", "language": "rust", "name": crate::kernelspec::NAME });
        metadata["language_info"] = json!({
            "codemirror_mode": "rust",
            "file_extension": ".rs",
            "mimetype": "text/x-rustsrc",
            "name": "rust",
            "pygments_lexer": "rust",
            "version": language_version,
        });
    }

    /// The notebook's text, indented as Jupyter does it.
    pub fn to_text(&self) -> String {
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        // Writing a JSON value into memory cannot fail.
        let _ = self.value.serialize(&mut serializer);
        text.push(b'\n');
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Writes a file beside its final place and renames it, so that there is never half a file.
///
/// # Errors
///
/// Fails where the folder cannot be written.
pub fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut file = tempfile::NamedTempFile::new_in(&folder)
        .with_context(|| format!("{} cannot be written", folder.display()))?;
    file.write_all(content)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(())
}

/// Text that is stored as a string or as a list of lines.
pub fn join(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(lines) => lines
            .iter()
            .map(Value::as_str)
            .collect::<Option<Vec<_>>>()
            .map(|lines| lines.concat()),
        _ => None,
    }
}

/// A text as Jupyter stores it: a list of lines that keep their ends.
pub fn lines(text: &str) -> Value {
    Value::Array(text.split_inclusive('\n').map(|line| json!(line)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r##"{
 "cells": [
  {
   "cell_type": "markdown",
   "id": "a1",
   "metadata": {
    "odd": [
     1.5
    ]
   },
   "source": [
    "# Títle\n",
    "text"
   ]
  },
  {
   "cell_type": "code",
   "execution_count": null,
   "id": "a2",
   "metadata": {},
   "outputs": [],
   "source": "1 + 1"
  }
 ],
 "metadata": {
  "unknown": true
 },
 "nbformat": 4,
 "nbformat_minor": 5
}
"##;

    #[test]
    fn a_notebook_is_written_as_it_was_read() {
        assert_eq!(Notebook::parse(SMALL).unwrap().to_text(), SMALL);
    }

    #[test]
    fn code_and_outputs() {
        let mut notebook = Notebook::parse(SMALL).unwrap();
        assert_eq!(notebook.code(0), None);
        assert_eq!(notebook.code(1).as_deref(), Some("1 + 1"));
        notebook.set_outputs(1, Some(1), vec![json!({"output_type": "stream"})]);
        let (_, _, outputs, count) = notebook.contents().nth(1).unwrap();
        assert_eq!((outputs.len(), count), (1, Some(1)));
    }

    #[test]
    fn what_is_no_notebook_is_told() {
        let error = |text: &str| format!("{:#}", Notebook::parse(text).unwrap_err());
        assert!(
            error("{\n \"cells\": [,]").contains("line 2 column"),
            "{}",
            error("{\n \"cells\": [,]")
        );
        assert!(error("{}").contains("no `nbformat`"));
        assert!(error(r#"{"nbformat": 3}"#).contains("format is 3, expected 4"));
        assert!(error(r#"{"nbformat": 4, "cells": [{"cell_type": "code"}]}"#).contains("cell 1"));
    }
}
