//! An executed notebook as one HTML page that needs nothing else: no network, no scripts of ours.

mod ansi;
mod code;
mod escape;
mod images;
mod markdown;
mod outputs;

use std::{
    io::{self, Write},
    path::Path,
};

use serde_json::Value;

use escape::escape;

use crate::{CellKind, Notebook, kind, source};

const STYLE: &str = include_str!("page.css");

/// Writes the page, a cell at a time. `folder` is where the notebook is: pictures that its text refers to are read from
/// there and become part of the page. `title` is used where no heading gives one.
///
/// # Errors
///
/// Returns the writer's error.
pub fn write_page(
    notebook: &Notebook,
    folder: &Path,
    title: &str,
    page: &mut dyn Write,
) -> io::Result<()> {
    let title = escape(&heading(notebook).unwrap_or_else(|| title.to_owned()));
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    )?;
    for cell in notebook.cells() {
        match kind(cell) {
            CellKind::Markdown => {
                let html = markdown::to_html(&source(cell), cell.get("attachments"), folder);
                write!(page, "<section class=\"markdown\">\n{html}</section>\n")?;
            }
            CellKind::Raw => {
                let text = escape(&source(cell));
                writeln!(page, "<section><pre class=\"raw\">{text}</pre></section>")?;
            }
            CellKind::Code => code_cell(cell, folder, page)?,
        }
    }
    page.write_all(b"</main>\n</body>\n</html>\n")
}

/// The page as text.
#[cfg(test)]
pub fn page(notebook: &Notebook, folder: &Path, title: &str) -> String {
    let mut page = Vec::new();
    write_page(notebook, folder, title, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

fn code_cell(cell: &Value, folder: &Path, page: &mut dyn Write) -> io::Result<()> {
    let source = source(cell);
    let outputs = cell
        .get("outputs")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    if source.trim().is_empty() && outputs.is_empty() {
        return Ok(());
    }
    let count = cell.get("execution_count").and_then(Value::as_u64);
    let prompt = count.map_or_else(|| "[ ]".to_owned(), |count| format!("[{count}]"));
    let mut html = String::new();
    code::write_highlighted(source.trim_end_matches('\n'), &mut html);
    drop(source);
    write!(
        page,
        "<section class=\"code\">\n\
         <div class=\"input\"><span class=\"prompt\">{prompt}</span><pre><code>{html}</code></pre></div>\n"
    )?;
    if !outputs.is_empty() {
        page.write_all(b"<div class=\"outputs\">\n")?;
        for output in outputs {
            html = String::new();
            outputs::render(output, folder, &mut html);
            page.write_all(html.as_bytes())?;
        }
        page.write_all(b"</div>\n")?;
    }
    page.write_all(b"</section>\n")
}

/// The first heading of the first level.
fn heading(notebook: &Notebook) -> Option<String> {
    notebook
        .cells()
        .iter()
        .filter(|cell| kind(cell) == CellKind::Markdown)
        .find_map(|cell| {
            let source = source(cell);
            source
                .lines()
                .find_map(|line| line.strip_prefix("# "))
                .map(|line| line.trim().to_owned())
        })
}

#[cfg(test)]
mod tests;
