//! evcxr's compile errors as text with the cell's lines.

use ariadne::sources;
use evcxr::{CompilationError, Theme};
use patchbay_evcxr_protocol::End;

/// The name of the source in a report.
const CELL: &str = "cell";

/// The end of a cell that did not compile.
pub fn compile_error(code: &str, errors: &[CompilationError]) -> End {
    let errors: Vec<&CompilationError> = errors
        .iter()
        .filter(|error| error.level() != "warning")
        .collect();
    let rendered: Vec<String> = errors.iter().map(|error| render(code, error)).collect();
    End::CompileError {
        message: errors
            .first()
            .map(|error| error.message())
            .unwrap_or_default(),
        rendered: rendered.join("\n"),
    }
}

fn render(code: &str, error: &CompilationError) -> String {
    let mut text = Vec::new();
    let report = error.build_report(CELL.to_owned(), code.to_owned(), Theme::Light);
    if let Some(report) = report
        && report
            .write(sources([(CELL.to_owned(), code.to_owned())]), &mut text)
            .is_ok()
    {
        return String::from_utf8_lossy(&text).into_owned();
    }
    // evcxr makes no report of a text that is not ASCII.
    let mut lines = vec![match error.code() {
        Some(code) => format!("error[{code}]: {}", error.message()),
        None => format!("error: {}", error.message()),
    }];
    for spanned in error.spanned_messages() {
        lines.extend(spanned.lines.iter().map(|line| format!("  | {line}")));
        lines.push(format!("  = {}", spanned.label));
    }
    lines.extend(error.help().iter().map(|help| format!("  = help: {help}")));
    lines.join("\n")
}
