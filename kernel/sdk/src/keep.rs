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

use candle_core::{Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use serde_json::Value;

use crate::{
    comm::Comm,
    display::DisplayHandle,
    nn,
    plugin::{
        Batch, Kind, Slot, Window,
        kinds::{Visitor, each},
    },
    widgets,
};

/// The most bytes of text and numbers that are cloned of one variable: some microseconds.
const MOST_BYTES: usize = 64 << 10;

type Clones = fn(&dyn Any) -> Option<Box<dyn Any>>;

static KNOWN: LazyLock<HashMap<TypeId, Clones>> = LazyLock::new(known);

/// A clone of a value, if it is known to be cheap. The clone shares what the value shares.
pub(crate) fn handle(value: &dyn Any) -> Option<Box<dyn Any>> {
    KNOWN.get(&value.type_id())?(value)
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

/// Adds the slots of a kind.
struct Slots<'a>(&'a mut HashMap<TypeId, Clones>);

impl Visitor for Slots<'_> {
    fn visit<K: ?Sized + Kind>(&mut self) {
        self.0.insert(TypeId::of::<Slot<K>>(), cloned::<Slot<K>>);
    }
}

fn known() -> HashMap<TypeId, Clones> {
    let mut known: HashMap<TypeId, Clones> = HashMap::new();
    macro_rules! shared {
        ($($shared:ty),* $(,)?) => {
            $(known.insert(TypeId::of::<$shared>(), cloned::<$shared>);)*
        };
    }
    macro_rules! small {
        ($($small:ty),* $(,)?) => {
            $(known.insert(TypeId::of::<$small>(), cloned_if_small::<$small>);)*
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
    known.insert(TypeId::of::<Value>(), json_if_small);
    shared!(
        Tensor,
        Var,
        Device,
        Option<Tensor>,
        Option<Var>,
        Vec<Tensor>,
        Vec<Var>,
        (Tensor, Tensor),
        (Tensor, Tensor, Tensor),
        Vec<(Tensor, Tensor)>,
        Vec<(String, Tensor)>,
        HashMap<String, Tensor>,
        BTreeMap<String, Tensor>,
        HashMap<String, Var>,
        BTreeMap<String, Var>,
        Batch,
        Vec<Batch>,
        Window,
        VarMap,
        VarBuilder<'static>,
    );
    shared!(
        candle_nn::BatchNorm,
        candle_nn::Conv1d,
        candle_nn::Conv2d,
        candle_nn::ConvTranspose1d,
        candle_nn::ConvTranspose2d,
        candle_nn::Embedding,
        candle_nn::GroupNorm,
        candle_nn::LayerNorm,
        candle_nn::Linear,
        candle_nn::PReLU,
        candle_nn::RmsNorm,
        candle_nn::LSTM,
        candle_nn::GRU,
        Vec<candle_nn::Linear>,
        Vec<candle_nn::Conv2d>,
        nn::BatchNorm,
        nn::Conv1d,
        nn::Conv2d,
        nn::ConvTranspose1d,
        nn::ConvTranspose2d,
        nn::PReLU,
        nn::LSTM,
        nn::GRU,
        Vec<nn::Conv2d>,
        nn::Adam,
        nn::AdamW,
        nn::SGD,
        nn::Ema,
        nn::Embedding,
        nn::FeedForward,
        nn::LayerNorm,
        nn::Linear,
        nn::MultiheadAttention,
        nn::PatchEmbedding,
        nn::RmsNorm,
        nn::TransformerEncoderLayer,
        Vec<nn::Linear>,
        Vec<nn::TransformerEncoderLayer>,
    );
    shared!(
        Comm,
        DisplayHandle,
        widgets::Button,
        widgets::Checkbox,
        widgets::Dropdown,
        widgets::ProgressBar,
        widgets::Slider,
    );
    each(&mut Slots(&mut known));
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

    #[test]
    fn a_kept_tensor_shares_its_memory() {
        let var = Var::from_vec(vec![1.0f32, 2.0], 2, &Device::Cpu).unwrap();
        let kept = handle(&var).unwrap().downcast::<Var>().unwrap();
        var.set(&Tensor::new(&[3.0f32, 4.0], &Device::Cpu).unwrap())
            .unwrap();
        assert_eq!(kept.to_vec1::<f32>().unwrap(), [3.0, 4.0]);
    }
}
