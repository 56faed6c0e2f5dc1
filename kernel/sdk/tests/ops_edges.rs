//! What ops do at the edges: nothing at all, everything masked, dropout, and inputs that do not fit.

use std::sync::Mutex;

use patchbay::{
    Result,
    candle::{DType, Device, Tensor, Var},
    ops::{self, Attention, Conv2d, CrossEntropy, Interpolation, Reduction},
};

const CPU: Device = Device::Cpu;

/// Held by tests that draw: the generator is the process's.
static GENERATOR: Mutex<()> = Mutex::new(());

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32, &CPU).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// Numbers that look random and are not.
fn some(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|i| ((i * 7919 % 1000) as f32 / 500.0) - 1.0)
        .collect();
    Tensor::from_vec(values, shape, &CPU).unwrap()
}

#[test]
fn empty_batches_go_through_with_empty_gradients() {
    type Run = fn(&Tensor) -> Result<Tensor>;
    let runs: [(&str, &[usize], Run); 13] = [
        ("gelu", &[0, 3], ops::gelu),
        ("softmax", &[0, 64], ops::softmax),
        ("log_softmax", &[0, 5], ops::log_softmax),
        ("layer_norm", &[0, 4], |x| {
            ops::layer_norm(x, Some(&zeros(&[4])), Some(&zeros(&[4])), 1e-5)
        }),
        ("rms_norm", &[0, 4], |x| {
            ops::rms_norm(x, Some(&zeros(&[4])), 1e-5)
        }),
        ("l2_normalise", &[0, 4], |x| ops::l2_normalise(x, -1, 1e-12)),
        ("dropout", &[0, 4], |x| ops::dropout(x, 0.5, true)),
        ("linear", &[0, 4], |x| {
            ops::linear(x, &zeros(&[3, 4]), Some(&zeros(&[3])))
        }),
        ("matmul", &[0, 2, 4], |x| ops::matmul(x, &zeros(&[4, 3]))),
        ("self_attention", &[0, 5, 12], |x| {
            ops::self_attention(x, 2, &Attention::default())
        }),
        ("conv2d", &[0, 2, 5, 5], |x| {
            ops::conv2d(x, &zeros(&[3, 2, 3, 3]), None, Conv2d::default())
        }),
        ("max_pool2d", &[0, 2, 4, 4], |x| {
            ops::max_pool2d(x, (2, 2), (2, 2), (0, 0))
        }),
        ("interpolate", &[0, 2, 4, 4], |x| {
            ops::interpolate(x, (8, 8), Interpolation::Bicubic)
        }),
    ];
    let _generator = GENERATOR.lock();
    for (name, shape, run) in runs {
        let x = Var::from_tensor(&zeros(shape)).unwrap();
        let y = run(&x).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(y.dims()[0], 0, "{name}");
        let grads = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(grads.get(&x).unwrap().dims(), shape, "{name}");
    }
    let table = Var::from_tensor(&some(&[3, 4])).unwrap();
    let ids = Tensor::zeros((0, 2), DType::I64, &CPU).unwrap();
    let y = ops::embedding(&ids, &table, None).unwrap();
    assert_eq!(y.dims(), [0, 2, 4]);
    assert_eq!(
        values(
            y.sum_all()
                .unwrap()
                .backward()
                .unwrap()
                .get(&table)
                .unwrap()
        ),
        [0.0; 12]
    );
    // A mean over nothing is not a number, a sum is zero.
    let (logits, none) = (zeros(&[0, 4]), Tensor::zeros(0, DType::I64, &CPU).unwrap());
    assert!(
        ops::cross_entropy(&logits, &none)
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
            .is_nan()
    );
    let sum = CrossEntropy {
        reduction: Reduction::Sum,
        ..CrossEntropy::default()
    };
    assert_eq!(
        ops::cross_entropy_with(&logits, &none, &sum)
            .unwrap()
            .to_scalar::<f32>()
            .unwrap(),
        0.0
    );
}

#[test]
fn a_query_that_sees_nothing_gives_zeros_and_passes_nothing_on() {
    let make = || Var::from_tensor(&some(&[1, 2, 3, 4])).unwrap();
    let (q, k, v) = (make(), make(), make());
    let mut mask = vec![1u8; 9];
    mask[3..6].fill(0);
    let visible = Tensor::from_vec(mask.clone(), (3, 3), &CPU).unwrap();
    let added: Vec<f32> = mask
        .iter()
        .map(|&m| if m == 0 { f32::NEG_INFINITY } else { 0.0 })
        .collect();
    let added = Tensor::from_vec(added, (3, 3), &CPU).unwrap();
    for mask in [visible, added] {
        let y = ops::attention_with(
            &q,
            &k,
            &v,
            &Attention {
                mask: Some(mask),
                ..Attention::default()
            },
        )
        .unwrap();
        let hidden = y.narrow(2, 1, 1).unwrap();
        assert_eq!(values(&hidden), [0.0; 8]);
        let grads = (&y * &y).unwrap().sum_all().unwrap().backward().unwrap();
        assert_eq!(
            values(&grads.get(&q).unwrap().narrow(2, 1, 1).unwrap()),
            [0.0; 8]
        );
        for var in [&q, &k, &v] {
            assert!(
                values(grads.get(var).unwrap())
                    .iter()
                    .all(|x| x.is_finite())
            );
        }
    }
}

/// The tiles of long sequences give what one tile gives.
#[test]
fn attention_in_tiles_is_attention() {
    let make = |seed: f64| Var::from_tensor(&(some(&[1, 2, 700, 4]) * seed).unwrap()).unwrap();
    let (q, k, v) = (make(1.0), make(0.7), make(1.3));
    for causal in [false, true] {
        let fused = ops::attention_with(
            &q,
            &k,
            &v,
            &Attention {
                causal,
                ..Attention::default()
            },
        )
        .unwrap();
        // A learned mask of zeros takes the path that holds all scores.
        let mask = Var::zeros((1, 1, 700, 700), DType::F32, &CPU).unwrap();
        let settings = Attention {
            causal,
            mask: Some(mask.as_tensor().clone()),
            ..Attention::default()
        };
        let plain = ops::attention_with(&q, &k, &v, &settings).unwrap();
        let weights = some(&[1, 2, 700, 4]);
        let grads = |y: &Tensor| {
            (y * &weights)
                .unwrap()
                .sum_all()
                .unwrap()
                .backward()
                .unwrap()
        };
        let (fused_grads, plain_grads) = (grads(&fused), grads(&plain));
        let mut pairs = vec![(fused, plain)];
        for var in [&q, &k, &v] {
            pairs.push((
                fused_grads.get(var).unwrap().clone(),
                plain_grads.get(var).unwrap().clone(),
            ));
        }
        for (index, (fused, plain)) in pairs.iter().enumerate() {
            let (fused, plain) = (values(fused), values(plain));
            let largest = plain.iter().fold(0f32, |a, b| a.max(b.abs()));
            for (fused, plain) in fused.iter().zip(&plain) {
                assert!(
                    (fused - plain).abs() < 2e-5 * largest,
                    "{causal} {index}: {fused} and {plain}"
                );
            }
        }
    }
}

#[test]
fn dropout_drops_its_share_and_its_gradient_has_the_same_mask() {
    let _generator = GENERATOR.lock();
    ops::seed(7);
    let x = Var::from_tensor(&Tensor::ones(100_003, DType::F32, &CPU).unwrap()).unwrap();
    let y = ops::dropout(&x, 0.3, true).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert_eq!(values(&y), values(grads.get(&x).unwrap()));
    let kept = values(&y).iter().filter(|&&y| y != 0.0).count() as f64 / 100_003.0;
    assert!((kept - 0.7).abs() < 0.006, "{kept}");
    assert!(
        values(&y)
            .iter()
            .all(|&y| y == 0.0 || (y - 1.0 / 0.7).abs() < 1e-6)
    );
    let other = ops::dropout(&x, 0.3, true).unwrap();
    assert_ne!(values(&y), values(&other), "two calls have two masks");
    ops::seed(7);
    assert_eq!(
        values(&y),
        values(&ops::dropout(&x, 0.3, true).unwrap()),
        "equal seeds have equal masks"
    );
    assert_eq!(values(&ops::dropout(&x, 0.3, false).unwrap()), values(&x));
    assert!(ops::dropout(&x, 1.5, true).is_err());
}

/// Without dropout the mean over many draws is the result; each draw's gradient is that of its own weights.
#[test]
fn attention_dropout_keeps_the_mean_and_its_gradient_is_a_slope() {
    let _generator = GENERATOR.lock();
    let (q, k) = (some(&[1, 1, 3, 4]), some(&[1, 1, 70, 4]));
    let v = Var::from_tensor(&some(&[1, 1, 70, 4])).unwrap();
    let settings = Attention {
        dropout: 0.5,
        ..Attention::default()
    };
    let exact = values(&ops::attention(&q, &k, &v).unwrap());
    let mut mean = vec![0f64; exact.len()];
    for seed in 0..2000 {
        ops::seed(seed);
        for (mean, y) in mean
            .iter_mut()
            .zip(values(&ops::attention_with(&q, &k, &v, &settings).unwrap()))
        {
            *mean += f64::from(y) / 2000.0;
        }
    }
    for (mean, exact) in mean.iter().zip(&exact) {
        assert!(
            (mean - f64::from(*exact)).abs() < 0.02,
            "{mean} and {exact}"
        );
    }
    // The result is linear in the values, so the gradient times the values is the result.
    ops::seed(1);
    let y = ops::attention_with(&q, &k, &v, &settings).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    let through = (grads.get(&v).unwrap() * v.as_tensor())
        .unwrap()
        .sum_all()
        .unwrap();
    let difference = (through - y.sum_all().unwrap())
        .unwrap()
        .to_scalar::<f32>()
        .unwrap();
    assert!(difference.abs() < 1e-4, "{difference}");
    // And the gradient of the queries is the slope of the draw.
    let q = Var::from_tensor(&q.to_dtype(DType::F64).unwrap()).unwrap();
    let (k, v) = (
        k.to_dtype(DType::F64).unwrap(),
        v.to_dtype(DType::F64).unwrap(),
    );
    let loss = |q: &Tensor| {
        ops::seed(3);
        ops::attention_with(q, &k, &v, &settings)
            .unwrap()
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
    };
    let grads = loss(&q).backward().unwrap();
    let direction = some(&[1, 1, 3, 4]).to_dtype(DType::F64).unwrap();
    let at = |step: f64| {
        loss(&(q.as_tensor() + (&direction * step).unwrap()).unwrap())
            .to_scalar::<f64>()
            .unwrap()
    };
    let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
    let expected = (grads.get(&q).unwrap() * &direction)
        .unwrap()
        .sum_all()
        .unwrap()
        .to_scalar::<f64>()
        .unwrap();
    assert!(
        (slope - expected).abs() < 1e-6 * (1.0 + expected.abs()),
        "{slope} and {expected}"
    );
}

#[test]
fn untracked_operands_get_no_gradient() {
    let x = Var::from_tensor(&some(&[4, 8])).unwrap();
    let queue = some(&[8, 100]);
    let grads = ops::matmul(&x, &queue)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    assert!(grads.get(&x).is_some() && grads.get(&queue).is_none());
    let weight = some(&[5, 8]);
    let grads = ops::linear(&x, &weight, None)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    assert!(grads.get(&x).is_some() && grads.get(&weight).is_none());
}

#[test]
fn averages_move_in_place() {
    let (average, value) = (some(&[40_000]), some(&[200, 200]).flatten_all().unwrap());
    let average = average.affine(1.0, 1.0).unwrap();
    let before = values(&average);
    ops::ema_update(
        std::slice::from_ref(&average),
        std::slice::from_ref(&value),
        0.75,
    )
    .unwrap();
    for ((now, before), value) in values(&average).iter().zip(before).zip(values(&value)) {
        assert!((now - (0.75 * before + 0.25 * value)).abs() < 1e-6);
    }
    assert!(ops::ema_update(&[average], &[some(&[3])], 0.5).is_err());
}

#[test]
fn errors_say_what_was_expected() {
    let x = some(&[2, 3]);
    let ids = Tensor::new(&[1i64, 7], &CPU).unwrap();
    let cases: [(Result<Tensor>, &str); 9] = [
        (ops::softmax_dim(&x, 2), "must be from -2 to 1"),
        (ops::gelu(&ids), "must be f32, f64"),
        (ops::cross_entropy(&x, &ids), "must be from 0 to 2"),
        (
            ops::cross_entropy(&x, &some(&[3, 2])),
            "probabilities have the logits' shape",
        ),
        (
            ops::linear(&x, &some(&[4, 5]), None),
            "[..., in] and [out, in]",
        ),
        (
            ops::layer_norm(&x, Some(&some(&[2])), None, 1e-5),
            "the last dimensions of the input are [3]",
        ),
        (
            ops::self_attention(&some(&[1, 2, 7]), 2, &Attention::default()),
            "multiple of 3 * 2 heads",
        ),
        (ops::embedding(&ids, &x, None), "must be from 0 to 1"),
        (ops::masked_fill(&x, &x, 0.0), "must be u8"),
    ];
    for (result, text) in cases {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(text), "{error:?} does not say {text:?}");
    }
}

#[test]
fn the_least_of_windows_is_the_largest_of_what_is_negated() {
    let x = some(&[2, 3, 9, 8]);
    for radius in [0, 1, 3] {
        let side = 2 * radius + 1;
        let expected = ops::max_pool2d(&x.neg().unwrap(), (side, side), (1, 1), (radius, radius))
            .unwrap()
            .neg()
            .unwrap();
        assert_eq!(
            values(&ops::min_filter(&x, radius).unwrap()),
            values(&expected)
        );
    }
    let missing = Tensor::new(&[[1.0f32, f32::NAN, 3.0, 4.0, 0.5]], &Device::Cpu).unwrap();
    let least = values(&ops::min_filter(&missing, 1).unwrap());
    assert!(least[..3].iter().all(|value| value.is_nan()), "{least:?}");
    assert_eq!(least[3..], [0.5, 0.5]);
}
