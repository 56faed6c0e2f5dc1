//! Cutting a cell into segments.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    chunk::{Chunk, Definition},
    lessons::{Binding, Lessons},
};

/// The parts of a cell that run one after the other. A `let` ends a segment: what it defines is
/// outside of all that follows, and is kept if that fails.
pub(super) struct Segments {
    /// The positions of the statements, by segment.
    pub(super) statements: Vec<Vec<usize>>,
    /// What each segment hands to those that follow.
    exports: Vec<Vec<Export>>,
    /// The bindings of before that each segment gives away and hands back.
    returns: Vec<Vec<Binding>>,
    /// The bindings in the order of definition, with the segment that defines each.
    bindings: Vec<(Binding, Option<usize>)>,
    last_uses: BTreeMap<Binding, usize>,
    pub(super) whole: bool,
}

#[derive(Clone)]
pub(super) struct Export {
    pub(super) binding: Binding,
    pub(super) mutable: bool,
}

impl Segments {
    pub(super) fn of(
        chunk: &Chunk,
        takes: &[String],
        lessons: &Lessons,
        whole: bool,
        keeps: bool,
    ) -> Segments {
        let mut ordinals: BTreeMap<&str, usize> = BTreeMap::new();
        let mut segments = Segments {
            statements: vec![Vec::new()],
            exports: vec![Vec::new()],
            returns: vec![Vec::new()],
            bindings: takes
                .iter()
                .map(|name| {
                    (
                        Binding {
                            name: name.clone(),
                            ordinal: 0,
                        },
                        None,
                    )
                })
                .collect(),
            last_uses: BTreeMap::new(),
            whole,
        };
        for (position, statement) in chunk.statements.iter().enumerate() {
            let index = segments.statements.len() - 1;
            segments.note_uses(&statement.mentions, &ordinals, index);
            segments.note_returns(&statement.assigns, &ordinals, lessons, index);
            segments.statements[index].push(position);
            let is_made = keeps && !lessons.left_to_callers.contains(&position);
            let defines = statement.defines.iter();
            for Definition { name, mutable } in
                defines.filter(|known| is_made && !lessons.undefined.contains(&known.name))
            {
                let ordinal = ordinals.entry(name).or_default();
                *ordinal += 1;
                let binding = Binding {
                    name: name.clone(),
                    ordinal: *ordinal,
                };
                segments.bindings.push((binding.clone(), Some(index)));
                segments.exports[index].retain(|export| export.binding.name != *name);
                segments.returns[index].retain(|returned| returned.name != *name);
                segments.exports[index].push(Export {
                    binding,
                    mutable: *mutable,
                });
            }
            let next = chunk.statements.get(position + 1);
            let more = next.is_some() || chunk.last.is_some();
            // A constant is not worth a segment of its own if another `let` follows, unless that can borrow
            // the constant.
            let joins = lessons.joined.contains(&position)
                || statement.is_constant && next.is_some_and(|next| next.is_let && !next.captures);
            if more && !joins && !segments.exports[index].is_empty() && !whole {
                segments.statements.push(Vec::new());
                segments.exports.push(Vec::new());
                segments.returns.push(Vec::new());
            }
        }
        let index = segments.statements.len() - 1;
        if let Some(last) = &chunk.last {
            segments.note_uses(&last.mentions, &ordinals, index);
            segments.note_returns(&last.assigns, &ordinals, lessons, index);
        }
        segments
    }

    fn note_returns(
        &mut self,
        assigns: &BTreeSet<String>,
        ordinals: &BTreeMap<&str, usize>,
        lessons: &Lessons,
        index: usize,
    ) {
        for name in assigns {
            let binding = Binding {
                name: name.clone(),
                ordinal: ordinals.get(name.as_str()).copied().unwrap_or(0),
            };
            let own = self.exports[index]
                .iter()
                .any(|export| export.binding == binding);
            if lessons.returned.contains(&binding)
                && !own
                && !self.returns[index].contains(&binding)
            {
                self.returns[index].push(binding);
            }
        }
    }

    fn note_uses(
        &mut self,
        mentions: &BTreeSet<String>,
        ordinals: &BTreeMap<&str, usize>,
        index: usize,
    ) {
        for name in mentions {
            let ordinal = ordinals.get(name.as_str()).copied().unwrap_or(0);
            self.last_uses.insert(
                Binding {
                    name: name.clone(),
                    ordinal,
                },
                index,
            );
        }
    }

    /// What a segment hands on: what it defines, unless that ends with it, and what it took and gives
    /// back.
    pub(super) fn handed_on(&self, index: usize, lessons: &Lessons) -> Vec<Export> {
        let returns = self.returns[index].iter().map(|binding| Export {
            binding: binding.clone(),
            mutable: true,
        });
        let defined = self.exports[index]
            .iter()
            .filter(|export| !self.ends_within(index, &export.binding, lessons));
        defined.cloned().chain(returns).collect()
    }

    /// Whether a binding of segment `index` is not handed on: the segment is the last, and the binding
    /// ends with the cell.
    fn ends_within(&self, index: usize, binding: &Binding, lessons: &Lessons) -> bool {
        !self.whole && index + 1 == self.statements.len() && lessons.ends_with_cell(binding)
    }

    /// The bindings that end with segment `index`.
    pub(super) fn endings<'a>(
        &'a self,
        index: usize,
        lessons: &'a Lessons,
    ) -> impl DoubleEndedIterator<Item = &'a Binding> {
        self.exports[index]
            .iter()
            .map(|export| &export.binding)
            .filter(move |binding| self.ends_within(index, binding, lessons))
    }

    /// Whether a binding has ended with the last segment when segment `index` would begin.
    pub(super) fn ended_before(&self, index: usize, binding: &Binding, lessons: &Lessons) -> bool {
        let count = self.statements.len();
        index >= count && self.endings(count - 1, lessons).any(|end| end == binding)
    }

    /// The bindings that the cell defines and that are in scope at its end.
    pub(super) fn defined_at_end(&self) -> impl Iterator<Item = &Binding> {
        self.visible_after(self.statements.len())
            .filter(|binding| binding.ordinal > 0)
    }

    /// Whether segment `index` has taken a binding with it if it fails.
    pub(super) fn is_taken_by(&self, index: usize, binding: &Binding) -> bool {
        !self.whole
            && self
                .returns
                .get(index)
                .is_some_and(|returns| returns.contains(binding))
    }

    /// The segment that uses a binding last; a binding that is moved is moved there.
    pub(super) fn last_use(&self, binding: &Binding) -> usize {
        self.last_uses.get(binding).copied().unwrap_or(0)
    }

    /// The bindings that can be stored after segment `index` has failed, or has ended if it is all
    /// there is: of each name the last that is defined before.
    pub(super) fn visible_after(&self, index: usize) -> impl Iterator<Item = &Binding> {
        let is_before = move |segment: &Option<usize>| {
            segment.is_none_or(|segment| segment < index || self.whole && segment <= index)
        };
        self.bindings
            .iter()
            .enumerate()
            .filter_map(move |(position, (binding, segment))| {
                let is_last = !self.bindings[position + 1..]
                    .iter()
                    .any(|(later, segment)| later.name == binding.name && is_before(segment));
                (is_before(segment) && is_last).then_some(binding)
            })
    }
}
