//! Tables as text and as HTML.

use patchbay_protocol::MimeBundle;

use crate::show;

/// The widest column of the text form, in characters.
const WIDEST: usize = 60;

/// Columns aligned with spaces; long cells are cut.
pub(crate) fn text(headers: &[&str], rows: &[Vec<String>]) -> String {
    let cut = |cell: &str| -> String {
        let line = cell.replace('\n', " ");
        match line.char_indices().nth(WIDEST) {
            Some(_) => line.chars().take(WIDEST - 1).chain(['…']).collect(),
            None => line,
        }
    };
    let head: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(&head)
        .chain(rows)
        .map(|row| row.iter().map(|cell| cut(cell)).collect())
        .collect();
    let mut widths = vec![0; headers.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            text.push_str(&rules.join("  "));
            text.push('\n');
        }
    }
    text.pop();
    text
}

/// The table as HTML.
pub(crate) fn html(headers: &[&str], rows: &[Vec<String>]) -> String {
    let row = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells: String = cells
            .map(|cell| format!("<{tag} style=\"text-align:left\">{}</{tag}>", escape(cell)))
            .collect();
        format!("<tr>{cells}</tr>")
    };
    let head = row("th", &mut headers.iter().copied());
    let body: String = rows
        .iter()
        .map(|cells| row("td", &mut cells.iter().map(String::as_str)))
        .collect();
    format!("<table><thead>{head}</thead><tbody>{body}</tbody></table>")
}

/// Both forms.
pub(crate) fn bundle(headers: &[&str], rows: &[Vec<String>]) -> MimeBundle {
    show::bundle(text(headers, rows), "text/html", html(headers, rows))
}

/// Text for use between HTML tags.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
