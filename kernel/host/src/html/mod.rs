//! An executed notebook as one self-contained HTML page.

mod ansi;
mod highlight;

use serde_json::Value;

use crate::notebook::{Notebook, join};

const STYLE: &str = include_str!("style.css");

/// The page of a notebook.
pub fn page(notebook: &Notebook, title: &str) -> String {
    let mut body = String::new();
    for (kind, source, outputs, count) in notebook.contents() {
        match kind {
            "markdown" => body.push_str(&format!(
                "<section class=\"markdown\">{}</section>\n",
                markdown(&source)
            )),
            "code" if source.trim().is_empty() && outputs.is_empty() => {}
            "code" => {
                let number = count.map_or_else(|| " ".to_owned(), |count| count.to_string());
                body.push_str(&format!(
                    "<section class=\"code\"><div class=\"count\">[{number}]</div><pre class=\"source\"><code>{}</code></pre>",
                    highlight::rust(&source)
                ));
                for output in outputs {
                    body.push_str(&output_html(output));
                }
                body.push_str("</section>\n");
            }
            _ => body.push_str(&format!("<pre>{}</pre>\n", escape(&source))),
        }
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

fn markdown(source: &str) -> String {
    use pulldown_cmark::{Options, Parser, html};
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
    let mut rendered = String::new();
    html::push_html(&mut rendered, Parser::new_ext(source, options));
    rendered
}

/// The richest form of an output that a page can hold.
fn output_html(output: &Value) -> String {
    match output["output_type"].as_str() {
        Some("stream") => {
            let class = output["name"].as_str().unwrap_or("stdout");
            let text = join(&output["text"]).unwrap_or_default();
            format!(
                "<pre class=\"output {}\">{}</pre>",
                escape(class),
                ansi::to_html(&text)
            )
        }
        Some("error") => {
            let lines: Vec<&str> = output["traceback"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            format!(
                "<pre class=\"output error\">{}</pre>",
                ansi::to_html(&lines.join("\n"))
            )
        }
        _ => data_html(&output["data"]),
    }
}

fn data_html(data: &Value) -> String {
    let text = |mime: &str| join(&data[mime]);
    if let Some(html) = text("text/html") {
        return format!("<div class=\"output html\">{html}</div>");
    }
    if let Some(svg) = text("image/svg+xml") {
        return format!("<div class=\"output figure\">{svg}</div>");
    }
    for mime in ["image/png", "image/jpeg", "image/gif"] {
        if let Some(content) = text(mime) {
            let content: String = content.split_whitespace().collect();
            return format!(
                "<div class=\"output figure\"><img alt=\"\" src=\"data:{mime};base64,{}\"></div>",
                escape(&content)
            );
        }
    }
    if let Some(source) = text("text/markdown") {
        return format!("<div class=\"output\">{}</div>", markdown(&source));
    }
    text("text/plain")
        .map(|plain| format!("<pre class=\"output\">{}</pre>", ansi::to_html(&plain)))
        .unwrap_or_default()
}

/// A text with the characters that mean something in HTML replaced.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_holds_all_kinds_of_outputs() {
        let text = json!({
            "nbformat": 4, "nbformat_minor": 5, "metadata": {},
            "cells": [
                {"cell_type": "markdown", "metadata": {}, "source": "# Title\n\n| a |\n|---|\n| 1 |"},
                {"cell_type": "code", "metadata": {}, "execution_count": 3, "source": "let x: Vec<u8>;",
                 "outputs": [
                    {"output_type": "stream", "name": "stderr", "text": ["a < b\n"]},
                    {"output_type": "display_data", "metadata": {}, "data": {"image/png": "QUJD\n", "text/plain": "p"}},
                    {"output_type": "execute_result", "metadata": {}, "execution_count": 3,
                     "data": {"text/html": ["<b>", "bold</b>"], "text/plain": "plain"}},
                    {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["\u{1b}[31mred\u{1b}[0m"]}
                 ]}
            ]
        });
        let page = page(&Notebook::parse(&text.to_string()).unwrap(), "<t>");
        for part in [
            "<h1>Title</h1>",
            "<td>1</td>",
            "[3]",
            "<span class=\"type\">Vec</span>&lt;",
            "a &lt; b",
            "data:image/png;base64,QUJD\"",
            "<b>bold</b>",
            "red</span>",
            "<title>&lt;t&gt;</title>",
        ] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
    }
}
