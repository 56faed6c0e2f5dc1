//! `list`: what there is, as a table.

use std::{collections::BTreeMap, fmt};

use patchbay_protocol::MimeBundle;

use super::{guard, registry, search};
use patchbay_cell::pattern::matches;
use patchbay_show::{Show, Table, show::plain_text};

/// The components that a pattern matches, one row each.
#[derive(Clone, Debug)]
pub struct Listing {
    /// id, version, summary, state.
    pub rows: Vec<[String; 4]>,
    /// Text that is shown where there is no row.
    none: String,
}

/// Lists components: those that are loaded and those that could be, without loading any.
///
/// `pattern` is an id in which `*` stands for anything: `*`, `loss/*`, `*focal*`. One without a star that is no id lists all whose
/// ids have it in them.
pub fn list(pattern: &str) -> Listing {
    let mut rows = BTreeMap::new();
    for plugin in search::available() {
        let Ok(metadata) = plugin.metadata else {
            continue;
        };
        let differences = guard::differences(&metadata);
        let state = match differences.first() {
            None => "available".to_owned(),
            Some(_) => {
                let parts: Vec<&str> = differences
                    .iter()
                    .map(|line| {
                        line.split_once(':')
                            .map_or(line.as_str(), |(part, _)| part)
                            .trim()
                    })
                    .collect();
                format!("stale: other {}; build it again", parts.join(", "))
            }
        };
        for component in metadata.components {
            let row = [
                component.id.clone(),
                metadata.version.clone(),
                component.summary,
                state.clone(),
            ];
            rows.entry(component.id).or_insert(row);
        }
    }
    for entry in registry::entries() {
        let state = format!("loaded, generation {}", entry.generation);
        let spec = &entry.spec;
        rows.insert(
            spec.id.clone(),
            [
                spec.id.clone(),
                spec.version.clone(),
                spec.summary.to_owned(),
                state,
            ],
        );
    }
    let none = format!(
        "no component's id is like {pattern:?}; `%plugins` or plugin::list(\"*\") lists all {}",
        rows.len()
    );
    let is_part = !pattern.contains('*') && !rows.contains_key(pattern);
    let rows = rows.into_iter().filter(|(id, _)| match is_part {
        true => id.contains(pattern),
        false => matches(pattern, id),
    });
    Listing {
        rows: rows.map(|(_, row)| row).collect(),
        none,
    }
}

impl Listing {
    /// One row for each component.
    pub fn table(&self) -> Table {
        let table = Table::new(["id", "version", "summary", "state"]);
        self.rows.iter().fold(table, Table::row)
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows.is_empty() {
            true => formatter.write_str(&self.none),
            false => self.table().fmt(formatter),
        }
    }
}

impl Show for Listing {
    fn show(&self) -> MimeBundle {
        match self.rows.is_empty() {
            true => plain_text(self.none.clone()),
            false => self.table().show(),
        }
    }
}
