//! The methods against PyTorch's, value and gradient, at ties, negative dimensions and large values; `reference/methods_torch.py` has
//! written what is expected. A method that returns tensors and has no case here or there fails.

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use patchbay::{candle::safetensors, prelude::*};

static REFERENCE: LazyLock<HashMap<String, Tensor>> = LazyLock::new(|| {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/reference/methods.safetensors"
    );
    safetensors::load(path, &Device::Cpu).unwrap()
});

type Case = (&'static str, fn(&Tensor) -> Result<Tensor>);

fn square(x: &Tensor) -> Result<Tensor> {
    x.view(-1)?.narrow(0, 0, 4)?.view((2, 2))
}

fn told(value: bool) -> Result<Tensor> {
    Tensor::new(u8::from(value), &Device::Cpu)
}

/// One case a dimension.
macro_rules! along {
    ($($dim:literal),+ => |$x:ident, $d:ident| $call:expr, $method:literal) => {{
        let cases: Vec<Case> = vec![$((concat!($method, " ", $dim), |$x: &Tensor| { let $d = $dim; $call })),+];
        cases
    }};
}

/// Those with a gradient.
fn differentiable() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![
        ("to f64", |x| x.to(DType::F64)),
        ("view -1", |x| x.view(-1)),
        ("view column", |x| x.view((-1, 1))),
        ("view_as", |x| x.view_as(&x.ravel()?)),
        ("expand_as", |x| {
            let shape = [&[2], x.dims()].concat();
            x.unsqueeze(0)?.expand_as(&torch::ones(shape)?)
        }),
        ("ravel", |x| x.ravel()),
        ("squeeze_all", |x| x.squeeze_all()),
        ("swapaxes 0 -1", |x| x.swapaxes(0, -1)),
        ("movedim 0 -1", |x| x.movedim(0, -1)),
        ("movedim -1 0", |x| x.movedim(-1, 0)),
        ("select -1 -1", |x| x.select(-1, -1)),
        ("select 0 0", |x| x.select(0, 0)),
        ("split 2 -1", |x| Ok(x.split(2, -1)?.pop().expect("a part"))),
        ("split 1 0", |x| Ok(x.split(1, 0)?.swap_remove(0))),
        ("mm", |x| square(x)?.mm(&square(x)?)),
        ("bmm", |x| {
            square(x)?.unsqueeze(0)?.bmm(&square(x)?.unsqueeze(0)?)
        }),
        ("outer", |x| x.ravel()?.outer(&x.ravel()?.narrow(0, 0, 3)?)),
        ("diagonal", |x| square(x)?.diagonal()),
        ("trace", |x| square(x)?.trace()),
        ("sigmoid", |x| x.sigmoid()),
        ("softplus", |x| x.softplus()),
        ("leaky_relu", |x| x.leaky_relu(0.1)),
        ("square", |x| x.square()),
        ("rsqrt", |x| (x.square()? + 0.5)?.rsqrt()),
        ("reciprocal", |x| (x.square()? + 0.5)?.reciprocal()),
        ("log2", |x| (x.square()? + 0.5)?.log2()),
        ("log10", |x| (x.square()? + 0.5)?.log10()),
        ("log1p", |x| x.square()?.log1p()),
        ("tan", |x| x.tan()),
        ("clip", |x| x.clip(-1.0, 1.0)),
        ("std_all", |x| x.std_all()),
        ("prod_all", |x| x.prod_all()),
        ("median_all", |x| x.median_all()),
        ("quantile 0.3 0", |x| x.quantile(0.3, 0)),
        ("quantile 0.3 -1", |x| x.quantile(0.3, -1)),
        ("sort 0 true", |x| Ok(x.sort(0, true)?.0)),
        ("sort 0 false", |x| Ok(x.sort(0, false)?.0)),
        ("sort -1 true", |x| Ok(x.sort(-1, true)?.0)),
        ("sort -1 false", |x| Ok(x.sort(-1, false)?.0)),
        ("topk 2 -1", |x| Ok(x.topk(2, -1)?.0)),
        ("masked_fill", |x| x.masked_fill(&x.detach().gt(0.4)?, 2.0)),
        ("where_", |x| x.where_(&x.detach().gt(0.4)?, &x.square()?)),
        ("masked_select", |x| x.masked_select(&x.detach().ge(0.0)?)),
        ("tril -1", |x| x.tril(-1)),
        ("tril 1", |x| x.tril(1)),
        ("triu -1", |x| x.triu(-1)),
        ("triu 1", |x| x.triu(1)),
    ];
    cases.extend(along!(0, -1, 1 => |x, d| Ok(x.unbind(d)?.swap_remove(0)), "unbind"));
    cases.extend(along!(0, -1, 1 => |x, d| x.repeat_interleave(3, d), "repeat_interleave"));
    cases.extend(along!(0, -1, 1 => |x, d| x.softmax(d), "softmax"));
    cases.extend(along!(0, -1, 1 => |x, d| x.log_softmax(d), "log_softmax"));
    cases.extend(along!(0, -1, 1 => |x, d| x.logsumexp(d), "logsumexp"));
    cases.extend(along!(0, -1, 1 => |x, d| x.std(d), "std"));
    cases.extend(along!(0, -1, 1 => |x, d| x.std_keepdim(d), "std_keepdim"));
    cases.extend(along!(0, -1, 1 => |x, d| x.prod(d), "prod"));
    cases.extend(along!(0, -1, 1 => |x, d| x.cumprod(d), "cumprod"));
    cases.extend(along!(0, -1, 1 => |x, d| x.norm_dim(d), "norm_dim"));
    cases.extend(along!(0, -1, 1 => |x, d| x.median(d), "median"));
    cases
}

/// Those without one.
fn values() -> Vec<Case> {
    fn count(value: usize) -> Result<Tensor> {
        Tensor::new(value as i64, &Device::Cpu)
    }
    vec![
        ("float", |x| x.float()),
        ("half", |x| x.clip(-50.0, 50.0)?.half()),
        ("bfloat16", |x| x.bfloat16()),
        ("double", |x| x.float()?.double()),
        ("long", |x| x.long()),
        ("int", |x| x.int()),
        ("bool", |x| x.bool()),
        ("trunc", |x| x.trunc()),
        ("isnan", |x| x.sqrt()?.isnan()),
        ("isinf", |x| x.recip()?.isinf()),
        ("isfinite", |x| (x.sqrt()? + x.recip()?)?.isfinite()),
        ("isclose", |x| x.isclose(&(x + 1e-6)?)),
        ("logical_not", |x| x.logical_not()),
        ("logical_and", |x| x.logical_and(&x.clip(-1.0, 0.0)?)),
        ("logical_or", |x| x.logical_or(&x.clip(-1.0, 0.0)?)),
        ("logical_xor", |x| x.logical_xor(&x.clip(-1.0, 0.0)?)),
        ("argsort 0 true", |x| x.argsort(0, true)),
        ("argsort 0 false", |x| x.argsort(0, false)),
        ("argsort -1 true", |x| x.argsort(-1, true)),
        ("argsort -1 false", |x| x.argsort(-1, false)),
        ("unique", |x| x.unique()),
        ("bincount 5", |x| {
            x.ravel()?.clip(0.0, 9.0)?.long()?.bincount(5)
        }),
        ("one_hot 10", |x| x.clip(0.0, 9.0)?.long()?.one_hot(10)),
        ("full_like", |x| x.full_like(1.5)),
        ("nonzero", |x| x.gt(0.0)?.nonzero()),
        ("allclose", |x| told(x.allclose(&(x + 1e-6)?)?)),
        ("allclose_with", |x| {
            told(x.allclose_with(&(x + 1e-3)?, 0.0, 1e-2)?)
        }),
        ("equal", |x| told(x.equal(&x.abs()?)?)),
        ("any", |x| told(x.any()?)),
        ("all", |x| told(x.all()?)),
        ("count_nonzero", |x| count(x.count_nonzero()?)),
        ("argmax_all", |x| count(x.argmax_all()?)),
        ("argmin_all", |x| count(x.argmin_all()?)),
    ]
}

/// Where PyTorch's result is one of several right ones.
fn is_open(case: &str, input: &str, part: &str) -> bool {
    // Of equal values any may be the one that is taken, and has the gradient.
    part == "gradient"
        && input == "ties"
        && (case.starts_with("topk") || case.starts_with("median ") || case.starts_with("quantile"))
}

fn compare(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64, wrong: &mut Vec<String>) {
    let (found, expected) = (
        (found.dims().to_vec(), found.to_vec::<f64>().unwrap()),
        (expected.dims().to_vec(), expected.to_vec::<f64>().unwrap()),
    );
    // In f32 both are rounded: beside large values small ones are only as exact as these.
    let largest = expected.1.iter().fold(0f64, |a, b| a.max(b.abs()));
    let floor = if tolerance > 1e-6 {
        0.05 * largest
    } else {
        1e-3
    };
    let near = |(a, b): (&f64, &f64)| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * b.abs().max(floor)
    };
    if found.0 != expected.0 || !found.1.iter().zip(&expected.1).all(near) {
        wrong.push(format!("{what}:\n  {found:?}, PyTorch's\n  {expected:?}"));
    }
}

#[test]
fn methods_have_pytorchs_values_and_gradients() {
    let (with_gradient, without) = (differentiable(), values());
    let mut compared = BTreeSet::new();
    let mut wrong = Vec::new();
    for (key, expected) in REFERENCE.iter() {
        let [case, input, dtype, part] = *key.split('/').collect::<Vec<_>>() else {
            continue;
        };
        let cases = with_gradient.iter().chain(&without);
        let Some((_, run)) = cases.clone().find(|(name, _)| *name == case) else {
            wrong.push(format!("{case} is not compared"));
            continue;
        };
        compared.insert(case.to_owned());
        let (dtype, tolerance) = match dtype {
            "f32" => (DType::F32, 2e-5),
            _ => (DType::F64, 1e-9),
        };
        let given = REFERENCE[&format!("input/{input}")]
            .to_dtype(dtype)
            .unwrap();
        let x = Var::from_tensor(&given).unwrap();
        let result = run(&x).unwrap_or_else(|error| panic!("{key}: {error}"));
        if is_open(case, input, part) {
            continue;
        }
        if part == "result" {
            compare(key, &result, expected, tolerance, &mut wrong);
            continue;
        }
        let weights: Vec<f64> = (0..result.numel()).map(|i| 1.0 + 0.5 * i as f64).collect();
        let weights = Tensor::from_vec(weights, result.shape(), &Device::Cpu).unwrap();
        let loss = (&result * weights.to_dtype(result.dtype()).unwrap()).unwrap();
        let grads = sum_all(&loss).unwrap().backward().unwrap();
        let zeros = x.zeros_like().unwrap();
        let grad = grads.get(&x).unwrap_or(&zeros);
        compare(key, grad, expected, tolerance, &mut wrong);
    }
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    for (name, _) in with_gradient.iter().chain(&without) {
        assert!(compared.contains(*name), "{name} has no reference");
    }
    for (name, _) in &with_gradient {
        let key = format!("{name}/matrix/f64/gradient");
        assert!(
            REFERENCE.contains_key(&key),
            "{name} has no reference gradient"
        );
    }
}

/// Methods that only read or move, and have tests of their own in `methods.rs`.
const OTHERS: [&str; 10] = [
    "tensor", "numel", "ndim", "size", "item", "to_vec", "tolist", "cpu", "cuda", "is_cuda",
];

#[test]
fn every_method_is_compared() {
    let names = include_str!("../src/methods.rs")
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("    fn ")?;
            rest.split(['<', '(']).next()
        });
    let cases: BTreeSet<&str> = differentiable()
        .iter()
        .chain(&values())
        .filter_map(|(name, _)| name.split(' ').next())
        .collect();
    let missing: Vec<&str> = names
        .filter(|name| !cases.contains(name) && !OTHERS.contains(name))
        .collect();
    assert!(missing.is_empty(), "not compared with PyTorch: {missing:?}");
}

#[test]
fn integers_are_not_rounded() {
    let large = [i64::MAX, (1 << 53) + 1, i64::MIN];
    let kept = |x: Result<Tensor>| x.unwrap().to_vec::<i64>().unwrap();
    assert_eq!(kept(torch::tensor(large)), large);
    assert_eq!(kept(torch::from_vec(large.to_vec(), 3)), large);
    for value in large {
        assert_eq!(kept(torch::full(2, value)), [value; 2]);
    }
    assert_eq!(
        kept(torch::arange((1i64 << 53) - 1, (1 << 53) + 2)),
        [(1 << 53) - 1, 1 << 53, (1 << 53) + 1]
    );
    assert_eq!(
        kept(torch::arange_step(i64::MAX - 3, i64::MAX, 2)),
        [i64::MAX - 3, i64::MAX - 1]
    );
    assert_eq!(
        kept(torch::arange_step(i64::MIN, i64::MAX, i64::MAX)),
        [i64::MIN, -1, i64::MAX - 1]
    );
    assert_eq!(kept(torch::arange(5, 5)), [0i64; 0]);
    assert!(torch::arange(5, 4).is_err() && torch::arange_step(0, 4, 0).is_err());
    // As torch.arange(0, 1, 0.1) and torch.arange(0, 0.9, 0.3), which count in f64.
    assert_eq!(torch::arange_step(0.0, 1.0, 0.1).unwrap().numel(), 10);
    assert_eq!(torch::arange_step(0.0, 0.9, 0.3).unwrap().numel(), 4 - 1);
}
