//! An executed notebook as one HTML page that needs nothing else: no network, no scripts of ours.

mod ansi;
mod code;
mod images;
mod markdown;
mod outputs;

use std::path::Path;

use serde_json::Value;

use crate::notebook::{CellKind, Notebook, kind, source};

const STYLE: &str = include_str!("page.css");

/// The page. `folder` is where the notebook is: pictures that its text refers to are read from
/// there and become part of the page. `title` is used where no heading gives one.
pub fn page(notebook: &Notebook, folder: &Path, title: &str) -> String {
    let mut body = String::new();
    for cell in notebook.cells() {
        match kind(cell) {
            CellKind::Markdown => {
                let html = markdown::to_html(&source(cell), cell.get("attachments"), folder);
                body.push_str(&format!("<section class=\"markdown\">\n{html}</section>\n"));
            }
            CellKind::Raw => {
                body.push_str(&format!(
                    "<section><pre class=\"raw\">{}</pre></section>\n",
                    escape(&source(cell))
                ));
            }
            CellKind::Code => code_cell(cell, &mut body),
        }
    }
    let title = escape(&heading(notebook).unwrap_or_else(|| title.to_owned()));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn code_cell(cell: &Value, body: &mut String) {
    let source = source(cell);
    let outputs = cell
        .get("outputs")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    if source.trim().is_empty() && outputs.is_empty() {
        return;
    }
    let count = cell.get("execution_count").and_then(Value::as_u64);
    let prompt = count.map_or_else(|| "[ ]".to_owned(), |count| format!("[{count}]"));
    body.push_str("<section class=\"code\">\n");
    body.push_str(&format!(
        "<div class=\"input\"><span class=\"prompt\">{prompt}</span><pre><code>{}</code></pre></div>\n",
        code::highlight(source.trim_end_matches('\n'))
    ));
    if !outputs.is_empty() {
        body.push_str("<div class=\"outputs\">\n");
        for output in outputs {
            outputs::render(output, body);
        }
        body.push_str("</div>\n");
    }
    body.push_str("</section>\n");
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

/// Text as HTML, fit for the inside of elements and of attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        escape_into(&mut escaped, character);
    }
    escaped
}

fn escape_into(html: &mut String, character: char) {
    match character {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\'' => html.push_str("&#39;"),
        // Control characters have no place in HTML.
        '\0'..='\x08' | '\x0b'..='\x1f' | '\x7f' => html.push('\u{fffd}'),
        _ => html.push(character),
    }
}

#[cfg(test)]
mod tests;
