//! History of a slot: the components that it has held.

use std::{fmt, time::SystemTime};

use patchbay_protocol::MimeBundle;
use serde_json::Value;

use patchbay_show::{Show, Table};

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
    /// The file of the plugin; empty for a component of a cell.
    pub source: String,
    /// The build of the SDK.
    pub build_id: String,
    /// How it came: `create`, `swap`, `reload`, `rollback to 0`.
    pub why: String,
    /// The time of the change.
    pub when: SystemTime,
    /// The last panic in it.
    pub failure: Option<String>,
}

/// A slot's components, oldest first; the last is the present one.
#[derive(Clone, Debug)]
pub struct History(pub Vec<HistoryEntry>);

impl History {
    /// One row for each component.
    pub fn table(&self) -> Table {
        let now = SystemTime::now();
        let mut table = Table::new(["n", "component", "config", "by", "when", "state"]);
        for entry in &self.0 {
            let seconds = now
                .duration_since(entry.when)
                .map_or(0, |age| age.as_secs());
            let state = entry
                .failure
                .as_ref()
                .map(|panic| format!("panicked: {panic}"));
            table.push([
                entry.number.to_string(),
                format!("{} g{}", entry.id, entry.generation),
                entry.config.to_string(),
                entry.why.clone(),
                format!("{seconds} s ago"),
                state.unwrap_or_default(),
            ]);
        }
        table
    }
}

impl fmt::Display for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(formatter)
    }
}

impl Show for History {
    fn show(&self) -> MimeBundle {
        self.table().show()
    }
}
