//! The file of a notebook: its layout is kept, and it is replaced as a whole.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use serde_json::{Map, Value, ser::PrettyFormatter};

/// How the JSON text is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The indentation of one level, `None` where all is on one line.
    indent: Option<String>,
    line_end: &'static str,
    final_line_end: bool,
}

impl Layout {
    pub fn of(text: &str) -> Layout {
        let body = text.trim_end();
        let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let indent = body.split_once('\n').map(|(_, rest)| {
            rest.chars()
                .take_while(|character| matches!(character, ' ' | '\t'))
                .collect::<String>()
        });
        Layout {
            indent,
            line_end,
            final_line_end: body.len() < text.len(),
        }
    }

    pub fn print(&self, root: &Map<String, Value>) -> String {
        let mut text = match &self.indent {
            // JSON values with text keys, written to memory, have no way to fail.
            None => serde_json::to_string(root).unwrap_or_default(),
            Some(indent) => {
                let mut bytes = Vec::new();
                let formatter = PrettyFormatter::with_indent(indent.as_bytes());
                let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
                match root.serialize(&mut serializer) {
                    Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
                    // JSON values with text keys, written to memory, have no way to fail.
                    Err(error) => unreachable!("{error}"),
                }
            }
        };
        if self.final_line_end {
            text.push('\n');
        }
        // Line ends inside JSON texts are escaped, so each of these is one of the layout.
        if self.line_end == "\r\n" {
            text.replace('\n', "\r\n")
        } else {
            text
        }
    }
}

pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The text of a notebook's file.
pub fn decode(mut bytes: Vec<u8>, path: &Path) -> Result<String> {
    let place = path.display();
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let (bytes, error) = (error.as_bytes(), error.utf8_error());
            let (line, column) = position(&bytes[..error.valid_up_to()]);
            bail!(
                "{place} is not a notebook that can be run: line {line}, column {column}: expected UTF-8 text, found byte 0x{:02x}",
                bytes[error.valid_up_to()]
            )
        }
    }
}

pub fn parse_json(text: &str, path: &Path) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        let refusal = format!("{} is not a notebook that can be run", path.display());
        if text.trim().is_empty() {
            return anyhow!("{refusal}: the file is empty");
        }
        let words = error.to_string();
        let words = words
            .rsplit_once(" at line ")
            .map_or(words.as_str(), |(words, _)| words);
        let line = text
            .lines()
            .nth(error.line().saturating_sub(1))
            .unwrap_or_default();
        let shown: String = line.trim_end().chars().take(100).collect();
        let mut message = format!(
            "{refusal}: line {}, column {}: {words}\n  {shown}",
            error.line(),
            error.column()
        );
        if ["<<<<<<<", "=======", ">>>>>>>"]
            .iter()
            .any(|marker| line.starts_with(marker))
        {
            message.push_str("\nthis is the mark of a merge conflict; resolve the conflict first");
        }
        anyhow!(message)
    })
}

/// Writes a file beside its place and renames it there.
pub fn write_whole(path: &Path, contents: &[u8]) -> Result<()> {
    write_whole_with(path, |file| file.write_all(contents))
}

/// [`write_whole`] for contents that are written piece by piece.
pub fn write_whole_with(
    path: &Path,
    contents: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let problem = || format!("{} cannot be written", path.display());
    // A temporary file is the owner's alone; the result gets what the file had, or what is usual.
    let mode = fs::metadata(path).map_or(0o644, |metadata| metadata.permissions().mode());
    let mut file = tempfile::Builder::new()
        .prefix(".patchbay-")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
        .with_context(problem)?;
    let mut buffered = io::BufWriter::new(&mut file);
    contents(&mut buffered)
        .and_then(|()| buffered.flush())
        .with_context(problem)?;
    drop(buffered);
    file.as_file().sync_all().with_context(problem)?;
    file.persist(path).with_context(problem)?;
    Ok(())
}

/// Line and column, counted from 1, of the end of this text.
fn position(before: &[u8]) -> (usize, usize) {
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |index| index + 1);
    (line, before.len() - start + 1)
}
