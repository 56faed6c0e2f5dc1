//! Tables as HTML and as aligned text.

use patchbay_protocol::MimeBundle;

use crate::show::{self, Show};

/// A table of texts. Columns whose cells are all numbers are aligned to the right.
///
/// ```
/// use patchbay::Table;
/// let table = Table::new(["loss", "accuracy"]).row(["0.31", "0.97"]).row(["0.28", "0.98"]);
/// assert_eq!(table.to_string(), "loss  accuracy\n0.31      0.97\n0.28      0.98");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column names and no rows.
    pub fn new<T: ToString>(head: impl IntoIterator<Item = T>) -> Table {
        Table {
            head: head.into_iter().map(|name| name.to_string()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Missing cells are empty; cells beyond the last column are left out.
    pub fn row<T: ToString>(mut self, cells: impl IntoIterator<Item = T>) -> Table {
        self.push(cells);
        self
    }

    /// Adds a row to a table that is being filled in a loop.
    pub fn push<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| cell.to_string()).collect();
        row.resize(self.head.len(), String::new());
        self.rows.push(row);
    }

    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self
            .rows
            .iter()
            .map(|row| row[column].trim())
            .filter(|cell| !cell.is_empty())
            .peekable();
        cells.peek().is_some()
            && cells.all(|cell| cell.trim_end_matches('%').parse::<f64>().is_ok())
    }

    /// The table as HTML.
    pub fn to_html(&self) -> String {
        let numeric: Vec<bool> = (0..self.head.len())
            .map(|column| self.is_numeric(column))
            .collect();
        let line = |cells: &[String], tag: &str| {
            let cells: String = cells
                .iter()
                .zip(&numeric)
                .map(|(cell, numeric)| {
                    let side = if *numeric { "right" } else { "left" };
                    format!(
                        "<{tag} style=\"text-align:{side}\">{}</{tag}>",
                        escape(cell)
                    )
                })
                .collect();
            format!("<tr>{cells}</tr>")
        };
        let body: String = self.rows.iter().map(|row| line(row, "td")).collect();
        format!(
            "<table><thead>{}</thead><tbody>{body}</tbody></table>",
            line(&self.head, "th")
        )
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                let cells = self
                    .rows
                    .iter()
                    .map(|row| &row[column])
                    .chain([&self.head[column]]);
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for (index, row) in std::iter::once(&self.head).chain(&self.rows).enumerate() {
            let cells: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(column, cell)| {
                    let width = widths[column];
                    if self.is_numeric(column) {
                        format!("{cell:>width$}")
                    } else {
                        format!("{cell:width$}")
                    }
                })
                .collect();
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

impl Show for Table {
    fn show(&self) -> MimeBundle {
        show::bundle(self.to_string(), "text/html", self.to_html())
    }
}

/// Returns the text fit for the inside of elements and of attributes in double quotes.
pub fn escape(text: &str) -> String {
    html_escape::encode_double_quoted_attribute(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_on_the_right_and_markup_is_escaped() {
        let table = Table::new(["name", "n"])
            .row(["<a>", "5"])
            .row(["b", "10"])
            .row(["c"]);
        assert_eq!(table.to_string(), "name   n\n<a>    5\nb     10\nc");
        let html = table.to_html();
        assert!(html.contains("<td style=\"text-align:left\">&lt;a&gt;</td>"));
        assert!(html.contains("<td style=\"text-align:right\">10</td>"));
    }
}
