//! The CUDA kernels' source, compiled as C++ and run on the processor, against the ops of the CPU.
//!
//! This tests what the kernels compute where there is no GPU; that they compile for one is the build's test, and that they
//! run there is `tests/gpu`'s.

use std::{path::Path, process::Command, sync::OnceLock};

use candle_core::{Device, Result, Tensor, Var};
use libloading::{Library, Symbol};
use patchbay_ops::{self as ops, AdamFactors, AdamRule, OptimizerRule, optimizer_step};

/// Threads of a block; the kernels must not mind how many.
const THREADS: u32 = 64;

/// The compiled kernels, or none on a machine without a C++ compiler: that is said, past the output that the test runner keeps
/// to itself, and with `PATCHBAY_LONG_TESTS=1`, as in continuous integration, it is a failure.
fn kernels() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY
        .get_or_init(|| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda");
            let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernels.so");
            let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
            let status = Command::new(&compiler)
                .args(["-shared", "-fPIC", "-O1", "-std=c++17", "-pthread", "-I"])
                .arg(&folder)
                .arg("-I")
                .arg(folder.join("../../src/cuda"))
                .arg("-o")
                .arg(&library)
                .arg(folder.join("kernels.cpp"))
                .status();
            match status {
                Ok(status) => {
                    assert!(status.success(), "the kernels do not compile as C++");
                    // SAFETY: the library was just made of code of this repository, and runs nothing when it is loaded.
                    Some(unsafe { Library::new(&library) }.unwrap())
                }
                Err(error) => {
                    let why = format!(
                        "no C++ compiler ({compiler}: {error}); `apt install g++` gives one, CXX names another"
                    );
                    assert!(std::env::var_os("PATCHBAY_LONG_TESTS").is_none(), "{why}");
                    patchbay_compare::skipped(format!("the CUDA kernels' tests: {why}"));
                    None
                }
            }
        })
        .as_ref()
}

macro_rules! function {
    ($library:expr, $name:ident ( $($argument:ty),* $(,)? )) => {{
        // SAFETY: the types are those of the function in tests/cuda/kernels.cpp.
        let symbol: Symbol<'_, unsafe extern "C" fn($($argument),*)> =
            unsafe { $library.get(stringify!($name).as_bytes()) }.unwrap();
        symbol
    }};
}

/// Numbers of both signs that repeat nowhere.
fn some(shape: &[usize], seed: u64) -> Var {
    let count = shape.iter().product();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let values: Vec<f64> = (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64 * 6.0 - 3.0
        })
        .collect();
    Var::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn same(what: &str, ours: &[f64], expected: &Tensor) {
    let expected = values(expected);
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (i, (a, b)) in ours.iter().zip(&expected).enumerate() {
        assert!(
            (a - b).abs() <= 1e-10 * (1.0 + b.abs()),
            "{what}: {a} at {i}, expected {b}"
        );
    }
}

/// The result of an op on the CPU, and the gradients of its inputs for a gradient of the result.
fn reference(
    inputs: &[&Var],
    op: impl FnOnce(&[&Var]) -> Result<Tensor>,
) -> (Tensor, Tensor, Vec<Tensor>) {
    let result = op(inputs).unwrap();
    let grad = some(result.dims(), 99).as_detached_tensor();
    let grads = (&result * &grad)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    let grads = inputs
        .iter()
        .map(|input| grads.get(input).unwrap().clone())
        .collect();
    (result, grad, grads)
}

#[test]
fn activations() {
    let Some(library) = kernels() else { return };
    let forward = function!(
        library,
        run_activation_f64(u32, u32, i32, usize, *const f64, *mut f64)
    );
    let backward = function!(
        library,
        run_activation_backward_f64(u32, u32, i32, usize, *const f64, *const f64, *mut f64)
    );
    let ops = [
        ops::gelu,
        ops::gelu_tanh,
        ops::relu,
        ops::silu,
        ops::sigmoid,
    ];
    for (kind, op) in ops.into_iter().enumerate() {
        // More values than threads, so that the loops go round.
        let x = some(&[3, 301], 1);
        let (y, grad, grads) = reference(&[&x], |x| op(x[0]));
        let (x, grad) = (values(&x), values(&grad));
        let (mut ours, mut slopes) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
        // SAFETY: all arrays have as many values as the count says.
        unsafe {
            forward(
                3,
                THREADS,
                kind as i32,
                x.len(),
                x.as_ptr(),
                ours.as_mut_ptr(),
            );
            backward(
                3,
                THREADS,
                kind as i32,
                x.len(),
                x.as_ptr(),
                grad.as_ptr(),
                slopes.as_mut_ptr(),
            );
        }
        same(&format!("value of {kind}"), &ours, &y);
        same(&format!("gradient of {kind}"), &slopes, &grads[0]);
    }
}

#[test]
fn softmax_of_rows() {
    let Some(library) = kernels() else { return };
    let forward = function!(
        library,
        run_softmax_f64(u32, u32, i32, i32, *const f64, *mut f64)
    );
    let backward = function!(
        library,
        run_softmax_backward_f64(u32, u32, i32, i32, *const f64, *const f64, *mut f64)
    );
    for n in [1, 5, 64, 197] {
        for log in [false, true] {
            let x = some(&[4, n], 2);
            let op = if log { ops::log_softmax } else { ops::softmax };
            let (y, grad, grads) = reference(&[&x], |x| op(x[0]));
            let (x, grad) = (values(&x), values(&grad));
            let (mut ours, mut slopes) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
            // SAFETY: all arrays have four rows of n values.
            unsafe {
                forward(
                    4,
                    THREADS,
                    n as i32,
                    i32::from(log),
                    x.as_ptr(),
                    ours.as_mut_ptr(),
                );
                let y = values(&y);
                backward(
                    4,
                    THREADS,
                    n as i32,
                    i32::from(log),
                    y.as_ptr(),
                    grad.as_ptr(),
                    slopes.as_mut_ptr(),
                );
            }
            same(&format!("value, {n} {log}"), &ours, &y);
            same(&format!("gradient, {n} {log}"), &slopes, &grads[0]);
        }
    }
    // Rows with what is not finite are as on the CPU.
    let x = [f64::NEG_INFINITY, 1.0, 2.0, f64::NAN, 1.0, 2.0];
    let mut ours = [0.0; 6];
    // SAFETY: both arrays have two rows of three values.
    unsafe { forward(2, 32, 3, 0, x.as_ptr(), ours.as_mut_ptr()) };
    assert_eq!(ours[0], 0.0);
    assert!((ours[1] + ours[2] - 1.0).abs() < 1e-12);
    assert!(ours[3..].iter().all(|value| value.is_nan()));
}

#[test]
fn layer_norm_with_all_its_gradients() {
    let Some(library) = kernels() else { return };
    let forward = function!(
        library,
        run_layer_norm_f64(
            u32,
            u32,
            i32,
            f64,
            *const f64,
            *const f64,
            *const f64,
            *mut f64,
            *mut f64,
        )
    );
    let backward = function!(
        library,
        run_layer_norm_backward_f64(
            u32,
            u32,
            i32,
            *const f64,
            *const f64,
            *const f64,
            *const f64,
            *mut f64,
        )
    );
    let parameters = function!(
        library,
        run_layer_norm_parameters_f64(
            u32,
            u32,
            i32,
            i32,
            i32,
            *const f64,
            *const f64,
            *const f64,
            *mut f64,
        )
    );
    for (rows, n, piece) in [(1, 7, 3), (10, 100, 4), (5, 193, 2)] {
        let (x, weight, bias) = (some(&[rows, n], 3), some(&[n], 4), some(&[n], 5));
        let (y, grad, grads) = reference(&[&x, &weight, &bias], |x| {
            ops::layer_norm(x[0], Some(x[1]), Some(x[2]), 1e-5)
        });
        let (x, weight, bias, grad) = (values(&x), values(&weight), values(&bias), values(&grad));
        let pieces = rows.div_ceil(piece);
        let mut ours = vec![f64::NAN; x.len()];
        let mut statistics = vec![f64::NAN; 2 * rows];
        let mut slopes = vec![f64::NAN; x.len()];
        let mut partial = vec![f64::NAN; 2 * pieces * n];
        // SAFETY: there are `rows` rows of n values, n parameters of either kind, a pair of statistics for each row and
        // two sums for each column and piece.
        unsafe {
            forward(
                rows as u32,
                THREADS,
                n as i32,
                1e-5,
                x.as_ptr(),
                weight.as_ptr(),
                bias.as_ptr(),
                ours.as_mut_ptr(),
                statistics.as_mut_ptr(),
            );
            backward(
                rows as u32,
                THREADS,
                n as i32,
                x.as_ptr(),
                weight.as_ptr(),
                grad.as_ptr(),
                statistics.as_ptr(),
                slopes.as_mut_ptr(),
            );
            parameters(
                pieces as u32,
                THREADS,
                rows as i32,
                n as i32,
                piece as i32,
                x.as_ptr(),
                grad.as_ptr(),
                statistics.as_ptr(),
                partial.as_mut_ptr(),
            );
        }
        same("value", &ours, &y);
        same("gradient of the input", &slopes, &grads[0]);
        let sum = |which: usize| -> Vec<f64> {
            (0..n)
                .map(|column| {
                    (0..pieces)
                        .map(|piece| partial[(2 * piece + which) * n + column])
                        .sum()
                })
                .collect()
        };
        same("gradient of the weight", &sum(0), &grads[1]);
        same("gradient of the bias", &sum(1), &grads[2]);
    }
}

#[test]
fn optimizers_and_averages() {
    let Some(library) = kernels() else { return };
    let adam = function!(
        library,
        run_adam_f64(
            u32,
            u32,
            usize,
            *mut f64,
            *const f64,
            *mut f64,
            f64,
            f64,
            f64,
            f64,
            f64,
            f64,
            f64,
        )
    );
    let sgd = function!(
        library,
        run_sgd_f64(u32, u32, usize, *mut f64, *const f64, *mut f64, f64, f64, f64, f64, i32)
    );
    let ema = function!(
        library,
        run_ema_f64(u32, u32, usize, f64, *mut f64, *const f64)
    );
    let count = 150;
    for (decoupled, step) in [(true, 1), (true, 7), (false, 2)] {
        let (parameter, grad) = (some(&[count], 6), some(&[count], 7));
        let moments = Var::from_tensor(&some(&[2, count], 8).abs().unwrap()).unwrap();
        let (mut ours, mut our_moments) = (values(&parameter), values(&moments));
        let rule = AdamRule {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            weight_decay: 0.2,
            decoupled,
            step,
        };
        let AdamFactors {
            rate,
            root_scale,
            shrink,
            decay,
        } = rule.factors();
        let g = values(&grad);
        // SAFETY: `count` parameters and gradients, twice as many moments.
        unsafe {
            adam(
                2,
                THREADS,
                count,
                ours.as_mut_ptr(),
                g.as_ptr(),
                our_moments.as_mut_ptr(),
                rate,
                rule.beta1,
                rule.beta2,
                rule.eps,
                shrink,
                decay,
                root_scale,
            );
        }
        let moments = moments.as_detached_tensor();
        let moments =
            optimizer_step(&parameter, &grad, moments, OptimizerRule::Adam(rule)).unwrap();
        same("parameter after AdamRule", &ours, &parameter);
        same("moments after AdamRule", &our_moments, &moments);
    }
    for (momentum, nesterov, first) in [(0.0, false, true), (0.9, false, false), (0.9, true, true)]
    {
        let (parameter, grad, buffer) =
            (some(&[count], 9), some(&[count], 10), some(&[1, count], 11));
        let (mut ours, mut our_buffer) = (values(&parameter), values(&buffer));
        let dampening = if nesterov { 0.0 } else { 0.3 };
        let rule = OptimizerRule::Sgd {
            learning_rate: 0.1,
            momentum,
            dampening,
            weight_decay: 0.2,
            nesterov,
            first,
        };
        let rest = if first { 1.0 } else { 1.0 - dampening };
        let g = values(&grad);
        // SAFETY: `count` parameters, gradients and moments.
        unsafe {
            sgd(
                2,
                THREADS,
                count,
                ours.as_mut_ptr(),
                g.as_ptr(),
                our_buffer.as_mut_ptr(),
                0.1,
                momentum,
                rest,
                0.2,
                i32::from(nesterov),
            );
        }
        let buffer = optimizer_step(&parameter, &grad, buffer.as_detached_tensor(), rule).unwrap();
        same("parameter after SGD", &ours, &parameter);
        same("momentum after SGD", &our_buffer, &buffer);
    }
    let (average, value) = (some(&[count], 12), some(&[count], 13));
    let (mut ours, new) = (values(&average), values(&value));
    // SAFETY: `count` values in both arrays.
    unsafe { ema(1, THREADS, count, 0.995, ours.as_mut_ptr(), new.as_ptr()) };
    let average = average.as_detached_tensor();
    ops::ema_update(
        std::slice::from_ref(&average),
        &[value.as_detached_tensor()],
        0.995,
    )
    .unwrap();
    same("average", &ours, &average);
}

#[test]
fn windows() {
    let Some(library) = kernels() else { return };
    let windows = function!(
        library,
        run_windows_f64(i32, u32, i32, i32, i32, i32, i32, *const f64, *mut f64, *mut f64)
    );
    for (height, width, radius, rows) in [
        (1, 1, 3, 4),
        (9, 70, 2, 4),
        (40, 33, 7, 16),
        (12, 20, 30, 5),
    ] {
        let x = some(&[2, height, width], 14);
        let input = values(&x);
        let run = |least: bool| {
            let (mut between, mut y) = (vec![f64::NAN; input.len()], vec![f64::NAN; input.len()]);
            // SAFETY: all arrays have two planes of that height and width, and the radius is below what the test's
            // shared memory has room for.
            unsafe {
                windows(
                    i32::from(least),
                    THREADS,
                    2,
                    height as i32,
                    width as i32,
                    radius as i32,
                    rows,
                    input.as_ptr(),
                    between.as_mut_ptr(),
                    y.as_mut_ptr(),
                );
            }
            y
        };
        let what = format!("{height} x {width}, radius {radius}");
        same(
            &format!("least of {what}"),
            &run(true),
            &ops::min_filter(&x, radius).unwrap(),
        );
        // The kernel has the sums, the op divides them by the values inside.
        let ones = x.ones_like().unwrap();
        let means = ops::box_filter(&x, radius).unwrap();
        let inside = |i: usize, length: usize| {
            (i.saturating_add(radius).min(length - 1) - i.saturating_sub(radius) + 1) as f64
        };
        let area: Vec<f64> = (0..2 * height * width)
            .map(|i| inside(i / width % height, height) * inside(i % width, width))
            .collect();
        let area = Tensor::from_vec(area, ones.shape(), &Device::Cpu).unwrap();
        same(
            &format!("sum of {what}"),
            &run(false),
            &(means * area).unwrap(),
        );
    }
}

#[test]
fn sums_of_squares() {
    let Some(library) = kernels() else { return };
    let squares = function!(
        library,
        run_squares_f64(u32, u32, usize, *const f64, *mut f64)
    );
    let total = function!(library, run_total(u32, usize, *const f64, *mut f64));
    for (count, blocks) in [(1, 1), (1000, 3), (777, 100)] {
        let x = some(&[count], 15);
        let input = values(&x);
        let mut partial = vec![f64::NAN; blocks as usize];
        let mut sum = [f64::NAN];
        // SAFETY: `count` values, a place for each block, and one for the total of as many.
        unsafe {
            squares(blocks, THREADS, count, input.as_ptr(), partial.as_mut_ptr());
            total(THREADS, partial.len(), partial.as_ptr(), sum.as_mut_ptr());
        }
        let expected = ops::sum_of_squares(&[x.as_tensor()]).unwrap();
        assert!(
            (sum[0] - expected).abs() <= 1e-12 * expected,
            "{sum:?} and {expected}"
        );
    }
}

#[test]
fn indices_outside_of_their_range() {
    let Some(library) = kernels() else { return };
    let of_u8 = function!(
        library,
        run_outside_u8(u32, u32, usize, i64, i32, i64, *const u8, *mut i64)
    );
    let of_u32 = function!(
        library,
        run_outside_u32(u32, u32, usize, i64, i32, i64, *const u32, *mut i64)
    );
    let of_i64 = function!(
        library,
        run_outside_i64(u32, u32, usize, i64, i32, i64, *const i64, *mut i64)
    );
    let found = |run: &dyn Fn(*mut i64)| {
        let mut found = [0, 0];
        run(found.as_mut_ptr());
        (found[0] != 0).then_some(found[1])
    };
    // More than one round of the loop.
    let mut large: Vec<i64> = (0..1000).map(|i| i % 10).collect();
    // SAFETY, here and below: the counts are those of the arrays, and there are two numbers for what is found.
    let look = |index: &[i64], ignored: Option<i64>| {
        found(&|found| unsafe {
            let ignores = i32::from(ignored.is_some());
            let ignored = ignored.unwrap_or_default();
            of_i64(
                2,
                THREADS,
                index.len(),
                10,
                ignores,
                ignored,
                index.as_ptr(),
                found,
            );
        })
    };
    assert_eq!(look(&large, None), None);
    large[990] = -100;
    assert_eq!(look(&large, None), Some(-100));
    assert_eq!(look(&large, Some(-100)), None);
    large[991] = 10;
    assert_eq!(look(&large, Some(-100)), Some(10));
    // An ignored index of 0 is not one that is not there.
    assert_eq!(look(&[0, 3], Some(0)), None);
    let bytes = [1u8, 200, 3];
    let outside = found(&|found| unsafe { of_u8(1, THREADS, 3, 4, 0, 0, bytes.as_ptr(), found) });
    assert_eq!(outside, Some(200));
    let words = [1u32, u32::MAX, 3];
    let outside = found(&|found| unsafe { of_u32(1, THREADS, 3, 4, 0, 0, words.as_ptr(), found) });
    assert_eq!(outside, Some(i64::from(u32::MAX)));
}

#[test]
fn the_kth_largest_of_each_row() {
    let Some(library) = kernels() else { return };
    let largest = function!(
        library,
        run_largest(u32, u32, u32, usize, u32, *const f32, *mut u32, *mut u32, *mut f32)
    );
    let (rows, n) = (3, 700);
    let mut x = narrow(&values(&some(&[rows, n], 30)));
    // Equal numbers, both zeros, numbers that differ in their last bits only, and what has no end.
    x[..350].fill(0.5);
    x[700] = -0.0;
    x[701] = 0.0;
    for (i, value) in x[1400..].iter_mut().enumerate() {
        *value = f32::from_bits(1.0f32.to_bits() + i as u32);
    }
    x[1400] = f32::INFINITY;
    x[1401] = f32::NEG_INFINITY;
    let tensor = Tensor::from_slice(&x, (rows, n), &Device::Cpu).unwrap();
    for k in [1, 2, 349, 351, 699, 700] {
        let mut state = vec![0; 2 * rows];
        let mut counts = vec![0; 2048 * rows];
        let mut out = vec![f32::NAN; rows];
        // SAFETY: there are `rows` rows of `n` values, with two numbers, 2,048 counts and a place for the result each.
        unsafe {
            largest(
                2,
                THREADS,
                rows as u32,
                n,
                k as u32,
                x.as_ptr(),
                state.as_mut_ptr(),
                counts.as_mut_ptr(),
                out.as_mut_ptr(),
            );
        }
        let expected = ops::kth_largest(&tensor, k).unwrap();
        let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(out, expected, "k is {k}");
    }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

#[track_caller]
fn near(what: &str, narrow: &[f32], wide: &[f64]) {
    assert_eq!(narrow.len(), wide.len(), "{what}");
    for (i, (&a, &b)) in narrow.iter().zip(wide).enumerate() {
        assert!(
            (f64::from(a) - b).abs() <= 2e-5 * (1.0 + b.abs()),
            "{what}: {a} at {i} in f32, {b} in f64"
        );
    }
}

/// Runs a kernel in f64 and in f32, on the same arrays, which it may write; whatever is in them afterwards must be near.
macro_rules! in_both_types {
    ($library:expr, $f64:ident, $f32:ident, ($($number:expr => $type:ty),*), [$($array:ident),*]) => {{
        $(let mut $array = $array.clone();)*
        {
            $(let mut $array = narrow(&$array);)*
            let run = function!($library, $f32($($type,)* $(in_both_types!(@pointer $array f32)),*));
            // SAFETY: the arrays have the lengths that the numbers say.
            unsafe { run($($number,)* $($array.as_mut_ptr()),*) };
            NARROW.set(vec![$($array),*]);
        }
        let run = function!($library, $f64($($type,)* $(in_both_types!(@pointer $array f64)),*));
        // SAFETY: as above.
        unsafe { run($($number,)* $($array.as_mut_ptr()),*) };
        for (narrow, wide) in NARROW.take().iter().zip([$($array),*]) {
            near(stringify!($f32), narrow, &wide);
        }
    }};
    (@pointer $array:ident $type:ty) => { *mut $type };
}

thread_local! {
    static NARROW: std::cell::Cell<Vec<Vec<f32>>> = const { std::cell::Cell::new(Vec::new()) };
}

#[test]
fn f32_is_near_f64() {
    let Some(library) = kernels() else { return };
    let random = |count: usize, seed| values(&some(&[count], seed));
    let (rows, n) = (6usize, 75usize);
    let count = rows * n;
    let (x, grad, out) = (random(count, 20), random(count, 21), vec![0.0; count]);
    for kind in 0..5 {
        in_both_types!(library, run_activation_f64, run_activation_f32, (3 => u32, THREADS => u32, kind => i32, count => usize), [x, out]);
        in_both_types!(library, run_activation_backward_f64, run_activation_backward_f32, (3 => u32, THREADS => u32, kind => i32, count => usize), [x, grad, out]);
    }
    for log in 0..2 {
        in_both_types!(library, run_softmax_f64, run_softmax_f32, (rows as u32 => u32, THREADS => u32, n as i32 => i32, log => i32), [x, out]);
        in_both_types!(library, run_softmax_backward_f64, run_softmax_backward_f32, (rows as u32 => u32, THREADS => u32, n as i32 => i32, log => i32), [x, grad, out]);
    }
    let (weight, bias) = (random(n, 22), random(n, 23));
    // Means, and reciprocals of standard deviations.
    let statistics = random(2 * rows, 24);
    let partial = vec![0.0; 2 * rows.div_ceil(4) * n];
    in_both_types!(library, run_layer_norm_f64, run_layer_norm_f32, (rows as u32 => u32, THREADS => u32, n as i32 => i32, 1e-5 => f64), [x, weight, bias, out, statistics]);
    in_both_types!(library, run_layer_norm_backward_f64, run_layer_norm_backward_f32, (rows as u32 => u32, THREADS => u32, n as i32 => i32), [x, weight, grad, statistics, out]);
    in_both_types!(library, run_layer_norm_parameters_f64, run_layer_norm_parameters_f32, (2 => u32, THREADS => u32, rows as i32 => i32, n as i32 => i32, 4 => i32), [x, grad, statistics, partial]);

    let moments: Vec<f64> = random(2 * count, 25)
        .iter()
        .map(|value| value.abs())
        .collect();
    let adam = function!(
        library,
        run_adam_f64(
            u32,
            u32,
            usize,
            *mut f64,
            *const f64,
            *mut f64,
            f64,
            f64,
            f64,
            f64,
            f64,
            f64,
            f64,
        )
    );
    let adam_f32 = function!(
        library,
        run_adam_f32(
            u32,
            u32,
            usize,
            *mut f32,
            *const f32,
            *mut f32,
            f64,
            f64,
            f64,
            f64,
            f64,
            f64,
            f64,
        )
    );
    let (mut wide, mut wide_moments) = (x.clone(), moments.clone());
    let (mut short, mut short_moments) = (narrow(&x), narrow(&moments));
    let narrow_grad = narrow(&grad);
    // SAFETY: `count` parameters and gradients, twice as many moments.
    unsafe {
        adam(
            2,
            THREADS,
            count,
            wide.as_mut_ptr(),
            grad.as_ptr(),
            wide_moments.as_mut_ptr(),
            0.1,
            0.9,
            0.99,
            1e-8,
            0.98,
            0.0,
            1.1,
        );
        adam_f32(
            2,
            THREADS,
            count,
            short.as_mut_ptr(),
            narrow_grad.as_ptr(),
            short_moments.as_mut_ptr(),
            0.1,
            0.9,
            0.99,
            1e-8,
            0.98,
            0.0,
            1.1,
        );
    }
    near("parameter after AdamRule", &short, &wide);
    near("moments after AdamRule", &short_moments, &wide_moments);
    let sgd = function!(
        library,
        run_sgd_f64(u32, u32, usize, *mut f64, *const f64, *mut f64, f64, f64, f64, f64, i32)
    );
    let sgd_f32 = function!(
        library,
        run_sgd_f32(u32, u32, usize, *mut f32, *const f32, *mut f32, f64, f64, f64, f64, i32)
    );
    // SAFETY: `count` parameters, gradients and moments.
    unsafe {
        sgd(
            2,
            THREADS,
            count,
            wide.as_mut_ptr(),
            grad.as_ptr(),
            wide_moments.as_mut_ptr(),
            0.1,
            0.9,
            0.7,
            0.2,
            1,
        );
        sgd_f32(
            2,
            THREADS,
            count,
            short.as_mut_ptr(),
            narrow_grad.as_ptr(),
            short_moments.as_mut_ptr(),
            0.1,
            0.9,
            0.7,
            0.2,
            1,
        );
    }
    near("parameter after SGD", &short, &wide);
    near("moments after SGD", &short_moments, &wide_moments);
    // Without momentum there are no moments, and none are read.
    // SAFETY: `count` parameters and gradients.
    unsafe {
        sgd(
            2,
            THREADS,
            count,
            wide.as_mut_ptr(),
            grad.as_ptr(),
            std::ptr::null_mut(),
            0.1,
            0.0,
            1.0,
            0.2,
            0,
        );
        sgd_f32(
            2,
            THREADS,
            count,
            short.as_mut_ptr(),
            narrow_grad.as_ptr(),
            std::ptr::null_mut(),
            0.1,
            0.0,
            1.0,
            0.2,
            0,
        );
    }
    near("parameter after SGD without momentum", &short, &wide);
    in_both_types!(library, run_ema_f64, run_ema_f32, (2 => u32, THREADS => u32, count => usize, 0.995 => f64), [x, grad]);

    let mut wide = vec![0.0; 3];
    let mut short = vec![0.0; 3];
    let squares = function!(
        library,
        run_squares_f64(u32, u32, usize, *const f64, *mut f64)
    );
    let squares_f32 = function!(
        library,
        run_squares_f32(u32, u32, usize, *const f32, *mut f64)
    );
    let narrow_x = narrow(&x);
    // SAFETY: `count` values and a place for each block.
    unsafe {
        squares(3, THREADS, count, x.as_ptr(), wide.as_mut_ptr());
        squares_f32(3, THREADS, count, narrow_x.as_ptr(), short.as_mut_ptr());
    }
    near("squares", &narrow(&short), &wide);

    let between = out.clone();
    for least in 0..2 {
        in_both_types!(library, run_windows_f64, run_windows_f32, (least => i32, THREADS => u32, 1 => i32, rows as i32 => i32, n as i32 => i32, 4 => i32, 4 => i32), [x, between, out]);
    }
}

/// The sums are f64: with a large value beside small ones, a sum in f32 would have lost these.
#[test]
fn sums_of_windows_in_f32_lose_nothing() {
    let Some(library) = kernels() else { return };
    let windows = function!(
        library,
        run_windows_f32(i32, u32, i32, i32, i32, i32, i32, *const f32, *mut f32, *mut f32)
    );
    let mut x = vec![1.0f32; 400];
    x[200] = 3e8;
    let (mut between, mut y) = (vec![f32::NAN; 400], vec![f32::NAN; 400]);
    // SAFETY: all arrays have one plane of one row of 400 values.
    unsafe {
        windows(
            0,
            THREADS,
            1,
            1,
            400,
            50,
            4,
            x.as_ptr(),
            between.as_mut_ptr(),
            y.as_mut_ptr(),
        );
    }
    for (i, &sum) in y.iter().enumerate() {
        let (from, to) = (i.saturating_sub(50), (i + 50).min(399));
        let expected: f64 = x[from..=to].iter().map(|&value| f64::from(value)).sum();
        assert_eq!(sum, expected as f32, "at {i}");
    }
}
