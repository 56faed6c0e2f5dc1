//! Errors as users read them.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use patchbay_protocol::{Failure, FailureKind};

use crate::diagnostics::shortened;
use crate::program::{Location, Program, Source};
use crate::{frames, habits};
use patchbay_contract::CellError;

const RED: &str = "\u{1b}[1;31m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// The runtime has gone while a cell ran.
pub fn process_ended(how: &str, killed: bool) -> CellError {
    if killed {
        return CellError::plain(
            "Interrupted",
            "the cell could neither be stopped nor given up, so its process was killed; all variables are lost. \
             Run the cells that define what you need again",
        );
    }
    CellError::plain(
        "ProcessEnded",
        format!(
            "the process that runs the cells has ended: {how}. All variables are lost; the next cell \
             runs in a new process. Run the cells that define what you need again"
        ),
    )
}

/// A compile error with everything that rustc said.
pub fn compile_error(value: &str, rendered: String) -> CellError {
    CellError {
        name: "CompileError".to_owned(),
        value: shortened(value).into_owned(),
        traceback: rendered.lines().map(str::to_owned).collect(),
    }
}

/// A compile error of the engine's own, at its place in the cell.
pub fn in_cell(source: &Source, range: Range<usize>, message: &str) -> CellError {
    let location = Location {
        source: source.clone(),
        range,
    };
    CellError {
        name: "CompileError".to_owned(),
        value: message.to_owned(),
        traceback: underline("CompileError", message, &location),
    }
}

/// What a cell failed with, at its place in the cell.
pub fn failure(failure: &Failure, find: impl Fn(&str) -> Option<Program>) -> CellError {
    let name = match failure.kind {
        FailureKind::Panic => "Panic",
        FailureKind::Error => "Error",
        FailureKind::Interrupted => "Interrupted",
        FailureKind::Refused => "Refused",
    };
    let mut lines = Vec::new();
    let location = failure.location.as_ref().and_then(|location| {
        find(&location.file)?.location_of_line(location.line, location.column)
    });
    match (&location, &failure.location) {
        (Some(location), _) => lines.extend(underline(name, &failure.message, location)),
        (None, Some(location)) if !location.file.is_empty() => {
            lines.push(format!(
                "{RED}{name}{RESET}{BOLD}: {}{RESET}",
                failure.message
            ));
            lines.push(format!(
                "  at {}:{}:{}",
                location.file, location.line, location.column
            ));
        }
        _ => lines.push(format!(
            "{RED}{name}{RESET}{BOLD}: {}{RESET}",
            failure.message
        )),
    }
    if let Some(hint) = habits::failure_hint(&failure.message) {
        lines.push(format!("help: {hint}"));
    }
    for cause in &failure.causes {
        lines.push(format!("caused by: {cause}"));
    }
    if let Some(last) = &location {
        let noted: Vec<Location> = failure
            .frames
            .iter()
            .filter_map(|frame| find(&frame.file)?.location_of_line(frame.line, frame.column))
            .collect();
        lines.extend(frames::lines(last, &noted));
    }
    if !failure.functions.is_empty() {
        lines.push(format!(
            "called through: {}",
            failure.functions.join(" <- ")
        ));
    }
    CellError {
        name: name.to_owned(),
        value: failure
            .message
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        traceback: lines
            .iter()
            .flat_map(|line| line.lines())
            .map(str::to_owned)
            .collect(),
    }
}

/// The message over the line that it is about.
fn underline(name: &str, message: &str, location: &Location) -> Vec<String> {
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let snippet = Snippet::source(location.source.text.to_string())
        .line_start(location.source.first_line as usize + 1)
        .path(format!("cell [{}]", location.source.cell))
        .annotation(AnnotationKind::Primary.span(location.range.clone()));
    let mut group = Level::ERROR
        .with_name(name.to_owned())
        .primary_title(first)
        .element(snippet);
    if !rest.is_empty() {
        group = group.element(Level::NOTE.message(rest));
    }
    Renderer::styled()
        .render(&[group])
        .lines()
        .map(str::to_owned)
        .collect()
}
