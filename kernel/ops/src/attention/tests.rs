//! The op beside PyTorch's, and at its edges.

use candle_core::{DType, Device, Tensor, Var};

use crate::{
    self as ops, Attention,
    reference::{Checks, GENERATOR, some, values},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("attention/plain", |x| ops::attention(&x[0], &x[1], &x[2])),
        ("attention/one", |x| ops::attention(&x[0], &x[1], &x[2])),
        ("attention/causal", |x| {
            ops::attention_with(
                &x[0],
                &x[1],
                &x[2],
                &Attention {
                    causal: true,
                    ..Default::default()
                },
            )
        }),
        ("attention/scale", |x| {
            ops::attention_with(
                &x[0],
                &x[1],
                &x[2],
                &Attention {
                    scale: Some(0.3),
                    ..Default::default()
                },
            )
        }),
        ("attention/", |x| {
            ops::attention_with(
                &x[0],
                &x[1],
                &x[2],
                &Attention {
                    mask: Some(x[3].clone()),
                    ..Default::default()
                },
            )
        }),
        ("self_attention/plain", |x| {
            ops::self_attention(&x[0], 3, &Attention::default())
        }),
        ("self_attention/long", |x| {
            ops::self_attention(&x[0], 2, &Attention::default())
        }),
    ],
    edges: &[
        ("self_attention", &[0, 5, 12], |x| {
            ops::self_attention(x, 2, &Attention::default())
        }),
        ("self_attention of one token", &[0, 1, 6], |x| {
            ops::self_attention(x, 2, &Attention::default())
        }),
        ("attention", &[0, 2, 3, 4], |x| ops::attention(x, x, x)),
    ],
    errors: &[(
        || ops::self_attention(&some(&[1, 2, 7])?, 2, &Attention::default()),
        "multiple of 3 * 2 heads",
    )],
    otherwise: &[],
};

#[test]
fn a_query_that_sees_nothing_gives_zeros_and_passes_nothing_on() {
    let make = || Var::from_tensor(&some(&[1, 2, 3, 4]).unwrap()).unwrap();
    let (q, k, v) = (make(), make(), make());
    let mut mask = vec![1u8; 9];
    mask[3..6].fill(0);
    let visible = Tensor::from_vec(mask.clone(), (3, 3), &Device::Cpu).unwrap();
    let added: Vec<f32> = mask
        .iter()
        .map(|&m| if m == 0 { f32::NEG_INFINITY } else { 0.0 })
        .collect();
    let added = Tensor::from_vec(added, (3, 3), &Device::Cpu).unwrap();
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
    let make =
        |seed: f64| Var::from_tensor(&(some(&[1, 2, 700, 4]).unwrap() * seed).unwrap()).unwrap();
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
        let mask = Var::zeros((1, 1, 700, 700), DType::F32, &Device::Cpu).unwrap();
        let settings = Attention {
            causal,
            mask: Some(mask.as_tensor().clone()),
            ..Attention::default()
        };
        let plain = ops::attention_with(&q, &k, &v, &settings).unwrap();
        let weights = some(&[1, 2, 700, 4]).unwrap();
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

/// Without dropout the mean over many draws is the result; each draw's gradient is that of its own weights.
#[test]
fn attention_dropout_keeps_the_mean_and_its_gradient_is_a_slope() {
    let _generator = GENERATOR.lock();
    let (q, k) = (some(&[1, 1, 3, 4]).unwrap(), some(&[1, 1, 70, 4]).unwrap());
    let v = Var::from_tensor(&some(&[1, 1, 70, 4]).unwrap()).unwrap();
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
    let direction = some(&[1, 1, 3, 4]).unwrap().to_dtype(DType::F64).unwrap();
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
