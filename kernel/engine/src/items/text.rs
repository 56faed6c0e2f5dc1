//! The text of an item without what later cells have defined anew.

use std::collections::BTreeSet;

use super::change::Change;
use crate::{
    chunk::ParsedItem,
    program::{Program, Source},
};

/// Parts of an item that later cells have defined anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Omitted {
    /// Members of an inherent impl.
    pub members: BTreeSet<String>,
    /// Traits that a type derives.
    pub derives: BTreeSet<String>,
}

/// What later cells have defined anew is left out.
pub fn omissions(item: &ParsedItem, omitted: &Omitted) -> Vec<Change> {
    let members = item
        .shape
        .members
        .iter()
        .filter(|member| omitted.members.contains(&member.name))
        .map(|member| Change {
            range: member.range.clone(),
            text: String::new(),
        });
    let derives = item
        .shape
        .derives
        .iter()
        .filter(|derive| {
            let mut names = derive.traits.iter();
            names.any(|(name, _)| omitted.derives.contains(name))
        })
        .map(|derive| {
            let kept: Vec<&str> = derive
                .traits
                .iter()
                .filter(|(name, _)| !omitted.derives.contains(name))
                .map(|(_, path)| path.as_str())
                .collect();
            Change {
                range: derive.range.clone(),
                text: format!("#[derive({})]", kept.join(", ")),
            }
        });
    members.chain(derives).collect()
}

/// The text of an item without what was left out, for whoever asks what it is.
pub fn text_of(item: &ParsedItem, source: &Source, omitted: &Omitted) -> String {
    let mut program = Program::default();
    let mut at = item.range.start;
    let mut changes = omissions(item, omitted);
    changes.sort_by_key(|change| change.range.start);
    for change in changes {
        program.generated(&source.text[at..change.range.start]);
        program.generated(&change.text);
        at = change.range.end;
    }
    program.generated(&source.text[at..item.range.end]);
    program.text
}
