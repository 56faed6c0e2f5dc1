//! What stands in front of the names of a file: wrappers of parallel and compiled training, the attribute that a training
//! program keeps its network in, and the prefix that is asked for.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Result, bail};
use patchbay_weights::{Tensor, Tensors};

use super::{KeyMap, LoadOptions, Report, State, key_map};
use patchbay_plugin::NamedVar;

/// Parts of names that wrappers add, wherever they stand: `torch.compile`, FSDP, activation checkpoints.
const WRAPPERS: [&str; 3] = [
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
];

/// What averages of weights count, beside the weights.
const COUNTERS: [&str; 7] = [
    "decay",
    "num_updates",
    "updates",
    "n_averaged",
    "initted",
    "step",
    "steps",
];

/// How many prefixes of a file are tried for a hint.
const MOST_PREFIXES: usize = 40;

/// Takes off the names what is asked for, or what all share where the rest fits better. The report says what was taken off.
pub(super) fn without_prefix(
    tensors: Tensors,
    variables: &[NamedVar],
    options: &LoadOptions,
    report: &mut Report,
) -> Result<Tensors> {
    if !options.prefix.is_empty() {
        return asked_for(tensors, &options.prefix);
    }
    let tensors = without_wrappers(tensors, report);
    let is_counter = |name: &str, tensor: &Tensor| {
        COUNTERS.contains(&name) && tensor.shape.iter().product::<usize>() <= 1
    };
    let shared = {
        let names = tensors
            .iter()
            .filter(|(name, tensor)| !is_counter(name, tensor))
            .map(|(name, _)| name.as_str());
        shared_parts(names)
    };
    // Not at all, without the first part, without the first two, ...
    let shapes = shapes_of(&tensors);
    let best = (0..=shared.len())
        .map(|parts| {
            let prefix: String = shared[..parts]
                .iter()
                .map(|part| part.clone() + ".")
                .collect();
            (
                places(&stripped(shapes.clone(), &prefix), variables, options.keys),
                prefix,
            )
        })
        .max_by_key(|(places, prefix)| (*places, std::cmp::Reverse(prefix.len())));
    let Some((_, prefix)) = best.filter(|(_, prefix)| !prefix.is_empty()) else {
        return Ok(tensors);
    };
    let mut rest = Tensors::new();
    for (name, tensor) in tensors {
        match name.strip_prefix(&prefix) {
            Some(name) => drop(rest.insert(name.to_owned(), tensor)),
            None => report.push(State::LeftOut, name, "a counter beside the average"),
        }
    }
    report.notes.push(format!(
        "all names begin with `{prefix}`, which was taken off"
    ));
    Ok(rest)
}

fn asked_for(tensors: Tensors, prefix: &str) -> Result<Tensors> {
    let some: Vec<String> = tensors.keys().take(6).cloned().collect();
    let begins =
        |tensors: &Tensors, prefix: &str| tensors.keys().any(|name| name.starts_with(prefix));
    // The wrappers are in what is asked for, or are not.
    if begins(&tensors, prefix) {
        let tensors = stripped(tensors, prefix);
        return Ok(without_wrappers(tensors, &mut Report::default()));
    }
    let tensors = without_wrappers(tensors, &mut Report::default());
    for front in ["", "module."] {
        let prefix = format!("{front}{prefix}");
        if begins(&tensors, &prefix) {
            return Ok(stripped(tensors, &prefix));
        }
    }
    bail!(
        "no key begins with {prefix:?}; the first are {}",
        some.join(", ")
    )
}

/// The names without the parts that wrappers have added; as they are where two names would become one.
fn without_wrappers(tensors: Tensors, report: &mut Report) -> Tensors {
    let is_wrapper = |part: &&str| WRAPPERS.contains(part);
    let used: BTreeSet<String> = tensors
        .keys()
        .flat_map(|name| name.split('.'))
        .filter(is_wrapper)
        .map(|part| format!("`{part}.`"))
        .collect();
    let plain = |name: &str| {
        let parts: Vec<&str> = name.split('.').filter(|part| !is_wrapper(part)).collect();
        parts.join(".")
    };
    let names: BTreeSet<String> = tensors.keys().map(|name| plain(name)).collect();
    if used.is_empty() || names.len() < tensors.len() {
        return tensors;
    }
    let used: Vec<String> = used.into_iter().collect();
    report.notes.push(format!(
        "{} of the names was taken off: a wrapper's",
        used.join(" and ")
    ));
    tensors
        .into_iter()
        .map(|(name, tensor)| (plain(&name), tensor))
        .collect()
}

/// The parts, up to the dots, that all names begin with.
fn shared_parts<'n>(mut names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let front = |name: &'n str| -> Vec<&'n str> {
        let mut parts: Vec<&str> = name.split('.').collect();
        parts.pop();
        parts
    };
    let mut shared = names.next().map(front).unwrap_or_default();
    for name in names {
        let same = shared
            .iter()
            .zip(front(name))
            .take_while(|(a, b)| **a == *b)
            .count();
        shared.truncate(same);
    }
    shared.into_iter().map(str::to_owned).collect()
}

/// The names that begin with `prefix`, without it.
fn stripped(tensors: Tensors, prefix: &str) -> Tensors {
    tensors
        .into_iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor)))
        .collect()
}

/// The names and shapes alone: what tells where tensors belong.
pub(super) fn shapes_of(tensors: &Tensors) -> Tensors {
    let shape = |tensor: &Tensor| Tensor {
        shape: tensor.shape.clone(),
        values: Vec::new(),
    };
    tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), shape(tensor)))
        .collect()
}

/// How many tensors of the component these names have something for.
fn places(shapes: &Tensors, variables: &[NamedVar], keys: Option<KeyMap>) -> usize {
    let recognized = || KeyMap::recognize_for(shapes, variables);
    keys.or_else(recognized)
        .map_or(0, |keys| score(shapes, variables, keys).0)
}

/// The same with the names of one program, and how many names have no place.
fn score(shapes: &Tensors, variables: &[NamedVar], keys: KeyMap) -> (usize, usize) {
    let found = key_map::rename(shapes.clone(), keys, &mut Report::default());
    let matched = variables
        .iter()
        .filter(|named| found.contains_key(&named.name))
        .count();
    (matched, found.len() - matched)
}

/// What to write instead of the present options, where another prefix or program's names fit better; empty where none does.
///
/// Of the tensors only names and shapes count ([`shapes_of`]).
pub(super) fn hint(shapes: &Tensors, variables: &[NamedVar], options: &LoadOptions) -> String {
    let wanted = variables
        .iter()
        .filter(|named| !named.var.dtype().is_int())
        .count();
    let shapes = without_wrappers(shapes.clone(), &mut Report::default());
    let present = asked_for(shapes.clone(), &options.prefix)
        .map_or(0, |shapes| places(&shapes, variables, options.keys));
    let mut prefixes: BTreeMap<&str, usize> = BTreeMap::new();
    for name in shapes.keys() {
        for (at, _) in name.match_indices('.').take(4) {
            *prefixes.entry(&name[..=at]).or_default() += 1;
        }
    }
    let mut prefixes: Vec<(usize, &str)> = prefixes
        .into_iter()
        .map(|(prefix, count)| (count, prefix))
        .collect();
    prefixes.sort_by_key(|&(count, prefix)| (std::cmp::Reverse(count), prefix.len()));
    prefixes.truncate(MOST_PREFIXES);
    prefixes.push((0, ""));
    let mut best = Vec::new();
    for (_, prefix) in prefixes {
        let shapes = stripped(shapes.clone(), prefix);
        let recognized = KeyMap::recognize_for(&shapes, variables);
        let mut keys: Vec<KeyMap> = options.keys.into_iter().chain(recognized).collect();
        keys.extend(KeyMap::ALL);
        // Of programs that fit equally the first: the one that was asked for, or that was recognized.
        let fits = keys.into_iter().map(|keys| {
            let (matched, unexpected) = score(&shapes, variables, keys);
            ((matched, std::cmp::Reverse(unexpected)), prefix, keys)
        });
        let first = fits.reduce(|a, b| if b.0 > a.0 { b } else { a });
        best.extend(first.filter(|fit| fit.0.0 > present));
    }
    let most = best.iter().map(|fit| fit.0.0).max().unwrap_or(0);
    best.retain(|fit| fit.0.0 == most);
    best.sort_by_key(|fit| (std::cmp::Reverse(fit.0), fit.1.len()));
    // A prefix and a longer one inside of it may both do; the one with fewer names left over is first.
    let written: Vec<String> = best
        .iter()
        .take(3)
        .map(|(_, prefix, keys)| {
            let prefix = match prefix.is_empty() {
                true => String::new(),
                false => format!(".prefix({prefix:?})"),
            };
            format!("LoadOptions::new(KeyMap::{keys:?}){prefix}")
        })
        .collect();
    match written.is_empty() {
        true => String::new(),
        false => format!(
            "With {} the file has something for {most} of the {wanted} tensors",
            written.join(" or ")
        ),
    }
}
