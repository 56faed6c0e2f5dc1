//! Programs that rustc accepts, to be run as cells.
//!
//! The programs are in `tests/corpus`, a file a topic: ordinary Rust, with lines that begin in a special way:
//!
//! | line | meaning |
//! |---|---|
//! | `//# name` | a program begins |
//! | `//together reason` | why its `main` cannot be run a statement a cell |
//!
//! What a program prints is what it prints when rustc has compiled it. It is to print the same in three
//! [ways](Way) as cells. So a program says something on stdout, the same each time, reads nothing from stdin, does not
//! exit by itself, and does not print what belongs to the process (its arguments, the name of its main thread).

pub mod suite;

use std::{
    fmt::Write,
    fs, iter,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use sha2::{Digest, Sha256};
use syn::{Expr, Item, ItemFn, ReturnType, Stmt, spanned::Spanned};

use crate::{
    Client,
    differential::{Shown, show},
};

/// A program of the corpus.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The stem of its file.
    pub file: String,
    pub name: String,
    pub text: String,
    /// Why its statements are not run one by one.
    pub together: Option<String>,
}

/// How a program becomes cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One cell: the text as it stands, and a call of `main`.
    Whole,
    /// One cell: the items as they stand, and the body of `main` as statements behind them.
    Body,
    /// A cell of items, then a cell for each statement of `main`.
    Statements,
}

impl Way {
    pub const ALL: [Way; 3] = [Way::Whole, Way::Body, Way::Statements];

    pub fn name(self) -> &'static str {
        match self {
            Way::Whole => "whole",
            Way::Body => "body",
            Way::Statements => "by statement",
        }
    }
}

/// The programs of all files.
///
/// # Panics
///
/// Panics where a file is not readable, or a line stands before the first program.
pub fn read() -> Vec<Program> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files.iter().flat_map(|file| read_file(file)).collect()
}

fn read_file(path: &Path) -> Vec<Program> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut programs: Vec<Program> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("//# ") {
            programs.push(Program {
                file: file.clone(),
                name: name.to_owned(),
                ..Program::default()
            });
            continue;
        }
        let program = programs.last_mut().unwrap_or_else(|| {
            panic!(
                "{}:{}: a line before the first program",
                path.display(),
                index + 1
            )
        });
        if let Some(reason) = line.strip_prefix("//together ") {
            program.together = Some(reason.to_owned());
        } else {
            program.text.push_str(line);
            program.text.push('\n');
        }
    }
    for program in &mut programs {
        program.text.truncate(program.text.trim_end().len());
    }
    programs
}

/// A program as the parts that cells are made of.
struct Parts {
    /// Everything but `main`.
    items: String,
    /// What stands between the braces of `main`, without an `Ok(())` at its end.
    body: String,
    statements: Vec<String>,
    /// Whether `main` returns a `Result`.
    fallible: bool,
}

impl Parts {
    /// The cells of the program whose parts these are.
    fn cells(&self, text: &str, way: Way) -> Vec<String> {
        match way {
            Way::Whole => {
                let call = if self.fallible { "main()?" } else { "main()" };
                vec![format!("{text}\n{call}")]
            }
            Way::Body => vec![format!(
                "{}\n{}",
                self.items.trim_end(),
                self.body.trim_end()
            )],
            Way::Statements => iter::once(self.items.trim())
                .filter(|items| !items.is_empty())
                .chain(self.statements.iter().map(String::as_str))
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// Splits a program at its `main`.
fn split(text: &str) -> Result<Parts, String> {
    let file = syn::parse_file(text).map_err(|error| format!("not parsed: {error}"))?;
    let main = file
        .items
        .iter()
        .find_map(|item| match item {
            Item::Fn(function) if function.sig.ident == "main" => Some(function),
            _ => None,
        })
        .ok_or("no function main")?;
    let around = main.span().byte_range();
    let braces = main.block.brace_token.span;
    let (start, mut end) = (
        braces.open().byte_range().end,
        braces.close().byte_range().start,
    );
    let mut statements: Vec<String> = Vec::new();
    for statement in &main.block.stmts {
        let range = statement.span().byte_range();
        if is_ok_of_nothing(statement) {
            end = range.start;
        } else {
            statements.push(text[range].to_owned());
        }
    }
    Ok(Parts {
        items: [&text[..around.start], &text[around.end..]].concat(),
        body: text[start..end].to_owned(),
        statements,
        fallible: is_fallible(main),
    })
}

fn is_fallible(main: &ItemFn) -> bool {
    matches!(&main.sig.output, ReturnType::Type(_, of) if matches!(&**of, syn::Type::Path(path)
        if path.path.segments.last().is_some_and(|last| last.ident.to_string().ends_with("Result"))))
}

/// Whether the statement is `Ok(())` at the end of a block.
fn is_ok_of_nothing(statement: &Stmt) -> bool {
    matches!(statement, Stmt::Expr(Expr::Call(call), None)
        if matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Ok"))
            && matches!(call.args.first(), Some(Expr::Tuple(tuple)) if tuple.elems.is_empty()))
}

/// The cells of a program.
///
/// # Errors
///
/// A program that is not one is an error.
pub fn cells(program: &Program, way: Way) -> Result<Vec<String>, String> {
    Ok(split(&program.text)?.cells(&program.text, way))
}

/// The compiler that says what is expected: `$RUSTC`, else the one in the path.
struct Compiler {
    program: String,
    version: String,
    /// The folder of the shared standard library.
    libraries: String,
}

static COMPILER: LazyLock<Result<Compiler, String>> = LazyLock::new(|| {
    let program = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let ask = |question: &[&str]| {
        let answer = Command::new(&program)
            .args(question)
            .output()
            .map_err(|error| format!("{program}: {error}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    };
    Ok(Compiler {
        version: ask(&["-vV"])?,
        libraries: ask(&["--print", "target-libdir"])?,
        program,
    })
});

/// What a program prints when rustc has compiled it. The answer is kept in the build folder.
///
/// # Errors
///
/// A program that does not compile, fails or prints nothing is an error.
pub fn expected(program: &Program) -> Result<String, String> {
    let compiler = COMPILER.as_ref().map_err(Clone::clone)?;
    let key = format!("{}\n{}", compiler.version, program.text);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tests/corpus");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let hash: String = Sha256::digest(&key)
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let kept = folder.join(format!("{hash}.stdout"));
    if let Ok(text) = fs::read_to_string(&kept) {
        return Ok(text);
    }
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let source = work.path().join("program.rs");
    let binary = work.path().join("program");
    fs::write(&source, &program.text).map_err(|error| error.to_string())?;
    // The standard library as a shared one: linking is most of what a small program takes.
    let compiled = Command::new(&compiler.program)
        .args([
            "--edition",
            "2024",
            "-A",
            "warnings",
            "-C",
            "prefer-dynamic",
            "-o",
        ])
        .args([&binary, &source])
        .output()
        .map_err(|error| format!("{}: {error}", compiler.program))?;
    if !compiled.status.success() {
        return Err(format!(
            "rustc: {}",
            String::from_utf8_lossy(&compiled.stderr)
        ));
    }
    let ran = Command::new(&binary)
        .current_dir(work.path())
        .env("LD_LIBRARY_PATH", &compiler.libraries)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    if !ran.status.success() || text.trim().is_empty() {
        let errors = String::from_utf8_lossy(&ran.stderr);
        return Err(format!("rustc's program: {}: {text}{errors}", ran.status));
    }
    fs::write(&kept, &text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// Runs a program as cells after the one before it has been forgotten; says what is not as expected.
pub async fn run(
    client: &mut Client,
    program: &Program,
    way: Way,
    expected: &str,
) -> Option<String> {
    let parts = match split(&program.text) {
        Ok(parts) => parts,
        Err(problem) => return Some(problem),
    };
    show(client, ":clear").await;
    let mut printed = String::new();
    for cell in parts.cells(&program.text, way) {
        let shown = show(client, &cell).await;
        printed.push_str(shown.stdout());
        if let Some(problem) = unexpected(&shown, parts.fallible) {
            return Some(format!("{problem}\nin the cell\n{}", indented(&cell)));
        }
    }
    (printed != expected).then(|| difference(expected, &printed))
}

/// An error, or a value that is shown although `main` has none.
fn unexpected(shown: &Shown, fallible: bool) -> Option<String> {
    if let Some((kind, text)) = shown.error() {
        return Some(format!("{kind}: {text}"));
    }
    let value = shown
        .result_text()
        .filter(|value| *value != "()" && !fallible)?;
    Some(format!("the cell shows {value}"))
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "    {line}");
        all
    })
}

/// The lines of two texts that differ.
fn difference(expected: &str, printed: &str) -> String {
    let (mut left, mut right) = (expected.lines(), printed.lines());
    let mut text = "stdout differs (- rustc's program, + the cells)\n".to_owned();
    loop {
        match (left.next(), right.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                for (sign, line) in [('-', a), ('+', b)] {
                    if let Some(line) = line {
                        let _ = writeln!(text, "    {sign} {line}");
                    }
                }
            }
        }
    }
    text
}
