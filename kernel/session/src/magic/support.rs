//! Pieces that several magics share.

use std::{path::PathBuf, time::Duration};

use patchbay_contract::{CellError, SessionEvent, StreamName};
use patchbay_protocol::MimeBundle;
use serde_json::json;

use super::Events;

/// Tells how long a cell took.
pub fn tell_time(events: &Events, duration: Duration, programs: usize) {
    let compiled = match programs {
        0 | 1 => String::new(),
        _ => format!(" ({programs} programs compiled, because of what borrows)"),
    };
    let text = format!(
        "Took {}{compiled}\n",
        describe_seconds(duration.as_secs_f64())
    );
    print(events, &text);
}

/// Returns a bundle that is a text.
pub(super) fn plain_bundle(text: &str) -> MimeBundle {
    let mut bundle = MimeBundle::default();
    bundle.data.insert("text/plain".to_owned(), json!(text));
    bundle
}

pub(crate) fn print(events: &Events, text: &str) {
    let _ = events.send(SessionEvent::Stream {
        name: StreamName::Stdout,
        text: text.to_owned(),
    });
}

pub(super) fn display(events: &Events, bundle: MimeBundle) {
    let _ = events.send(SessionEvent::Display {
        bundle,
        display_id: None,
        update: false,
    });
}

/// Returns the path with the home folder in place of `~`; without a path, the home folder.
pub(super) fn expand_home(text: &str) -> PathBuf {
    let home = std::env::home_dir().unwrap_or_default();
    match text.strip_prefix('~') {
        Some("") => home,
        None if text.is_empty() => home,
        Some(rest) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => PathBuf::from(text),
    }
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Returns the error of `%time` and `%timeit` on a line without a statement.
pub(super) fn wants_statement(name: &str) -> CellError {
    CellError::plain(
        "MagicError",
        format!("%{name} wants a statement on its line; for a whole cell begin it with %%{name}"),
    )
}

/// A time with three digits and a fitting unit.
pub fn describe_seconds(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}
