//! Pieces that several magics share.

use std::path::PathBuf;

use patchbay_contract::{CellError, SessionEvent};
use patchbay_engine::magic::{Argument, Magic};
use patchbay_protocol::MimeBundle;
use serde_json::json;

use super::{Entry, Events, Run, entries};

/// Returns a bundle that is a text.
pub(super) fn plain_bundle(text: &str) -> MimeBundle {
    let mut bundle = MimeBundle::default();
    bundle.data.insert("text/plain".to_owned(), json!(text));
    bundle
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

/// Returns the error of `%time` and `%timeit` on a line without a statement.
pub(super) fn wants_statement(name: &str) -> CellError {
    CellError::plain(
        "MagicError",
        format!("%{name} wants a statement on its line; for a whole cell begin it with %%{name}"),
    )
}

/// Returns an entry that stands in no list: its summary is the answer to a magic of another kernel.
pub(super) const fn answer(
    names: &'static [&'static str],
    summary: &'static str,
    run: Run,
) -> Entry {
    Entry {
        magic: Magic {
            names,
            usage: "",
            summary,
            argument: Argument::Words,
            changes_programs: false,
            is_listed: false,
            evcxr: None,
        },
        prepare: None,
        run,
    }
}

/// Returns the summary of a magic.
pub(super) fn summary_of(name: &str) -> &'static str {
    let entry = entries().find(|entry| entry.magic.names.contains(&name));
    entry.map_or("", |entry| entry.magic.summary)
}
