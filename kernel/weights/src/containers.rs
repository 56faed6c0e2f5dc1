//! Where in a checkpoint the weights are: training programs keep them in dictionaries of many names, beside optimizers,
//! averages and other networks, or pickle the whole network.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::{
    checkpoint::Source,
    pickle::{Id, Pickle, Value},
    torch::{is_float_tensor, rebuilt},
};

/// The usual names of a network's state dict, the ones to prefer first. Of self-distillation the teacher, which is what DINO
/// publishes.
const KNOWN: [&str; 14] = [
    "state_dict",
    "model",
    "model_state_dict",
    "model_state",
    "model_weights",
    "params",
    "module",
    "network",
    "net",
    "weights",
    "checkpoint",
    "backbone",
    "teacher",
    "student",
];

/// With what the names of a checkpoint's other parts begin: their tensors are no weights.
const OTHERS: [&str; 12] = [
    "opt",
    "sched",
    "lr_",
    "scaler",
    "callback",
    "loop",
    "hparam",
    "hyper_param",
    "args",
    "config",
    "rng",
    "random",
];

/// Dictionaries in dictionaries: no training program goes as deep.
const DEEPEST: usize = 8;

/// The longest name of a tensor in bytes. Names may be used again in the file, and are copied here.
pub const LONGEST_NAME: usize = 1 << 12;

/// A place in the file that has tensors with names.
pub struct Candidate {
    /// The names that lead there, joined by dots; empty for the top.
    pub path: String,
    /// Whether the values are a moving average of the weights.
    pub is_average: bool,
    pub source: Source,
    id: Id,
    /// How many float tensors it has that are no lone numbers, as counters and rates are.
    pub count: usize,
    /// The kind of place, and how well its names are known.
    rank: (Group, Vec<usize>),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Average,
    Known,
    Top,
    Unknown,
}

/// Whether a name says that the values are a moving average.
fn says_average(name: &str) -> bool {
    name.to_ascii_lowercase()
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .any(|word| {
            matches!(
                word,
                "ema" | "shadow" | "swa" | "avg" | "averaged" | "modelema"
            )
        })
}

fn is_other(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    OTHERS.iter().any(|other| name.starts_with(other))
}

fn known(name: &str) -> usize {
    let place = KNOWN.iter().position(|known| *known == name);
    let by_word = || {
        KNOWN.iter().position(|known| {
            matches!(*known, "teacher" | "student") && name.split('_').any(|word| word == *known)
        })
    };
    place.or_else(by_word).unwrap_or(KNOWN.len())
}

fn rank(path: &[&str]) -> (Group, Vec<usize>) {
    let ranks: Vec<usize> = path.iter().map(|name| known(name)).collect();
    let group = match () {
        () if path.is_empty() => Group::Top,
        () if path.iter().any(|name| says_average(name)) => Group::Average,
        () if ranks.iter().any(|&rank| rank < KNOWN.len()) => Group::Known,
        () => Group::Unknown,
    };
    (group, ranks)
}

/// Places with tensors that are looked at, and the longest name that leads to one: many times what any program writes.
const MOST_PLACES: usize = 256;
const LONGEST_STEP: usize = 200;

/// Bytes of all names of a network's tensors. They are made of the names of its parts, which may be used again.
const MOST_NAMES: usize = 64 << 20;

/// All places with tensors, the one to prefer first, and the first place whose averages have no names.
pub fn candidates(pickle: &Pickle) -> (Vec<Candidate>, Option<String>) {
    let (mut found, mut unnamed) = (Vec::new(), None);
    let mut seen = HashSet::from([pickle.root]);
    let mut waiting = VecDeque::from([(pickle.root, Vec::<&str>::new())]);
    while let Some((id, path)) = waiting.pop_front() {
        let mut add = |source, count| {
            let rank = rank(&path);
            found.push(Candidate {
                path: path.join("."),
                is_average: rank.0 == Group::Average,
                source,
                id,
                count,
                rank,
            });
        };
        let inner: Vec<(&str, Id)> = match pickle.get(id) {
            Value::Dict(pairs) => {
                let tensors: Vec<Id> = pairs
                    .iter()
                    .filter(|(key, _)| pickle.text(*key).is_some())
                    .map(|&(_, value)| value)
                    .filter(|&value| is_float_tensor(pickle, value))
                    .collect();
                if !tensors.is_empty() {
                    add(Source::Dict, count(pickle, tensors.into_iter()));
                }
                pairs
                    .iter()
                    .filter_map(|&(key, value)| Some((pickle.text(key)?, value)))
                    .collect()
            }
            Value::List(members) | Value::Tuple(members) => {
                if path.iter().any(|name| says_average(name))
                    && members
                        .iter()
                        .any(|&member| is_float_tensor(pickle, member))
                {
                    unnamed.get_or_insert_with(|| path.join("."));
                }
                members
                    .iter()
                    .take(NUMBERS.len())
                    .zip(NUMBERS)
                    .map(|(&member, number)| (number, member))
                    .collect()
            }
            Value::Call(..) => {
                if let Some(source) = network(pickle, id)
                    && let Ok(members) = members_of_network(pickle, id)
                    && !members.is_empty()
                {
                    add(source, count(pickle, members.into_values()));
                }
                continue;
            }
            _ => continue,
        };
        if path.len() == DEEPEST || found.len() >= MOST_PLACES {
            continue;
        }
        let mut inner: Vec<(&str, Id)> = inner
            .into_iter()
            .filter(|&(name, value)| {
                let has_members = match pickle.get(value) {
                    Value::Dict(_) | Value::List(_) | Value::Tuple(_) => true,
                    Value::Call(..) => pickle.states.contains_key(&value),
                    _ => false,
                };
                has_members && name.len() <= LONGEST_STEP && !is_other(name)
            })
            .collect();
        // A dictionary in two places is known by the better name.
        inner.sort_by_key(|(name, _)| rank(&[*name]));
        for (name, value) in inner {
            if seen.insert(value) {
                let mut path = path.clone();
                path.push(name);
                waiting.push_back((value, path));
            }
        }
    }
    found.sort_by_cached_key(|candidate| (candidate.count == 0, candidate.rank.clone()));
    (found, unnamed)
}

/// How many of these tensors have dimensions.
fn count(pickle: &Pickle, tensors: impl Iterator<Item = Id>) -> usize {
    tensors
        .filter(|&tensor| {
            let shape = rebuilt(pickle, tensor).and_then(|[_, _, shape, _]| pickle.tuple(shape));
            shape.is_some_and(|shape| !shape.is_empty())
        })
        .count()
}

/// Members of a list, by number; `torch.save((weights, optimizer))` for instance.
const NUMBERS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// The place to read: the one that is asked for, or the first.
///
/// # Errors
///
/// Says what there is where that has no such place, or where none is better than others.
pub fn choose<'c>(
    candidates: &'c [Candidate],
    asked_for: Option<&str>,
) -> Result<&'c Candidate, String> {
    let list = |candidates: &[&Candidate]| {
        let names: Vec<String> = candidates
            .iter()
            .take(8)
            .map(|candidate| match candidate.path.as_str() {
                "" => "\"\" (the top)".to_owned(),
                path => format!("{path:?}"),
            })
            .collect();
        names.join(", ")
    };
    if let Some(asked_for) = asked_for {
        let inside = format!("{asked_for}.");
        let exact = candidates
            .iter()
            .find(|candidate| candidate.path == asked_for);
        let within = || {
            candidates
                .iter()
                .find(|candidate| candidate.path.starts_with(&inside))
        };
        return exact.or_else(within).ok_or_else(|| {
            let all: Vec<&Candidate> = candidates.iter().collect();
            format!(
                "there are no float tensors under {asked_for:?}; the containers that have some are {}",
                list(&all)
            )
        });
    }
    let first = candidates
        .first()
        .ok_or("no dictionary has float tensors")?;
    if matches!(first.rank.0, Group::Average | Group::Known) {
        return Ok(first);
    }
    // No known name: what has the most tensors, unless there is something to choose.
    let most = |group: Group| {
        candidates
            .iter()
            .filter(move |candidate| candidate.rank.0 == group)
            .max_by_key(|candidate| candidate.count)
    };
    match (most(Group::Top), most(Group::Unknown)) {
        (Some(top), Some(unknown)) if top.count >= unknown.count => Ok(top),
        (Some(top), None) => Ok(top),
        (_, Some(_)) => {
            let unknown: Vec<&Candidate> = candidates
                .iter()
                .filter(|candidate| candidate.rank.0 == Group::Unknown)
                .collect();
            match unknown[..] {
                [only] => Ok(only),
                _ => Err(format!(
                    "several dictionaries of tensors, none under a usual name: choose the container, one of {}",
                    list(&unknown)
                )),
            }
        }
        (None, None) => Ok(first),
    }
}

/// The tensors of a place, by name.
///
/// # Errors
///
/// Fails for a network of endless parts, and for names that are too long.
pub fn members(pickle: &Pickle, candidate: &Candidate) -> Result<BTreeMap<String, Id>, String> {
    let Value::Dict(pairs) = pickle.get(candidate.id) else {
        return members_of_network(pickle, candidate.id);
    };
    // Of a name that was set twice the last value counts, as in Python.
    let last: BTreeMap<&str, Id> = pairs
        .iter()
        .filter_map(|&(key, value)| Some((pickle.text(key)?, value)))
        .collect();
    last.into_iter()
        .filter(|&(_, value)| is_float_tensor(pickle, value))
        .map(|(name, value)| Ok((bounded(name.to_owned())?, value)))
        .collect()
}

fn bounded(name: String) -> Result<String, String> {
    if name.len() > LONGEST_NAME {
        return Err(format!(
            "a tensor's name of {} bytes; at most {LONGEST_NAME} are read: {}…",
            name.len(),
            beginning(&name)
        ));
    }
    Ok(name)
}

/// As much of a text as fits into an error.
pub fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(200)]
}

/// Whether an object is a network, by its class and its state.
fn network(pickle: &Pickle, id: Id) -> Option<Source> {
    let state = state(pickle, id)?;
    if class(pickle, id)?.starts_with("__torch__") {
        return Some(Source::Script);
    }
    ["_parameters", "_modules"]
        .iter()
        .all(|part| entry(pickle, state, part).is_some())
        .then_some(Source::Network)
}

/// `module name` of an object's class.
pub fn class(pickle: &Pickle, id: Id) -> Option<&str> {
    match pickle.get(id) {
        Value::Call(called, _) => match pickle.get(*called) {
            Value::Global(name) => Some(name),
            // In the old format: ("module", class, file, text).
            Value::Persistent(description) => match pickle.tuple(*description)? {
                &[_, class, ..] => match pickle.get(class) {
                    Value::Global(name) => Some(name),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The attributes of an object.
fn state(pickle: &Pickle, id: Id) -> Option<&[(Id, Id)]> {
    match pickle.get(*pickle.states.get(&id)?) {
        Value::Dict(pairs) => Some(pairs),
        _ => None,
    }
}

fn entry(pickle: &Pickle, pairs: &[(Id, Id)], name: &str) -> Option<Id> {
    let named = pairs
        .iter()
        .rfind(|(key, _)| pickle.text(*key) == Some(name));
    named.map(|&(_, value)| value)
}

const ENDLESS: &str = "a network whose parts contain each other without end";

/// The float tensors of a network under the names that its state dict has: of a pickled one its parameters, buffers and those
/// of its parts; of TorchScript the attributes that are tensors.
fn members_of_network(pickle: &Pickle, network_id: Id) -> Result<BTreeMap<String, Id>, String> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![(String::new(), network_id)];
    // A part may be in several others, and in a hostile file so often that its paths never end.
    let mut left = MOST_NAMES.min(64 * pickle.values.len());
    while let Some((front, id)) = waiting.pop() {
        let pairs = state(pickle, id).unwrap_or_default();
        left = left.checked_sub(pairs.len()).ok_or(ENDLESS)?;
        let Some(source) = network(pickle, id) else {
            continue;
        };
        let dict = |name: &str| match entry(pickle, pairs, name).map(|id| pickle.get(id)) {
            Some(Value::Dict(pairs)) => pairs.as_slice(),
            _ => &[],
        };
        let hidden = match source {
            Source::Script => Vec::new(),
            _ => texts(pickle, entry(pickle, pairs, "_non_persistent_buffers_set")),
        };
        let groups: Vec<&[(Id, Id)]> = match source {
            Source::Script => vec![pairs],
            _ => vec![dict("_parameters"), dict("_buffers"), dict("_modules")],
        };
        let looked_at = groups.iter().map(|group| group.len()).sum();
        left = left.checked_sub(looked_at).ok_or(ENDLESS)?;
        for &(key, value) in groups.into_iter().flatten() {
            let Some(name) = pickle.text(key) else {
                continue;
            };
            let is_tensor = is_float_tensor(pickle, value);
            if !is_tensor && !matches!(pickle.get(value), Value::Call(..)) {
                continue;
            }
            let is_hidden = hidden.contains(&name);
            let name = bounded(format!("{front}{name}"))?;
            left = left.checked_sub(name.len()).ok_or(ENDLESS)?;
            match is_tensor {
                true if is_hidden => {}
                true => drop(all.insert(name, value)),
                false => waiting.push((format!("{name}."), value)),
            }
        }
    }
    Ok(all)
}

/// The texts of a set, which is a call with a list.
fn texts(pickle: &Pickle, set: Option<Id>) -> Vec<&str> {
    let list = set.and_then(|set| match pickle.get(set) {
        Value::Call(_, arguments) => pickle.tuple(*arguments)?.first().copied(),
        Value::List(_) => Some(set),
        _ => None,
    });
    match list.map(|list| pickle.get(list)) {
        Some(Value::List(members)) => members
            .iter()
            .filter_map(|&member| pickle.text(member))
            .collect(),
        _ => Vec::new(),
    }
}
