//! Generic functions that cells use, compiled once.
//!
//! A generic function is compiled by the crate that uses it: `tensor.maximum(0.0)` alone brings
//! candle's loops for every number type, which is seconds of compile time in a cell. But a crate of
//! optimization level "s" hands the instances that it has compiled to those that link it, and
//! cells ask for them (`-Zshare-generics`). So the functions here, which nobody calls, use what cells
//! use, with the types that cells use. A cell that finds its instance here only calls it.
//!
//! To see what a cell still compiles by itself: `%timing on`, then `nm -CS --size-sort` on its library.

// The roundabout forms are those that people type.
#![allow(
    clippy::useless_vec,
    clippy::cloned_ref_to_slice_refs,
    clippy::print_literal
)]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Debug,
};

use crate::nn::{self, Module, Optimizer, VarBuilder, VarMap};
use candle_core::{
    D, DType, Device, Error, IndexOp, Shape, Tensor, Var, WithDType,
    backprop::GradStore,
    shape::{Dim, ShapeWithOneHole},
};
use serde_json::{Map, Value, json};

use patchbay_tensor::Axis;

use crate::{
    Result, TensorMethods,
    cell::{Cell, CellError},
    live::LivePlot,
    ops,
    plugin::{
        self, Kind, Slot, Tried,
        kinds::{Visitor, each},
    },
    progress::progress,
    show::{self, Show},
    torch,
};

/// Reductions and selections along a dimension.
fn along<I: Dim + Copy>(x: &Tensor, index: &Tensor, dim: I) -> Result<Vec<Tensor>> {
    Ok(vec![
        x.sum(dim)?,
        x.sum_keepdim(dim)?,
        x.mean(dim)?,
        x.mean_keepdim(dim)?,
        x.max(dim)?,
        x.max_keepdim(dim)?,
        x.min(dim)?,
        x.min_keepdim(dim)?,
        x.argmax(dim)?,
        x.argmax_keepdim(dim)?,
        x.argmin(dim)?,
        x.argmin_keepdim(dim)?,
        x.var(dim)?,
        x.var_keepdim(dim)?,
        x.log_sum_exp(dim)?,
        x.cumsum(dim)?,
        x.narrow(dim, 0, 1)?,
        x.squeeze(dim)?,
        x.unsqueeze(dim)?,
        x.flatten(dim, dim)?,
        x.flatten_from(dim)?,
        x.flatten_to(dim)?,
        x.transpose(dim, dim)?,
        x.gather(index, dim)?,
        x.index_select(index, dim)?,
        x.index_add(index, x, dim)?,
        x.scatter_add(index, x, dim)?,
        Tensor::cat(&[x, x], dim)?,
        Tensor::cat(&[x.clone()], dim)?,
        Tensor::cat(&vec![x.clone()], dim)?,
        Tensor::stack(&[x, x], dim)?,
        Tensor::stack(&[x.clone()], dim)?,
        Tensor::stack(&vec![x.clone()], dim)?,
        ops::sum(x, dim)?,
        ops::sum_keepdim(x, dim)?,
        ops::mean(x, dim)?,
        ops::mean_keepdim(x, dim)?,
        ops::var(x, dim)?,
        ops::var_keepdim(x, dim)?,
        nn::ops::softmax(x, dim)?,
        nn::ops::log_softmax(x, dim)?,
        x.chunk(x.dim(dim)?, dim)?.swap_remove(0),
    ])
}

/// What [`TensorMethods`] adds along a dimension.
fn by_axis<A: Axis>(x: &Tensor, dim: A) -> Result<Vec<Tensor>> {
    x.size(dim)?;
    Ok(vec![
        x.softmax(dim)?,
        x.log_softmax(dim)?,
        x.logsumexp(dim)?,
        x.std(dim)?,
        x.std_keepdim(dim)?,
        x.prod(dim)?,
        x.cumprod(dim)?,
        x.norm_dim(dim)?,
        x.median(dim)?,
        x.argsort(dim, true)?,
        x.sort(dim, true)?.0,
        x.topk(1, dim)?.0,
        x.select(dim, 0i32)?,
        x.split(1, dim)?.swap_remove(0),
        x.unbind(dim)?.swap_remove(0),
        x.repeat_interleave(1, dim)?,
        torch::cat(&[x, x], dim)?,
        torch::stack(&[x, x], dim)?,
    ])
}

/// What [`TensorMethods`] adds without one.
pub fn torch_methods(x: &Tensor, mask: &Tensor) -> Result<Vec<Tensor>> {
    x.item()?;
    x.to_vec::<f32>()?;
    x.to_vec::<f64>()?;
    x.to_vec::<i64>()?;
    x.to_vec::<u32>()?;
    x.allclose(mask)?;
    x.any()?;
    Ok(vec![
        by_axis(x, 0i32)?.swap_remove(0),
        by_axis(x, D::Minus1)?.swap_remove(0),
        x.to(DType::F32)?,
        x.to(x.device())?,
        x.float()?,
        x.long()?,
        x.view(-1i32)?,
        x.view((-1i32, 1i32))?,
        x.view((1usize, -1i32))?,
        x.sigmoid()?,
        x.std_all()?,
        x.one_hot(2)?,
        x.clip(0.0, 1.0)?,
        x.masked_fill(mask, 0.0)?,
        x.where_(mask, x)?,
        x.masked_select(mask)?,
        x.mm(x)?,
        x.bmm(x)?,
        torch::arange(0i32, 1i32)?,
        torch::linspace(0.0, 1.0, 2)?,
        torch::tensor([0f64])?,
        torch::eye(1)?,
    ])
}

pub fn dimensions(x: &Tensor, index: &Tensor) -> Result<Vec<Vec<Tensor>>> {
    Ok(vec![
        along(x, index, 0usize)?,
        along(x, index, D::Minus1)?,
        vec![
            x.sum_all()?,
            ops::sum(x, (0, 1))?,
            ops::mean(x, (0, 1))?,
            x.sum((0, 1))?,
            x.mean((0, 1))?,
            x.sum_keepdim((0, 1))?,
            x.mean_keepdim((0, 1))?,
            x.mean((D::Minus2, D::Minus1))?,
            x.transpose(D::Minus2, D::Minus1)?,
            x.flatten_from(D::Minus2)?,
            x.permute((1, 0))?,
            x.permute((0, 2, 1))?,
            x.permute((0, 2, 1, 3))?,
            x.permute((0, 2, 3, 1))?,
            x.permute((0, 3, 1, 2))?,
        ],
    ])
}

/// What takes a shape.
fn of_shape<S: Into<Shape> + ShapeWithOneHole + Clone>(
    x: &Tensor,
    shape: S,
) -> Result<Vec<Tensor>> {
    let device = x.device();
    Ok(vec![
        x.reshape(shape.clone())?,
        x.expand(shape.clone())?,
        x.broadcast_as(shape.clone())?,
        torch::zeros(shape.clone())?,
        torch::ones(shape.clone())?,
        torch::randn(shape.clone())?,
        torch::rand(shape.clone())?,
        torch::full(shape.clone(), 0f64)?,
        Tensor::zeros(shape.clone(), DType::F32, device)?,
        Tensor::ones(shape.clone(), DType::F32, device)?,
        Tensor::full(0f32, shape.clone(), device)?,
        Tensor::full(0f64, shape.clone(), device)?,
        Tensor::full(0u32, shape.clone(), device)?,
        Tensor::randn(0f32, 1f32, shape.clone(), device)?,
        Tensor::randn(0f64, 1f64, shape.clone(), device)?,
        Tensor::rand(0f32, 1f32, shape.clone(), device)?,
        Tensor::rand(0f64, 1f64, shape.clone(), device)?,
        Var::zeros(shape.clone(), DType::F32, device)?.as_detached_tensor(),
        Var::ones(shape.clone(), DType::F32, device)?.as_detached_tensor(),
        Var::randn(0f32, 1f32, shape.clone(), device)?.as_detached_tensor(),
        Var::rand(0f32, 1f32, shape, device)?.as_detached_tensor(),
    ])
}

/// What takes a shape and values.
fn of_values<S: Into<Shape> + ShapeWithOneHole + Clone, T: WithDType>(
    values: &[T],
    shape: S,
    device: &Device,
) -> Result<Vec<Tensor>> {
    Ok(vec![
        Tensor::from_vec(values.to_vec(), shape.clone(), device)?,
        Tensor::from_slice(values, shape.clone(), device)?,
        Var::from_vec(values.to_vec(), shape.clone(), device)?.as_detached_tensor(),
        Var::from_slice(values, shape, device)?.as_detached_tensor(),
    ])
}

pub fn shapes(x: &Tensor) -> Result<Vec<Vec<Tensor>>> {
    macro_rules! each {
        ($($shape:expr),*) => {{
            let (floats, doubles, integers) = (vec![0f32], vec![0f64], vec![0u32]);
            vec![$(
                of_shape(x, $shape)?,
                of_values(&floats, $shape, x.device())?,
                of_values(&doubles, $shape, x.device())?,
                of_values(&integers, $shape, x.device())?,
            )*]
        }};
    }
    let (dims, shape) = (vec![1usize], x.shape());
    let mut all = each!(
        (),
        1usize,
        (1usize, 1usize),
        (1usize, 1usize, 1usize),
        (1usize, 1usize, 1usize, 1usize),
        dims.as_slice(),
        shape
    );
    all.push(vec![
        x.reshape(((), 1))?,
        x.reshape((1, ()))?,
        x.reshape((1, 1, ()))?,
        x.reshape((1, (), 1))?,
        x.reshape(((), 1, 1))?,
        x.reshape((1, 1, 1, ()))?,
        x.reshape(vec![1usize])?,
    ]);
    Ok(all)
}

/// What goes from numbers to tensors and back.
fn numbers<T: WithDType + Debug>(x: &Tensor, value: T) -> Result<Vec<Tensor>> {
    let device = x.device();
    let (scalar, vector) = (x.to_scalar::<T>()?, x.to_vec1::<T>()?);
    let rows = x.to_vec2::<T>()?;
    let _ = x.to_vec3::<T>()?;
    Ok(vec![
        Tensor::new(scalar, device)?,
        Tensor::new(vector.as_slice(), device)?,
        Tensor::new(&[value, value], device)?,
        Tensor::new(&[value, value, value], device)?,
        Tensor::new(&[value, value, value, value], device)?,
        Tensor::new(&[[value, value], [value, value]], device)?,
        Tensor::new(&[[value; 3]; 2], device)?,
        Tensor::new(rows, device)?,
        Tensor::new(vector, device)?,
        Tensor::arange(value, value, device)?,
        Var::new(&[value, value], device)?.as_detached_tensor(),
        Var::new(&[value, value, value], device)?.as_detached_tensor(),
        Var::new(value, device)?.as_detached_tensor(),
        x.eq(value)?,
        x.ne(value)?,
        x.lt(value)?,
        x.le(value)?,
        x.gt(value)?,
        x.ge(value)?,
        x.maximum(value)?,
        x.minimum(value)?,
        x.clamp(value, value)?,
    ])
}

pub fn scalars(x: &Tensor) -> Result<Vec<Vec<Tensor>>> {
    Ok(vec![
        numbers(x, 0f32)?,
        numbers(x, 0f64)?,
        numbers(x, 0u32)?,
        numbers(x, 0i64)?,
        numbers(x, 0u8)?,
        vec![
            x.eq(x)?,
            x.ne(x)?,
            x.lt(x)?,
            x.le(x)?,
            x.gt(x)?,
            x.ge(x)?,
            x.maximum(x)?,
            x.minimum(x)?,
            x.clamp(x, x)?,
        ],
    ])
}

pub fn operators(x: Tensor, y: Tensor) -> Result<Vec<Tensor>> {
    macro_rules! each {
        ($($op:tt)*) => {
            vec![$(
                (&x $op &y)?,
                (x.clone() $op y.clone())?,
                (&x $op y.clone())?,
                (x.clone() $op &y)?,
                (x.sqr() $op &y)?,
                (x.sqr() $op y.clone())?,
                (&x $op y.sqr())?,
                (x.clone() $op y.sqr())?,
                (&x $op 2.0)?,
                (x.clone() $op 2.0)?,
            )*]
        };
    }
    let mut all = each!(+ - * /);
    all.extend([
        x.i(0)?,
        x.i(0..1)?,
        x.i(..1)?,
        x.i(1..)?,
        x.i((0, 0))?,
        x.i((.., 0))?,
        x.i((0, ..))?,
        x.i((.., 0..1))?,
        x.i((.., ..1))?,
        x.i((.., 1..))?,
        x.i((0, 0, 0))?,
        x.i((.., .., 0))?,
        x.i((.., 0, ..))?,
    ]);
    Ok(all)
}

pub fn training(x: &Tensor, variables: Vec<Var>, map: &VarMap) -> Result<GradStore> {
    let root = VarBuilder::from_varmap(map, DType::F32, x.device());
    let linear = nn::linear(1, 1, root.pp("a"))?;
    let plain = nn::linear_no_bias(1, 1, root.pp(String::from("a")))?;
    let norm = nn::layer_norm(1, 1e-5, root.pp(0))?;
    let embedding = nn::embedding(1, 1, root.pp(format!("{}", 1)))?;
    let _: Tensor = root.get((1, 1), "a")?;
    let _: Tensor = root.get(1, "a")?;
    let network = nn::seq()
        .add(linear.clone())
        .add(plain.clone())
        .add(norm.clone())
        .add(embedding.clone())
        .add(nn::Activation::Relu)
        .add_fn(|x| x.relu());
    let y = x.apply(&network)?.apply(&linear)?.apply(&norm)?;
    let loss = network.forward(&y)?.mean_all()?;
    let mut adam = nn::AdamW::new(variables.clone(), 1e-3)?;
    let mut sgd = nn::SGD::new(variables, 0.1)?;
    adam.backward_step(&loss)?;
    sgd.backward_step(&loss)?;
    adam.set_learning_rate(sgd.learning_rate());
    loss.backward()
}

/// What the programs of cells do with a variable.
fn variable<T: 'static + Debug + Clone>(cell: &mut Cell<'_>, name: &str) -> (T, String) {
    let value: T = cell.take(name);
    cell.put(name, 1, value.clone());
    cell.put_back(name, value.clone());
    let text = show::debug_text(&value);
    (value, text)
}

/// `?` on the errors that cells meet.
pub fn errors(errors: Vec<Box<dyn std::error::Error>>) -> Vec<CellError> {
    fn raised<E: Into<Box<dyn std::error::Error>>>(error: E) -> std::result::Result<(), CellError> {
        Err(error)?
    }
    let mut all: Vec<CellError> = errors.into_iter().map(CellError::from).collect();
    let results = [
        raised(Error::Msg(String::new())),
        raised(plugin::Error::new(String::new())),
        raised(std::io::Error::from_raw_os_error(1)),
        raised(std::fmt::Error),
        raised(String::new()),
        raised(""),
        "".parse::<f32>().map(drop).map_err(CellError::from),
        "".parse::<f64>().map(drop).map_err(CellError::from),
        "".parse::<u32>().map(drop).map_err(CellError::from),
        "".parse::<usize>().map(drop).map_err(CellError::from),
        serde_json::from_str::<Value>("")
            .map(drop)
            .map_err(CellError::from),
    ];
    all.extend(results.into_iter().filter_map(std::result::Result::err));
    all
}

/// A vector as cells fill and read it.
fn vector<T: 'static + Debug + Clone + PartialEq>(
    cell: &mut Cell<'_>,
    name: &str,
    value: T,
) -> Vec<T> {
    let (_, mut values) = (variable::<T>(cell, name), variable::<Vec<T>>(cell, name).0);
    values.push(value.clone());
    values.extend_from_slice(&[value.clone()]);
    values.extend(vec![value.clone(); 2]);
    values.insert(0, value.clone());
    values.resize(3, value);
    values.reserve(1);
    values.truncate(2);
    values.reverse();
    let rows = variable::<Vec<Vec<T>>>(cell, name).0;
    let _ = rows.concat() == values;
    Vec::from(values.clone().into_boxed_slice())
}

pub fn variables(cell: &mut Cell<'_>, name: &str) {
    macro_rules! each {
        ($($value:expr),*) => { $( drop(vector(cell, name, $value)); )* };
    }
    each!(
        0f32,
        0f64,
        0u8,
        0i32,
        0u32,
        0i64,
        0u64,
        0usize,
        false,
        String::new(),
        ' ',
        "",
        (0usize, 0f32),
        (0f64, 0f64)
    );
    macro_rules! owned {
        ($($type:ty),*) => { $(
            let value: $type = cell.take(name);
            cell.put(name, 1, value);
            let value: $type = cell.take(name);
            cell.put_back(name, value);
        )* };
    }
    owned!(
        Tensor,
        Vec<Tensor>,
        Var,
        Vec<Var>,
        Device,
        Shape,
        VarMap,
        Value,
        GradStore,
        nn::Linear,
        nn::AdamW,
        nn::SGD,
        LivePlot,
        HashMap<String, usize>,
        HashMap<String, Tensor>,
        BTreeMap<String, usize>
    );
}

pub fn collections(text: &str) -> (HashMap<String, usize>, BTreeMap<String, f64>, HashSet<u32>) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    *counts.entry(text.to_owned()).or_insert(0) += 1;
    counts.insert(text.to_owned(), counts.get(text).copied().unwrap_or(0));
    counts.remove(text);
    let mut means: BTreeMap<String, f64> = BTreeMap::new();
    *means.entry(text.to_owned()).or_default() += 1.0;
    means.insert(text.to_owned(), means.get(text).copied().unwrap_or(0.0));
    let set: HashSet<u32> = (0..counts.len() as u32).collect();
    let lines: Vec<&str> = text.lines().collect();
    let words: Vec<&str> = text.split(',').collect();
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let text = lines.join("\n") + &words.join(", ");
    counts.insert(text.replace(' ', ""), set.len());
    let _ = std::fs::read_to_string(&text);
    let _ = std::fs::read(text.as_str());
    (counts, means, set)
}

/// Slots and settings of a kind.
fn kind<K: Kind + ?Sized>(id: &str) -> Result<(), plugin::Error> {
    let slot = plugin::create::<K>(id, json!({}))?;
    let _ = slot.clone();
    let _ = slot.swap(id, json!({ "a": 1, "b": [0.5], "c": "d" }))?;
    let _ = slot.reload()?;
    let _ = slot.rollback(0)?;
    let _ = (
        slot.history(),
        slot.variables(),
        slot.trainable(),
        slot.swaps(),
    );
    Ok(())
}

struct Kinds<'a, 'c> {
    cell: &'a mut Cell<'c>,
    id: &'a str,
}

impl Visitor for Kinds<'_, '_> {
    fn visit<K: ?Sized + Tried>(&mut self) {
        let (cell, id) = (&mut *self.cell, self.id);
        let _ = kind::<K>(id);
        let slot: Slot<K> = cell.take(id);
        cell.put(id, 1, slot);
        let slot: Slot<K> = cell.take(id);
        cell.put_back(id, slot);
    }
}

pub fn kinds(cell: &mut Cell<'_>, id: &str) {
    each(&mut Kinds { cell, id });
}

crate::config! {
    /// Fields of the types that settings have.
    pub struct Settings {
        /// A number.
        #[schemars(range(min = 0.0, max = 1.0))]
        number: f64 = 0.5,
        /// A number.
        single: f32 = 0.5,
        /// A count.
        #[schemars(range(min = 1))]
        count: usize = 1,
        /// A count.
        short: u32 = 1,
        /// A count.
        long: i64 = 1,
        /// A count.
        integer: i32 = 1,
        /// A seed.
        seed: u64 = 1,
        /// A switch.
        switch: bool = false,
        /// A text.
        text: String = String::new(),
        /// Numbers.
        numbers: Vec<f64> = Vec::new(),
        /// Counts.
        counts: Vec<usize> = Vec::new(),
        /// Texts.
        texts: Vec<String> = Vec::new(),
        /// Perhaps a number.
        perhaps: Option<f64> = None,
        /// Perhaps a count.
        some: Option<usize> = None,
    }
}

pub fn settings(id: &str, given: &Value) -> Result<(Settings, Value), plugin::Error> {
    let mut map: Map<String, Value> = Map::new();
    map.insert(id.to_owned(), plugin::abi::schema::<Settings>());
    map.extend(Map::new());
    let (settings, value) = plugin::abi::parse(id, given)?;
    map.insert(id.to_owned(), value);
    Ok((settings, Value::Object(map)))
}

pub fn shown(x: &Tensor, table: &crate::Table) -> Result<(), Error> {
    for step in progress(0..10).title("a") {
        let _ = x.i(step)?;
    }
    for step in progress(0..10usize).title(String::new()) {
        let _ = x.i(step)?;
    }
    for step in progress(vec![0usize]) {
        let _ = x.i(step)?;
    }
    let mut live = LivePlot::new("a").x_label("b").y_log();
    live.push("a", 0.0, 0.0);
    for bundle in [
        x.show(),
        table.show(),
        live.figure()?.show(),
        crate::html("a").show(),
    ] {
        let _ = crate::display(&bundle);
    }
    let _ = (
        crate::display(x),
        crate::display(table),
        crate::display(&live.figure()?),
    );
    println!("{} {} {} {:?} {:.3}", 0, 0.5, "a", x, 0.5f32);
    Ok(())
}
