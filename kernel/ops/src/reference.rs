//! Every op beside PyTorch, in f32, f64 and f16, and at its edges: what the `tests.rs` of the ops' folders list.
//!
//! A folder's `reference.py` says what PyTorch computed; `tests/write_references.py` runs them. All is on the first GPU where
//! there is one: `tests/gpu/pack.sh` takes this program there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use candle_core::{DType, Device, Result, Tensor, Var, safetensors};

use crate::{OPS, composed, cuda::test_device as device};

type Run = fn(&[Tensor]) -> Result<Tensor>;
type Edge = fn(&Tensor) -> Result<Tensor>;
type Refused = fn() -> Result<Tensor>;

/// What the `tests.rs` of an op says, in `CHECKS`.
pub(crate) struct Checks {
    /// `reference.safetensors`, or nothing.
    pub reference: &'static [u8],
    /// How each case of the reference is computed here. A name that ends with `/` is that of all cases that begin so and have no
    /// entry of their own.
    pub cases: &'static [(&'static str, Run)],
    /// Runs with inputs of these shapes, whose first dimension is 0, and with the same where it is 1.
    pub edges: &'static [(&'static str, &'static [usize], Edge)],
    /// What is refused, and a part of what the error says.
    pub errors: &'static [(Refused, &'static str)],
    /// Functions without a value or a gradient to compare with PyTorch's, and the test of the same file that has them.
    pub otherwise: &'static [(&'static str, &'static str)],
}

/// An op, as `ops!` lists it.
pub(crate) struct Listed {
    pub name: &'static str,
    /// The names that the crate exports of it.
    pub exports: &'static [&'static str],
    pub checks: Checks,
    /// The text of its `tests.rs`.
    pub source: &'static str,
}

/// Held by tests that draw: the generator is the process's.
pub(crate) static GENERATOR: Mutex<()> = Mutex::new(());

pub(crate) fn zeros(shape: &[usize]) -> Result<Tensor> {
    Tensor::zeros(shape, DType::F32, &device())
}

/// Numbers that look random and are not.
pub(crate) fn some(shape: &[usize]) -> Result<Tensor> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|i| ((i * 7919 % 1000) as f32 / 500.0) - 1.0)
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

pub(crate) fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

struct Case {
    name: String,
    run: Run,
    inputs: Vec<Tensor>,
    result: Tensor,
    cotangent: Tensor,
    /// The gradients that the reference has, by input.
    gradients: BTreeMap<usize, Tensor>,
}

impl Listed {
    /// The cases of the reference, each with the entry of the longest name that fits.
    fn cases(&self) -> Vec<Case> {
        let Checks {
            reference, cases, ..
        } = self.checks;
        if reference.is_empty() {
            return Vec::new();
        }
        let all = safetensors::load_buffer(reference, &device()).unwrap();
        let names: BTreeSet<&str> = all
            .keys()
            .map(|key| key.split('.').next().unwrap())
            .collect();
        let entry = |name: &str| {
            cases
                .iter()
                .filter(|(entry, _)| {
                    *entry == name || entry.ends_with('/') && name.starts_with(entry)
                })
                .max_by_key(|(entry, _)| entry.len())
                .unwrap_or_else(|| panic!("{name} of the reference is not computed here"))
        };
        let used: BTreeSet<&str> = names.iter().map(|name| entry(name).0).collect();
        for (name, _) in cases {
            assert!(used.contains(name), "{name} is not in the reference");
        }
        names
            .iter()
            .map(|name| {
                let inputs: Vec<Tensor> = (0..)
                    .map_while(|index| all.get(&format!("{name}.{index}")).cloned())
                    .collect();
                let gradients = (0..inputs.len())
                    .filter_map(|index| {
                        Some((index, all.get(&format!("{name}.grad.{index}"))?.clone()))
                    })
                    .collect();
                Case {
                    name: (*name).to_owned(),
                    run: entry(name).1,
                    inputs,
                    result: all[&format!("{name}.result")].clone(),
                    cotangent: all[&format!("{name}.cotangent")].clone(),
                    gradients,
                }
            })
            .collect()
    }

    /// The entries of `cases` as the source has them: the name, and the text up to the next.
    fn entries(&self) -> Vec<(&'static str, &'static str)> {
        let names = self.checks.cases.iter().map(|(name, _)| {
            let start = self.source.find(&format!("\"{name}\""));
            (
                *name,
                start.unwrap_or_else(|| panic!("{name} is not in {}/tests.rs", self.name)),
            )
        });
        let names: Vec<(&str, usize)> = names.collect();
        let list_end = self.source.find("edges: &[").unwrap();
        names
            .iter()
            .map(|&(name, start)| {
                let ends = names
                    .iter()
                    .map(|&(_, other)| other)
                    .filter(|&other| other > start);
                (name, &self.source[start..ends.min().unwrap_or(list_end)])
            })
            .collect()
    }
}

fn cases() -> Vec<Case> {
    OPS.iter().flat_map(Listed::cases).collect()
}

/// How the inputs lie in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Contiguous,
    /// Every second value of the last dimension's neighbors belongs to something else, and there is an offset.
    Narrowed,
    /// The last two dimensions are swapped in memory.
    Transposed,
}

/// A variable, and the input as it is seen through a view of it.
fn input(values: &Tensor, layout: Layout) -> (Var, Tensor) {
    let rank = values.rank();
    match layout {
        Layout::Narrowed if rank > 0 => {
            let last = rank - 1;
            let length = values.dims()[last];
            let padded = Tensor::cat(&[values, values, values], last).unwrap();
            let var = Var::from_tensor(&padded).unwrap();
            let view = var.narrow(last, length, length).unwrap();
            (var, view)
        }
        Layout::Transposed if rank > 1 => {
            let turned = values
                .transpose(rank - 1, rank - 2)
                .unwrap()
                .contiguous()
                .unwrap();
            let var = Var::from_tensor(&turned).unwrap();
            let view = var.transpose(rank - 1, rank - 2).unwrap();
            (var, view)
        }
        _ => {
            let var = Var::from_tensor(values).unwrap();
            let view = var.as_tensor().clone();
            (var, view)
        }
    }
}

/// The gradient of the input, from that of the variable under it.
fn gradient(of_var: &Tensor, like: &Tensor, layout: Layout) -> Tensor {
    let rank = like.rank();
    match layout {
        Layout::Narrowed if rank > 0 => {
            let length = like.dims()[rank - 1];
            of_var.narrow(rank - 1, length, length).unwrap()
        }
        Layout::Transposed if rank > 1 => of_var.transpose(rank - 1, rank - 2).unwrap(),
        _ => of_var.clone(),
    }
}

/// |ours - expected| relative to |expected|, or to the largest of all expected values times `floor` where that
/// is more: sums of large terms of either sign have the rounding of their terms. Values below `smallest` count as
/// zero.
fn relative_error(ours: &Tensor, expected: &Tensor, floor: f64, smallest: f64) -> f64 {
    assert_eq!(ours.dims(), expected.dims());
    let ours = ours
        .to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1::<f64>()
        .unwrap();
    let expected = expected.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    // Where nothing but zero is expected, terms of the inputs' size cancel, which is 1.
    let largest = match expected.iter().fold(0.0, |a: f64, b| a.max(b.abs())) {
        0.0 => 1.0,
        largest => largest,
    };
    ours.iter()
        .zip(&expected)
        .map(|(ours, expected)| match (ours - expected).abs() {
            0.0 => 0.0,
            difference => difference / expected.abs().max(floor * largest).max(smallest),
        })
        .fold(
            0.0,
            |a, b| if b.is_nan() { f64::INFINITY } else { a.max(b) },
        )
}

fn compare(cases: Vec<Case>, dtype: DType, limit: f64, floor: f64) {
    // Below this a number of the dtype is zero.
    let smallest = match dtype {
        DType::F16 => 1e-4,
        DType::F32 => 1e-37,
        _ => 1e-300,
    };
    let mut failures = Vec::new();
    for case in cases {
        for layout in [Layout::Contiguous, Layout::Narrowed, Layout::Transposed] {
            let mut vars = BTreeMap::new();
            let inputs: Vec<Tensor> = case
                .inputs
                .iter()
                .enumerate()
                .map(|(index, values)| {
                    let values = if values.dtype().is_float() {
                        values.to_dtype(dtype).unwrap()
                    } else {
                        values.clone()
                    };
                    let (var, view) = input(&values, layout);
                    if case.gradients.contains_key(&index) {
                        vars.insert(index, var);
                        view
                    } else {
                        view.detach()
                    }
                })
                .collect();
            let result = (case.run)(&inputs)
                .unwrap_or_else(|error| panic!("{} {layout:?}: {error}", case.name));
            assert!(
                result.track_op(),
                "{}: the result leads to no variable",
                case.name
            );
            let error = relative_error(&result, &case.result, floor, smallest);
            if error > limit {
                failures.push(format!(
                    "{} {layout:?}: the value is off by {error:.2e}",
                    case.name
                ));
            }
            let loss = (result * case.cotangent.to_dtype(dtype).unwrap())
                .unwrap()
                .sum_all()
                .unwrap();
            let grads = loss.backward().unwrap();
            for (index, expected) in &case.gradients {
                let ours = grads
                    .get(&vars[index])
                    .unwrap_or_else(|| panic!("{}: input {index} got no gradient", case.name));
                let error =
                    relative_error(&gradient(ours, expected, layout), expected, floor, smallest);
                if error > limit {
                    failures.push(format!(
                        "{} {layout:?}: the gradient of {index} is off by {error:.2e}",
                        case.name
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What errors may be on the CPU, and on a GPU, whose sums have another order and whose products of matrices other units.
fn limit(on_cpu: f64, on_gpu: f64) -> f64 {
    if device().is_cpu() { on_cpu } else { on_gpu }
}

#[test]
fn values_and_gradients_are_those_of_pytorch_in_f64() {
    compare(cases(), DType::F64, limit(1e-10, 1e-8), 1e-5);
}

#[test]
fn values_and_gradients_are_those_of_pytorch_in_f32() {
    compare(cases(), DType::F32, limit(1e-5, 1e-3), 0.1);
}

/// Half precision computes in f32 on the CPU, so what is lost is the rounding of inputs and results; on a GPU compositions of
/// several ops are rounded after each.
#[test]
fn half_precision_has_values_and_gradients() {
    compare(cases(), DType::F16, limit(2e-2, 1e-1), 1.0);
}

/// What devices without kernels compute: all cases again.
#[test]
fn compositions_have_the_same_values_and_gradients() {
    composed(|| compare(cases(), DType::F64, limit(1e-10, 1e-8), 1e-5));
}

/// The slope along a direction, by the results a little to both sides, is that of the gradient.
#[test]
fn gradients_are_slopes() {
    for case in cases() {
        if case
            .inputs
            .iter()
            .any(|x| x.dtype() == DType::F32 && largest(x) > 1e3)
            || case.name == "relu/wide"
        {
            // The steps below are lost in numbers of this size; relu has its kink among the inputs.
            continue;
        }
        let inputs: Vec<Tensor> = case
            .inputs
            .iter()
            .map(|x| {
                if x.dtype().is_float() {
                    x.to_dtype(DType::F64).unwrap()
                } else {
                    x.clone()
                }
            })
            .collect();
        let cotangent = case.cotangent.to_dtype(DType::F64).unwrap();
        let loss = |inputs: &[Tensor]| -> f64 {
            let result = (case.run)(inputs).unwrap();
            (result * &cotangent)
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar::<f64>()
                .unwrap()
        };
        for (index, gradient) in &case.gradients {
            let direction: Vec<f64> = (0..gradient.elem_count())
                .map(|i| ((i * 37 + 11) % 17) as f64 / 17.0 - 0.4)
                .collect();
            let direction = Tensor::from_vec(direction, gradient.shape(), &device()).unwrap();
            let step = 1e-6;
            let at = |sign: f64| {
                let mut moved = inputs.clone();
                moved[*index] = (&moved[*index] + (&direction * (sign * step)).unwrap()).unwrap();
                loss(&moved)
            };
            if case.name == "embedding/padding" {
                // The padding's row is said to be a constant, which it is not.
                continue;
            }
            let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
            let expected = (gradient * &direction)
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar::<f64>()
                .unwrap();
            assert!(
                (slope - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                "{} input {index}: {slope} and {expected}",
                case.name
            );
        }
    }
}

fn largest(x: &Tensor) -> f32 {
    x.abs()
        .unwrap()
        .flatten_all()
        .unwrap()
        .max(0)
        .unwrap()
        .to_scalar::<f32>()
        .unwrap()
}

/// Every function that the crate exports has a case of its own in the reference with a value and a gradient, or is named in
/// `otherwise` with the test that has it.
#[test]
fn no_op_is_left_out() {
    for op in OPS {
        let with_gradient: BTreeSet<String> = op
            .cases()
            .into_iter()
            .filter(|case| !case.gradients.is_empty())
            .map(|case| case.name)
            .collect();
        let entries = op.entries();
        for name in op
            .exports
            .iter()
            .filter(|name| name.starts_with(char::is_lowercase))
        {
            let calls = |text: &str| text.contains(&format!("ops::{name}("));
            let compared = entries.iter().any(|(entry, text)| {
                let is_there = |case: &String| {
                    case == entry || entry.ends_with('/') && case.starts_with(entry)
                };
                calls(text) && with_gradient.iter().any(is_there)
            });
            let otherwise = op
                .checks
                .otherwise
                .iter()
                .find(|(exempt, _)| exempt == name);
            match otherwise {
                Some((_, test)) => {
                    assert!(
                        !compared,
                        "ops::{name} is compared with PyTorch: take it out of `otherwise`"
                    );
                    let start = op.source.find(&format!("\nfn {test}()"));
                    let start =
                        start.unwrap_or_else(|| panic!("{}/tests.rs has no test {test}", op.name));
                    assert!(
                        calls(&op.source[start..]),
                        "{test} does not call ops::{name}"
                    );
                }
                None => assert!(
                    compared,
                    "ops::{name} is compared with nothing: add a case with a gradient to {0}/reference.py and {0}/tests.rs, or \
                     name it in `otherwise` with its test",
                    op.name
                ),
            }
        }
        assert!(
            op.checks.cases.is_empty() || !op.checks.edges.is_empty(),
            "{} has no edges: add runs with a first dimension of 0",
            op.name
        );
    }
}

/// Nothing, and one of everything.
#[test]
fn empty_and_single_inputs_go_through_with_their_gradients() {
    let _generator = GENERATOR.lock();
    for (name, shape, run) in OPS.iter().flat_map(|op| op.checks.edges) {
        assert_eq!(shape[0], 0, "{name}");
        for batch in [0, 1] {
            let mut shape = shape.to_vec();
            shape[0] = batch;
            let x = Tensor::ones(&shape[..], DType::F32, &device()).unwrap();
            let x = Var::from_tensor(&x.affine(0.5, 0.1).unwrap()).unwrap();
            let y = run(x.as_tensor()).unwrap_or_else(|error| panic!("{name} {batch}: {error}"));
            assert!(
                y.rank() == 0 || y.dims()[0] == batch,
                "{name} {batch}: {:?}",
                y.dims()
            );
            let grads = y.sum_all().unwrap().backward().unwrap();
            let grad = grads
                .get(&x)
                .unwrap_or_else(|| panic!("{name} {batch}: no gradient"));
            assert_eq!(grad.dims(), shape, "{name}");
            if batch == 1 {
                assert!(
                    values(&y)
                        .iter()
                        .chain(&values(grad))
                        .all(|x| x.is_finite()),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn errors_say_what_was_expected() {
    for (run, text) in OPS.iter().flat_map(|op| op.checks.errors) {
        let error = run().unwrap_err().to_string();
        assert!(error.contains(text), "{error:?} does not say {text:?}");
    }
}
