//! What a slot has held.

use std::{fmt, time::SystemTime};

use patchbay_protocol::MimeBundle;
use serde_json::Value;

use super::table;
use crate::show::Show;

/// One component that a slot holds or has held.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// The argument of `rollback`.
    pub number: usize,
    /// `kind/name`.
    pub id: String,
    /// The complete settings, defaults included.
    pub config: Value,
    /// The generation of the plugin that it came from.
    pub generation: u32,
    /// The plugin's version and source.
    pub version: String,
    pub source: String,
    /// The build of the SDK.
    pub build_id: String,
    /// How it came: `create`, `swap`, `reload`, `rollback to 0`.
    pub why: String,
    pub when: SystemTime,
    /// The last panic in it.
    pub failure: Option<String>,
}

/// A slot's components, oldest first; the last is the present one.
#[derive(Clone, Debug)]
pub struct History(pub Vec<HistoryEntry>);

impl History {
    fn rows(&self) -> Vec<Vec<String>> {
        let now = SystemTime::now();
        self.0
            .iter()
            .map(|entry| {
                let seconds = now
                    .duration_since(entry.when)
                    .map_or(0, |age| age.as_secs());
                vec![
                    entry.number.to_string(),
                    format!("{} g{}", entry.id, entry.generation),
                    entry.config.to_string(),
                    entry.why.clone(),
                    format!("{seconds} s ago"),
                    entry
                        .failure
                        .as_ref()
                        .map_or_else(String::new, |panic| format!("panicked: {panic}")),
                ]
            })
            .collect()
    }
}

const HEADERS: [&str; 6] = ["n", "component", "config", "by", "when", "state"];

impl fmt::Display for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&table::text(&HEADERS, &self.rows()))
    }
}

impl Show for History {
    fn show(&self) -> MimeBundle {
        table::bundle(&HEADERS, &self.rows())
    }
}
