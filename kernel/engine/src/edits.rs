//! Earlier items that no longer compile, because a later cell has defined anew what they rest on.
//!
//! The newest definition wins. Where a program fails because of an earlier item, the item is left out and the program
//! compiled again; if that succeeds, the item is set aside: no program has it, until something that it mentions is
//! defined anew or its own cell is run again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{aside::Aside, diagnostics::Diagnostic, item::Item, planned::Plan};

/// Errors that two items make together. The newer one stays.
const CONFLICTS: [&str; 8] = [
    "E0119", "E0592", "E0428", "E0255", "E0252", "E0254", "E0260", "E0201",
];

/// The item of an earlier cell that an error lies in. Of several that contradict each other it is the oldest.
fn item_of<'a>(error: &Diagnostic, plan: &'a Plan, file: &str) -> Option<&'a Arc<Item>> {
    let position = |byte: usize| {
        let mut places = plan.items.iter();
        places.position(|(range, _)| range.contains(&byte))
    };
    let is_conflict = is_conflict(error);
    // The macro is as its newest definition has it; what calls it for items is to blame.
    let is_of_call = error.message.starts_with("macro expansion ignores");
    let found = error
        .spans
        .iter()
        .filter(|span| is_conflict || span.is_primary != is_of_call)
        .filter_map(|span| position(span.outermost(file)?.start));
    // Earlier items of one sort stand in the order of their definition.
    found.min().map(|position| &plan.items[position].1)
}

fn is_conflict(error: &Diagnostic) -> bool {
    CONFLICTS.contains(&error.code())
}

/// The earlier items that keep a program from compiling, by id, if they are all that does.
pub fn broken_items(
    diagnostics: &[Diagnostic],
    plan: &Plan,
    file: &str,
) -> Option<BTreeMap<String, Aside>> {
    let mut broken = BTreeMap::new();
    for error in errors(diagnostics) {
        if is_of_instance(error, diagnostics) {
            return None;
        }
        let item = item_of(error, plan, file)?;
        broken.entry(item.id.clone()).or_insert_with(|| Aside {
            reason: error.message.clone(),
            replaced: is_conflict(error),
        });
    }
    (!broken.is_empty()).then_some(broken)
}

fn errors(diagnostics: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    diagnostics.iter().filter(|diagnostic| {
        diagnostic.is_error()
            && !diagnostic.message.starts_with("aborting due to")
            && !diagnostic.spans.is_empty()
    })
}

/// Whether an error is about what a generic item becomes with the arguments of whoever uses it.
fn is_of_instance(error: &Diagnostic, all: &[Diagnostic]) -> bool {
    let position = all.iter().position(|known| std::ptr::eq(known, error));
    let following = all
        .iter()
        .skip(position.map_or(all.len(), |position| position + 1));
    error.message.contains("while instantiating")
        || following
            .take_while(|next| !next.is_error())
            .any(|next| next.message.contains("while instantiating"))
}

/// Whether an error is of the cell itself, and not of an earlier item that the cell does not need to be mended.
pub fn is_own(error: &Diagnostic, plan: &Plan, file: &str) -> bool {
    item_of(error, plan, file).is_none()
}

/// Words for an error about something that an item would have, if it still compiled, or if another did on which it
/// rests.
pub fn hint(error: &Diagnostic, plan: &Plan) -> Option<String> {
    let labels = error.spans.iter().filter_map(|span| span.label.as_deref());
    let mut words: BTreeSet<&str> = labels
        .chain([error.message.as_str()])
        .flat_map(quoted)
        .collect();
    let is_method = error.code() == "E0599";
    let broken = plan.aside.iter().filter(|(_, aside)| !aside.replaced);
    let mut open: Vec<&(Arc<Item>, Aside)> = broken.collect();
    let mut hints = Vec::new();
    loop {
        let position = open
            .iter()
            .position(|(item, _)| would_have(item, &words, is_method));
        let Some(position) = position else { break };
        let (item, aside) = open.remove(position);
        words.extend(quoted(&aside.reason));
        hints.push(aside.hint(&item.title(), item.source.cell));
    }
    // What others rest on is to be mended first.
    hints.reverse();
    (!hints.is_empty()).then(|| hints.join("\n"))
}

/// The names in the backticks of a message.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '_'))
}

/// Whether an item has something by one of the names.
fn would_have(item: &Item, names: &BTreeSet<&str>, is_method: bool) -> bool {
    let shape = &item.parsed.shape;
    let has = |name: &str| names.contains(name);
    match &shape.implements {
        Some(implements) => {
            let has_trait = implements.trait_name.as_deref().is_some_and(has);
            shape.member_names().into_iter().any(has)
                || has(&implements.target) && (has_trait || is_method)
        }
        None => item.parsed.provides.iter().any(|name| has(name)),
    }
}
