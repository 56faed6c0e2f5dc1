//! Which items decide how values lie in memory.

use std::{collections::BTreeSet, sync::Arc};

use crate::item::Item;

/// The types and constants that decide how values of types with these names lie in memory, by position.
pub fn layout_of(names: &BTreeSet<String>, items: &[Arc<Item>]) -> Vec<usize> {
    let mut needed: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut included = vec![false; items.len()];
    loop {
        let mut grew = false;
        for (index, item) in items.iter().enumerate() {
            let parsed = &item.parsed;
            let is_import = parsed.shape.import.is_some();
            let shape = &parsed.shape;
            // An impl decides it where it says what an associated type or constant is.
            let says_type = shape.implements.as_ref().is_some_and(|implements| {
                implements.has_associated_types && needed.contains(implements.target.as_str())
            });
            let is_named = (shape.layout.is_some() || is_import)
                && parsed
                    .provides
                    .iter()
                    .any(|name| needed.contains(name.as_str()));
            if !included[index] && (is_named || says_type) {
                included[index] = true;
                grew = true;
                needed.extend(parsed.mentions.iter().map(String::as_str));
            }
        }
        if !grew {
            break;
        }
    }
    let all = included.into_iter().enumerate();
    all.filter_map(|(index, included)| included.then_some(index))
        .collect()
}
