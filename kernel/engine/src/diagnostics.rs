//! What rustc says about a program, told in terms of the cells.

use std::{borrow::Cow, ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Patch, Renderer, Snippet};
use serde::{Deserialize, Serialize};

use super::{
    habits,
    lessons::Binding,
    planned::{Mark, Plan},
    program::{Location, Program},
};

/// A diagnostic as rustc prints it with `--error-format=json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The first line, without the code.
    pub message: String,
    /// The error's code.
    #[serde(default)]
    pub code: Option<Code>,
    /// `error`, `warning`, `note`, `help`.
    pub level: String,
    /// The places that are marked.
    #[serde(default)]
    pub spans: Vec<Span>,
    /// The notes and suggestions that belong to it.
    #[serde(default)]
    pub children: Vec<Diagnostic>,
}

/// An error's code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Code {
    /// The code itself: `E0382`.
    pub code: String,
}

/// A marked place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Span {
    /// The file, as the compiler was told.
    pub file_name: String,
    /// The first byte.
    pub byte_start: usize,
    /// The byte behind the last.
    pub byte_end: usize,
    /// Whether the error is here; other places explain it.
    pub is_primary: bool,
    /// The text at the mark.
    #[serde(default)]
    pub label: Option<String>,
    /// The text that the compiler would put here.
    #[serde(default)]
    pub suggested_replacement: Option<String>,
    /// Where the macro call stands whose expansion the span is in.
    #[serde(default)]
    pub expansion: Option<Box<Expansion>>,
}

/// The macro that a place comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Expansion {
    /// The call of the macro.
    pub span: Span,
}

impl Span {
    /// The bytes of the program that the span stands for: its own, or those of the outermost
    /// macro call if it lies in another file.
    fn in_program(&self, file: &str) -> Option<Range<usize>> {
        let mut span = self;
        loop {
            if span.file_name.ends_with(file) {
                return Some(span.byte_start..span.byte_end);
            }
            span = &span.expansion.as_ref()?.span;
        }
    }
}

impl Span {
    /// The bytes of the program that the outermost macro call around the span stands for, else its own: what a call
    /// expands to belongs to whoever calls.
    pub fn outermost(&self, file: &str) -> Option<Range<usize>> {
        let mut span = self;
        let mut found = None;
        loop {
            if span.file_name.ends_with(file) {
                found = Some(span.byte_start..span.byte_end);
            }
            match &span.expansion {
                Some(expansion) => span = &expansion.span,
                None => return found,
            }
        }
    }
}

impl Diagnostic {
    /// Whether it keeps the program from being compiled.
    pub fn is_error(&self) -> bool {
        self.level.starts_with("error")
    }

    /// Whether it warns about a value that nothing is done with.
    pub fn is_unused_value(&self) -> bool {
        matches!(
            self.code(),
            "unused_must_use" | "path_statements" | "unused_operation"
        )
    }

    /// The code, `E0382` or a lint's name; empty where there is none.
    pub fn code(&self) -> &str {
        self.code.as_ref().map_or("", |code| &code.code)
    }

    /// The marks of the plan that the spans touch, primary ones first.
    pub fn marks<'a>(&self, plan: &'a Plan, file: &str) -> Vec<&'a Mark> {
        let mut spans: Vec<&Span> = self.spans.iter().collect();
        spans.sort_by_key(|span| !span.is_primary);
        spans
            .into_iter()
            .filter_map(|span| {
                plan.marks
                    .get(&plan.program.line_of(span.in_program(file)?.start))
            })
            .collect()
    }

    /// The marks of the plan that the spans of its notes touch.
    pub fn marks_of_notes<'a>(&self, plan: &'a Plan, file: &str) -> Vec<&'a Mark> {
        self.children
            .iter()
            .flat_map(|child| child.marks(plan, file))
            .collect()
    }

    /// The bytes of the program that the spans stand for.
    pub fn ranges_in_program(&self, file: &str) -> impl Iterator<Item = Range<usize>> {
        self.spans
            .iter()
            .filter_map(move |span| span.in_program(file))
    }

    /// The bytes of the program that the spans and those of the notes stand for.
    pub fn all_ranges_in_program(&self, file: &str) -> Vec<Range<usize>> {
        let notes = self.children.iter();
        self.ranges_in_program(file)
            .chain(notes.flat_map(|child| child.ranges_in_program(file)))
            .collect()
    }

    /// For an answer to [`Mark::AskType`], the variable and its type.
    pub fn type_answer(&self, plan: &Plan, file: &str) -> Option<(Binding, String)> {
        if self.code() != "dropping_references" {
            return None;
        }
        let binding = self
            .marks(plan, file)
            .into_iter()
            .find_map(|mark| match mark {
                Mark::AskType(binding) => Some(binding.clone()),
                _ => None,
            })?;
        let label = self.spans.iter().find_map(|span| {
            span.label
                .as_deref()?
                .strip_prefix("argument has type `&")?
                .strip_suffix('`')
        })?;
        Some((binding, label.to_owned()))
    }
}

/// Words that are added to an error about a name that is gone.
pub type Hint<'a> = &'a dyn Fn(&Diagnostic) -> Option<String>;

/// The most bytes of one message, label or suggestion: the name of a type can have millions.
const MOST_WORDS: usize = 2_000;

/// The most bytes that all diagnostics of a cell take, when they are rendered.
const MOST_BYTES: usize = 256 << 10;

/// A text, cut where it is longer than anybody reads.
pub fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= MOST_WORDS {
        return Cow::Borrowed(text);
    }
    let end = (0..=MOST_WORDS)
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    Cow::Owned(format!(
        "{} … ({} bytes left out)",
        &text[..end],
        text.len() - end
    ))
}

/// Renders diagnostics with the cells' own lines, underlined and colored.
pub fn render(
    diagnostics: &[&Diagnostic],
    program: &Program,
    file: &str,
    hint: Hint<'_>,
) -> String {
    let renderer = Renderer::styled();
    let mut rendered = Vec::new();
    let mut bytes = 0;
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        if bytes > MOST_BYTES {
            rendered.push(format!("… and {} more", diagnostics.len() - index));
            break;
        }
        let title = title(diagnostic);
        let mut group = Group::with_title(title);
        for element in snippets(diagnostic, program, file) {
            group = group.element(element);
        }
        let mut suggested = Vec::new();
        for child in &diagnostic.children {
            match suggestion(child, program, file) {
                Some(suggestion) => suggested.push(suggestion),
                None => group = group.elements(child_elements(child, program, file)),
            }
        }
        let habit = of_habit(diagnostic, program, file);
        // A name of Python's may also be that of a crate.
        let both = matches!(diagnostic.code(), "E0432" | "E0433");
        for hint in [hint(diagnostic), habit]
            .into_iter()
            .flatten()
            .take(1 + usize::from(both))
        {
            group = group.element(Level::HELP.message(hint));
        }
        let groups: Vec<Group<'_>> = [group].into_iter().chain(suggested).collect();
        let text = renderer.render(&groups);
        bytes += text.len();
        rendered.push(text);
    }
    rendered.join("\n\n")
}

/// What is written here in place of a habit from Python.
fn of_habit(diagnostic: &Diagnostic, program: &Program, file: &str) -> Option<String> {
    let primary = diagnostic.spans.iter().find(|span| span.is_primary)?;
    let location = program.location(primary.in_program(file)?)?;
    let text = &location.source.text;
    let start = text[..location.range.start]
        .rfind('\n')
        .map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    habits::hint(&habits::Place {
        code: diagnostic.code(),
        message: &diagnostic.message,
        line,
    })
}

fn level(diagnostic: &Diagnostic) -> Level<'static> {
    match diagnostic.level.as_str() {
        "warning" => Level::WARNING,
        "note" => Level::NOTE,
        "help" => Level::HELP,
        _ => Level::ERROR,
    }
}

fn title(diagnostic: &Diagnostic) -> annotate_snippets::Title<'_> {
    let title = level(diagnostic).primary_title(shortened(&diagnostic.message));
    match diagnostic.code() {
        code if code.starts_with('E') => title.id(code),
        _ => title,
    }
}

/// One snippet a cell that the spans lie in, the primary one first.
fn snippets<'a>(diagnostic: &'a Diagnostic, program: &Program, file: &str) -> Vec<Element<'a>> {
    let mut locations: Vec<(Location, &Span)> = diagnostic
        .spans
        .iter()
        .filter_map(|span| Some((program.location(span.in_program(file)?)?, span)))
        .collect();
    locations.sort_by_key(|(_, span)| !span.is_primary);
    // The closures of the engine's own text, which the reader does not see.
    let in_engine_text = locations.len() < diagnostic.spans.len();
    let mut elements: Vec<Element<'a>> = Vec::new();
    while let Some((first, _)) = locations.first() {
        let source = first.source.clone();
        let (here, elsewhere): (Vec<_>, Vec<_>) = locations
            .into_iter()
            .partition(|(location, _)| Arc::ptr_eq(&location.source.text, &source.text));
        locations = elsewhere;
        let mut snippet = Snippet::source(source.text.to_string())
            .line_start(source.first_line as usize + 1)
            .path(format!("cell [{}]", source.cell));
        for (location, span) in here {
            let kind = if span.is_primary {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let label = span.label.as_deref().map(|label| match in_engine_text {
                true if label.len() <= MOST_WORDS => without_closure(label),
                _ => shortened(label),
            });
            snippet = snippet.annotation(kind.span(location.range).label(label));
        }
        elements.push(snippet.into());
    }
    if elements.is_empty()
        && let Some(span) = diagnostic.spans.iter().find(|span| span.is_primary)
        && span.in_program(file).is_none()
    {
        elements.push(Origin::path(span.file_name.clone()).into());
    }
    elements
}

/// "variable moved due to use in closure" as "variable moved here".
fn without_closure(label: &str) -> Cow<'_, str> {
    match label.split_once(" due to use ") {
        Some((what, location)) if location.ends_with("in closure") => {
            Cow::Owned(format!("{what} here"))
        }
        _ => Cow::Borrowed(label),
    }
}

/// A suggestion as the lines of the cell with what is inserted or replaced, as rustc shows it; `None` where that cannot be shown:
/// where there is none, or several to choose from, or where it changes text of the engine's own.
fn suggestion<'a>(child: &'a Diagnostic, program: &Program, file: &str) -> Option<Group<'a>> {
    let mut changes = Vec::new();
    for span in &child.spans {
        if let Some(replacement) = span.suggested_replacement.as_deref() {
            let location = program.editable(span.in_program(file)?)?;
            changes.push((location, replacement));
        }
    }
    let (first, _) = changes.first()?;
    let source = first.source.clone();
    let is_whole = changes.len() == child.spans.len();
    let is_one_cell = changes
        .iter()
        .all(|(location, _)| Arc::ptr_eq(&location.source.text, &source.text));
    changes.sort_by_key(|(location, _)| (location.range.start, location.range.end));
    // Of several ways each is at the same place.
    let are_apart = changes.windows(2).all(|pair| {
        let (one, other) = (&pair[0].0.range, &pair[1].0.range);
        one.end <= other.start && one != other
    });
    let is_short = changes
        .iter()
        .all(|(_, replacement)| replacement.len() <= MOST_WORDS);
    if !(is_whole && is_one_cell && are_apart && is_short) {
        return None;
    }
    let patches = changes
        .into_iter()
        .map(|(location, replacement)| Patch::new(location.range, replacement.to_owned()));
    let snippet = Snippet::source(source.text.to_string())
        .line_start(source.first_line as usize + 1)
        .patches(patches);
    let title = level(child).secondary_title(shortened(&child.message));
    Some(title.element(snippet))
}

/// Notes and helps, with their suggestions in words.
fn child_elements<'a>(child: &'a Diagnostic, program: &Program, file: &str) -> Vec<Element<'a>> {
    let suggestions: Vec<String> = child
        .spans
        .iter()
        .filter_map(|span| {
            let replacement = span.suggested_replacement.as_deref()?.trim();
            let location = program.location(span.in_program(file)?);
            // A suggestion to change the engine's own text would only confuse.
            location
                .filter(|_| !replacement.is_empty())
                .map(|_| replacement.replace('\n', " ").trim().to_owned())
        })
        .collect();
    let suggests = child
        .spans
        .iter()
        .any(|span| span.suggested_replacement.is_some());
    if suggests && suggestions.is_empty() {
        return Vec::new();
    }
    let text = match suggestions.as_slice() {
        [] => child.message.clone(),
        [one] => format!("{}: `{one}`", child.message),
        several => format!("{}: `{}`", child.message, several.join("` … `")),
    };
    let text = shortened(&text).into_owned();
    let mut elements: Vec<Element<'a>> = vec![level(child).message(text).into()];
    if !suggests {
        elements.extend(snippets(child, program, file));
    }
    elements
}
