//! `list`: what there is, as a table.

use std::{collections::BTreeMap, fmt};

use patchbay_protocol::MimeBundle;

use super::{guard, registry, search};
use patchbay_show::{Show, Table};

/// The components that a pattern matches, one row each.
#[derive(Clone, Debug)]
pub struct Listing {
    /// id, version, summary, state.
    pub rows: Vec<[String; 4]>,
}

/// Lists components: those that are loaded and those that could be, without loading any.
///
/// `pattern` is an id in which `*` stands for anything: `*`, `loss/*`, `*focal*`.
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
    Listing {
        rows: rows
            .into_iter()
            .filter(|(id, _)| matches(pattern, id))
            .map(|(_, row)| row)
            .collect(),
    }
}

/// Whether `text` fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|&at| rest.is_char_boundary(at))
                .any(|at| matches(tail, &rest[at..]))
        }),
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
        self.table().fmt(formatter)
    }
}

impl Show for Listing {
    fn show(&self) -> MimeBundle {
        self.table().show()
    }
}
