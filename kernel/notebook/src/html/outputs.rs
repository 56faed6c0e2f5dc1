//! The outputs of a code cell.

use std::path::Path;

use serde_json::Value;

use super::{ansi, escape::escape, images, markdown};
use crate::text;

/// The representations that a page can show, the best first.
const PREFERRED: [&str; 9] = [
    "text/html",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "text/markdown",
    "text/latex",
    "text/plain",
];

/// Appends an output; `folder` is where the notebook is.
pub fn render(output: &Value, folder: &Path, body: &mut String) {
    match output["output_type"].as_str() {
        Some("stream") => {
            let class = if output["name"] == "stderr" {
                "stderr"
            } else {
                "stdout"
            };
            preformatted(class, &text(&output["text"]), body);
        }
        Some("error") => {
            let traceback: Vec<String> = output["traceback"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect();
            let shown = match traceback.is_empty() {
                true => format!("{}: {}", text(&output["ename"]), text(&output["evalue"])),
                false => traceback.join("\n"),
            };
            preformatted("error", &shown, body);
        }
        _ => bundle(output, folder, body),
    }
}

fn preformatted(class: &str, text: &str, body: &mut String) {
    body.push_str("<pre class=\"");
    body.push_str(class);
    body.push_str("\">");
    ansi::write_html(text.trim_end_matches('\n'), body);
    body.push_str("</pre>\n");
}

fn bundle(output: &Value, folder: &Path, body: &mut String) {
    let found = PREFERRED
        .iter()
        .find_map(|mime| Some((*mime, text(output["data"].get(mime)?))));
    let Some((mime, content)) = found else {
        if let Some(mime) = output["data"]
            .as_object()
            .and_then(|data| data.keys().next())
        {
            preformatted(
                "note",
                &format!("an output of type {mime}, which this page cannot show"),
                body,
            );
        }
        return;
    };
    match mime {
        "text/html" => rich(&content, body),
        "text/markdown" => rich(&markdown::to_html(&content, None, folder), body),
        // As an image, as in JupyterLab: names inside one drawing must not reach into another.
        "image/svg+xml" => image(
            &images::address(mime, content.as_bytes()),
            output,
            mime,
            body,
        ),
        "text/latex" | "text/plain" => preformatted("result", &content, body),
        _ => match images::base64_address(mime, &content) {
            Some(address) => image(&address, output, mime, body),
            None => preformatted(
                "note",
                &format!(
                    "an output of type {mime} that is not base64, which this page cannot show"
                ),
                body,
            ),
        },
    }
}

fn rich(html: &str, body: &mut String) {
    body.push_str("<div class=\"rich\">");
    body.push_str(html);
    body.push_str("</div>\n");
}

fn image(address: &str, output: &Value, mime: &str, body: &mut String) {
    let metadata = &output["metadata"][mime];
    let mut size = String::new();
    for side in ["width", "height"] {
        if let Some(pixels) = metadata[side].as_f64() {
            size.push_str(&format!(" {side}=\"{pixels}\""));
        }
    }
    let description = output["data"]
        .get("text/plain")
        .map(text)
        .unwrap_or_default();
    body.push_str("<img src=\"");
    body.push_str(address);
    body.push_str(&format!(
        "\" alt=\"{}\"{size}>\n",
        escape(description.trim())
    ));
}
