//! Handles to values that are cheap to clone, for variables that a cell takes with it when it is given up.
//!
//! Looked up by the value's type, so that programs need not know of it and compile no slower. `Arc` and `Rc` are not among them: a
//! second handle would show in `Arc::strong_count`, and `Arc::try_unwrap` would fail.

use std::{
    any::{Any, TypeId},
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    path::PathBuf,
    sync::LazyLock,
};

use serde_json::Value;

use crate::{comm::Comm, parts};

/// The most bytes of text and numbers that are cloned of one variable: some microseconds.
const MOST_BYTES: usize = 64 << 10;

type MakeClone = fn(&dyn Any) -> Option<Box<dyn Any>>;

/// The types of which a clone is cheap.
#[derive(Default)]
pub struct Clones(HashMap<TypeId, MakeClone>);

impl Clones {
    /// A clone of the type shares what the value has.
    pub fn shared<T: Clone + 'static>(&mut self) {
        self.0.insert(TypeId::of::<T>(), cloned::<T>);
    }

    /// A clone of the value, if one of its type is known to be cheap and this one is not too large.
    pub fn of(&self, value: &dyn Any) -> Option<Box<dyn Any>> {
        self.0.get(&value.type_id())?(value)
    }

    fn small<T: Clone + Outside + 'static>(&mut self) {
        self.0.insert(TypeId::of::<T>(), cloned_if_small::<T>);
    }
}

/// Calls [`Clones::shared`] for each of the types.
#[macro_export]
macro_rules! shared_clones {
    ($clones:expr; $($shared:ty),* $(,)?) => {
        $($clones.shared::<$shared>();)*
    };
}

static KNOWN: LazyLock<Clones> = LazyLock::new(known);

/// A clone of a value, if it is known to be cheap. The clone shares what the value shares.
pub fn handle(value: &dyn Any) -> Option<Box<dyn Any>> {
    KNOWN.of(value)
}

/// A value whose bytes outside of itself can be told.
trait Outside {
    fn outside(&self) -> usize;
}

macro_rules! plain {
    ($($known:ty),* $(,)?) => {$(
        impl Outside for $known {
            fn outside(&self) -> usize {
                0
            }
        }
    )*};
}

plain!(
    bool, char, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);

impl Outside for String {
    fn outside(&self) -> usize {
        self.len()
    }
}

impl Outside for PathBuf {
    fn outside(&self) -> usize {
        self.as_os_str().len()
    }
}

impl<T: Outside> Outside for Option<T> {
    fn outside(&self) -> usize {
        self.as_ref().map_or(0, Outside::outside)
    }
}

impl<A: Outside, B: Outside> Outside for (A, B) {
    fn outside(&self) -> usize {
        self.0.outside() + self.1.outside()
    }
}

/// Bytes of the elements of a collection. What is too large is not walked to its end.
fn elements<'a, T: Outside + 'a>(count: usize, values: impl Iterator<Item = &'a T>) -> usize {
    let own = count.saturating_mul(size_of::<T>());
    if own > MOST_BYTES {
        return own;
    }
    own + values.map(Outside::outside).sum::<usize>()
}

macro_rules! collections {
    ($($collection:ident),* $(,)?) => {$(
        impl<T: Outside> Outside for $collection<T> {
            fn outside(&self) -> usize {
                elements(self.len(), self.iter())
            }
        }
    )*};
}

collections!(Vec, VecDeque, HashSet, BTreeSet);

impl<T: Outside> Outside for Box<[T]> {
    fn outside(&self) -> usize {
        elements(self.len(), self.iter())
    }
}

macro_rules! maps {
    ($($map:ident),* $(,)?) => {$(
        impl<K: Outside, V: Outside> Outside for $map<K, V> {
            fn outside(&self) -> usize {
                elements(self.len(), self.keys()) + elements(self.len(), self.values())
            }
        }
    )*};
}

maps!(HashMap, BTreeMap);

fn cloned<T: Clone + 'static>(value: &dyn Any) -> Option<Box<dyn Any>> {
    let value: &T = value.downcast_ref()?;
    Some(Box::new(value.clone()))
}

fn cloned_if_small<T: Clone + Outside + 'static>(value: &dyn Any) -> Option<Box<dyn Any>> {
    let value: &T = value.downcast_ref()?;
    (value.outside() <= MOST_BYTES).then(|| Box::new(value.clone()) as Box<dyn Any>)
}

/// JSON is written where it stands in a cell, and is small; what was read from a file may not be.
fn json_if_small(value: &dyn Any) -> Option<Box<dyn Any>> {
    fn spend(value: &Value, left: &mut usize) -> bool {
        let own = match value {
            Value::String(text) => text.len(),
            _ => 0,
        };
        let Some(rest) = left.checked_sub(own + size_of::<Value>()) else {
            return false;
        };
        *left = rest;
        match value {
            Value::Array(values) => values.iter().all(|value| spend(value, left)),
            Value::Object(values) => values.values().all(|value| spend(value, left)),
            _ => true,
        }
    }
    let value: &Value = value.downcast_ref()?;
    spend(value, &mut MOST_BYTES.clone()).then(|| Box::new(value.clone()) as Box<dyn Any>)
}

fn known() -> Clones {
    let mut known = Clones::default();
    macro_rules! small {
        ($($small:ty),* $(,)?) => {
            $(known.small::<$small>();)*
        };
    }
    macro_rules! of_numbers {
        ($($number:ty),* $(,)?) => {$(
            small!(
                Vec<$number>,
                Vec<Vec<$number>>,
                VecDeque<$number>,
                Box<[$number]>,
                Vec<($number, $number)>,
                Vec<(String, $number)>,
                HashMap<String, $number>,
                BTreeMap<String, $number>,
                HashMap<$number, $number>,
                BTreeMap<$number, $number>,
            );
        )*};
    }
    of_numbers!(
        bool, char, f32, f64, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize
    );
    small!(
        String,
        PathBuf,
        Option<String>,
        Vec<String>,
        Vec<Vec<String>>,
        (String, String),
        Vec<(String, String)>,
        HashSet<String>,
        BTreeSet<String>,
        HashSet<i32>,
        HashSet<u32>,
        HashSet<usize>,
        BTreeSet<i32>,
        BTreeSet<u32>,
        BTreeSet<usize>,
        HashMap<String, String>,
        BTreeMap<String, String>,
        HashMap<String, Vec<f64>>,
        BTreeMap<String, Vec<f64>>,
        HashMap<String, Vec<String>>,
        BTreeMap<String, Vec<String>>,
        HashMap<i32, String>,
        HashMap<u32, String>,
        HashMap<usize, String>,
        BTreeMap<usize, String>,
    );
    known.0.insert(TypeId::of::<Value>(), json_if_small);
    known.shared::<Comm>();
    for clones in parts::all().filter_map(|part| part.clones) {
        clones(&mut known);
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_are_cloned_and_others_are_not() {
        let kept = handle(&vec![1.0f64, 2.0]).unwrap();
        assert_eq!(*kept.downcast::<Vec<f64>>().unwrap(), [1.0, 2.0]);
        assert!(handle(&vec![0.0f64; MOST_BYTES]).is_none());
        assert!(handle(&vec!["x".repeat(MOST_BYTES); 2]).is_none());
        struct Own(#[expect(dead_code)] String);
        assert!(handle(&Own(String::new())).is_none());
        let small = serde_json::json!({ "a": [1, 2, { "b": "c" }] });
        assert_eq!(*handle(&small).unwrap().downcast::<Value>().unwrap(), small);
        assert!(handle(&Value::from(vec![1; MOST_BYTES])).is_none());
    }
}
