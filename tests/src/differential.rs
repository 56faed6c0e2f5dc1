//! Cases of cells with what they show, to be run on both engines.
//!
//! The cases are in `tests/differential`, Rust with lines that begin in a special way:
//!
//! | line | meaning |
//! |---|---|
//! | `//# name` | a case begins |
//! | `//evcxr reason` | evcxr does something else, and why |
//! | `//--` | the next cell begins |
//! | `//=> text` | a line of the result |
//! | `//> text` | a line on stdout |
//! | `//@ mime words` | a display or the result has this form, with these words in it |
//! | `//! Kind: words` | the cell fails, with these words in its error |
//! | `//?` | what the cell shows is not compared |

use std::{fmt::Write, fs, path::Path};

use serde_json::Value;

use crate::{Client, execution::without_colors};

/// Cells that are run one after the other.
#[derive(Clone, Debug, Default)]
pub struct Case {
    pub name: String,
    /// Why evcxr shows something else.
    pub difference: Option<String>,
    pub cells: Vec<Cell>,
}

#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub code: String,
    pub expected: Expected,
}

/// What a cell shows.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    result: Vec<String>,
    stdout: Vec<String>,
    forms: Vec<(String, String)>,
    error: Option<(String, String)>,
    ignored: bool,
}

/// What a cell has shown.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    result: Option<Value>,
    stdout: String,
    displays: Vec<Value>,
    /// Kind and text.
    error: Option<(String, String)>,
}

impl Shown {
    /// What was printed.
    pub fn stdout(&self) -> &str {
        &self.stdout
    }

    /// The kind of the error, and its text.
    pub fn error(&self) -> Option<(&str, &str)> {
        let (kind, text) = self.error.as_ref()?;
        Some((kind, text))
    }

    /// The plain text of the result.
    pub fn result_text(&self) -> Option<&str> {
        self.result.as_ref()?["text/plain"].as_str()
    }
}

/// The cases of a file.
///
/// # Panics
///
/// Panics where the file is not readable or a line stands outside a case.
pub fn read(path: &Path) -> Vec<Case> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut cases: Vec<Case> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("//# ") {
            cases.push(Case {
                name: name.to_owned(),
                cells: vec![Cell::default()],
                ..Case::default()
            });
            continue;
        }
        let place = || format!("{}:{}", path.display(), index + 1);
        let case = cases
            .last_mut()
            .unwrap_or_else(|| panic!("{}: a line before the first case", place()));
        if let Some(reason) = line.strip_prefix("//evcxr ") {
            case.difference = Some(reason.to_owned());
        } else if line == "//--" {
            case.cells.push(Cell::default());
        } else {
            let cell = case.cells.last_mut().expect("a case has a cell");
            if !cell.expected.add(line) {
                cell.code.push_str(line);
                cell.code.push('\n');
            }
        }
    }
    for cell in cases.iter_mut().flat_map(|case| &mut case.cells) {
        cell.code.truncate(cell.code.trim_end().len());
    }
    cases
}

impl Expected {
    /// Whether the line says what a cell shows.
    fn add(&mut self, line: &str) -> bool {
        let text = |prefix: &str| {
            let rest = line.strip_prefix(prefix)?;
            Some(rest.strip_prefix(' ').unwrap_or(rest).to_owned())
        };
        if line == "//?" {
            self.ignored = true;
        } else if let Some(text) = text("//=>") {
            self.result.push(text);
        } else if let Some(text) = text("//>") {
            self.stdout.push(text);
        } else if let Some(text) = text("//@") {
            let (mime, words) = text.split_once(' ').expect("//@ MIME WORDS");
            self.forms.push((mime.to_owned(), words.to_owned()));
        } else if let Some(text) = text("//!") {
            let (kind, words) = text.split_once(':').expect("//! KIND: WORDS");
            self.error = Some((kind.to_owned(), words.trim().to_owned()));
        } else {
            return false;
        }
        true
    }

    /// What is not as expected, `None` where all is. Compilers' words are compared for our own engine
    /// only: evcxr tells the same errors in its own way. It also shows the `()` of a last expression, which
    /// counts as nothing.
    pub fn compare(&self, shown: &Shown, engine: &str) -> Option<String> {
        if self.ignored {
            return shown.error.as_ref().map(|error| format!("{error:?}"));
        }
        let mut problems = String::new();
        match (&self.error, &shown.error) {
            (None, None) => {}
            (Some((kind, words)), Some((found, text)))
                if kind == found
                    && (text.contains(words.as_str())
                        || engine == "evcxr" && kind == "CompileError") => {}
            (expected, found) => {
                let _ = write!(problems, "error: expected {expected:?}, came {found:?}; ");
            }
        }
        let lines: Vec<&str> = shown.stdout.lines().collect();
        if lines != self.stdout {
            let _ = write!(
                problems,
                "stdout: expected {:?}, came {lines:?}; ",
                self.stdout
            );
        }
        let result = shown
            .result
            .as_ref()
            .map(|data| data["text/plain"].as_str().unwrap_or_default().to_owned())
            .filter(|text| engine != "evcxr" || text != "()");
        let as_expected = match &result {
            Some(text) => {
                !self.result.is_empty() && *text == self.result.join("\n")
                    || self.result.is_empty() && !self.forms.is_empty()
            }
            None => self.result.is_empty(),
        };
        if !as_expected {
            let _ = write!(
                problems,
                "result: expected {:?}, came {result:?}; ",
                self.result.join("\n")
            );
        }
        for (mime, words) in &self.forms {
            let found = shown.displays.iter().chain(&shown.result).any(|data| {
                data[mime.as_str()]
                    .as_str()
                    .is_some_and(|text| text.contains(words))
            });
            if !found {
                let _ = write!(
                    problems,
                    "no {mime} with {words:?} in {:?} {:?}; ",
                    shown.displays, shown.result
                );
            }
        }
        (!problems.is_empty()).then(|| problems.trim_end_matches("; ").to_owned())
    }
}

/// Runs a cell.
pub async fn show(client: &mut Client, code: &str) -> Shown {
    let mut execution = client.execute(code).await;
    let mut shown = Shown::default();
    for output in execution.rest() {
        let content = output.content;
        match output.msg_type.as_str() {
            "stream" if content["name"] == "stdout" => {
                shown
                    .stdout
                    .push_str(content["text"].as_str().unwrap_or_default());
            }
            "execute_result" => shown.result = Some(content["data"].clone()),
            "display_data" => shown.displays.push(content["data"].clone()),
            "error" => {
                let mut text = content["evalue"].as_str().unwrap_or_default().to_owned();
                for line in content["traceback"].as_array().into_iter().flatten() {
                    text.push('\n');
                    text.push_str(line.as_str().unwrap_or_default());
                }
                let kind = content["ename"].as_str().unwrap_or_default().to_owned();
                shown.error = Some((kind, without_colors(&text)));
            }
            _ => {}
        }
    }
    shown
}

/// Runs a case after the one before it has been forgotten; says what is not as expected.
pub async fn run(client: &mut Client, case: &Case, engine: &str) -> Option<String> {
    show(client, ":clear").await;
    let mut problem = None;
    for (index, cell) in case.cells.iter().enumerate() {
        let shown = show(client, &cell.code).await;
        if let Some(found) = cell.expected.compare(&shown, engine)
            && problem.is_none()
        {
            problem = Some(format!("cell {}: {found}", index + 1));
        }
    }
    problem
}

/// The files of cases.
pub fn files() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("differential");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files
}
