//! The op beside PyTorch's, and at its edges.

use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{DType, Device, Result, Shape, Tensor, Var};

use crate::{
    self as ops,
    reference::{Checks, GENERATOR, zeros},
    residual_mlp::narrow::INPUTS,
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[("residual_mlp/", |x| {
        let layer = |first: usize| (&x[first], Some(&x[first + 1]));
        ops::residual_mlp(&x[0], layer(1), layer(3), layer(5), 0.0, true)
    })],
    edges: &[("residual_mlp", &[0, 3], |x| {
        let pair = |outputs: usize, inputs: usize| -> Result<_> {
            Ok((zeros(&[outputs, inputs])?, zeros(&[outputs])?))
        };
        let (hidden, output, skip) = (pair(4, 3)?, pair(2, 4)?, pair(2, 3)?);
        ops::residual_mlp(
            x,
            (&hidden.0, Some(&hidden.1)),
            (&output.0, Some(&output.1)),
            (&skip.0, Some(&skip.1)),
            0.0,
            true,
        )
    })],
    errors: &[],
    otherwise: &[],
};

/// Values that look random. They draw nothing: another test's draws would move the dropped elements.
fn random(shape: impl Into<Shape>) -> Var {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let shape = shape.into();
    let count = shape.elem_count() as u64;
    let first = COUNT.fetch_add(count, Ordering::Relaxed);
    let value = |index: u64| 3.0 * ((index as f64 * 12.9898).sin() * 43758.5453).fract();
    let values: Vec<f64> = (first..first + count).map(value).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

struct Block([Var; 6]);

impl Block {
    fn new(inputs: usize, hidden: usize, outputs: usize) -> Block {
        Block([
            random((hidden, inputs)),
            random(hidden),
            random((outputs, hidden)),
            random(outputs),
            random((outputs, inputs)),
            random(outputs),
        ])
    }

    fn in_one(&self, x: &Tensor, p: f64) -> Result<Tensor> {
        let [a, b, c, d, e, f] = &self.0;
        ops::residual_mlp(x, (a, Some(b)), (c, Some(d)), (e, Some(f)), p, true)
    }

    fn in_turn(&self, x: &Tensor, p: f64) -> Tensor {
        let [a, b, c, d, e, f] = &self.0;
        let inner = ops::relu(&ops::linear(x, a, Some(b)).unwrap()).unwrap();
        let inner = ops::dropout(&ops::linear(&inner, c, Some(d)).unwrap(), p, true).unwrap();
        (inner + ops::linear(x, e, Some(f)).unwrap()).unwrap()
    }
}

fn assert_near(one: &Tensor, turn: &Tensor) {
    assert_eq!(one.dims(), turn.dims());
    let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert!(patchbay_compare::largest_difference(&values(one), &values(turn)) < 1e-8);
}

#[test]
fn many_rows_are_the_ops_in_turn_with_the_same_dropped() {
    let _generator = GENERATOR.lock();
    // Several parts of several pieces, none of which is whole at its end.
    for (rows, inputs, hidden, outputs, p) in [
        (20_001, 3, 20, 2, 0.3),
        (5003, 8, 128, 1, 0.5),
        (1, 64, 1, 16, 0.0),
    ] {
        let (block, x) = (Block::new(inputs, hidden, outputs), random((rows, inputs)));
        let cotangent = random((rows, outputs));
        let gradients = |y: &Tensor| {
            let loss = (y * cotangent.as_tensor()).unwrap().sum_all().unwrap();
            let store = loss.backward().unwrap();
            let vars = block.0.iter().chain([&x]);
            vars.map(|var| store.get(var).cloned().unwrap())
                .collect::<Vec<_>>()
        };
        let state = ops::random_state();
        let one = block.in_one(&x, p).unwrap();
        ops::set_random_state(state);
        let turn = block.in_turn(&x, p);
        assert_near(&one, &turn);
        for (one, turn) in gradients(&one).iter().zip(&gradients(&turn)) {
            assert_near(one, turn);
        }
    }
}

#[test]
fn only_what_is_tracked_gets_a_gradient() {
    let (x, [a, b, c, d, e, f]) = (random((5, 3)), Block::new(3, 4, 1).0);
    let plain = |var: &Var| var.as_detached_tensor();
    let (x_plain, a_plain, b_plain) = (plain(&x), plain(&a), plain(&b));
    let (d_plain, e_plain, f_plain) = (plain(&d), plain(&e), plain(&f));
    let (hidden, output) = ((&a_plain, Some(&b_plain)), (c.as_tensor(), Some(&d_plain)));
    let y = ops::residual_mlp(
        &x_plain,
        hidden,
        output,
        (&e_plain, Some(&f_plain)),
        0.0,
        true,
    )
    .unwrap();
    let store = y.sum_all().unwrap().backward().unwrap();
    assert!(store.get(&c).is_some());
    assert!(
        [&x, &a, &b, &d, &e, &f]
            .iter()
            .all(|var| store.get(var).is_none())
    );
}

#[test]
fn what_is_wide_or_does_not_fit_goes_by_way_of_the_ops_in_turn() {
    let x = random((5, INPUTS + 1));
    let block = Block::new(INPUTS + 1, 4, 2);
    assert_near(&block.in_one(&x, 0.0).unwrap(), &block.in_turn(&x, 0.0));
    let error = block.in_one(&random((5, 3)), 0.0).unwrap_err().to_string();
    let text =
        "linear: the input is [5, 3] and the weight [4, 65]: must be [..., in] and [out, in]";
    assert!(error.starts_with(text), "{error}");
    let error = Block::new(3, 4, 2)
        .in_one(&random((5, 3)), 2.0)
        .unwrap_err();
    assert!(
        error.to_string().contains("probability of dropping is 2"),
        "{error}"
    );
}

#[test]
fn without_gradients_any_widths_are_one_op() {
    for (rows, inputs, hidden, outputs) in [(500, 70, 33, 5), (3, 65, 4, 20), (1, 2, 3, 17)] {
        let (block, x) = (Block::new(inputs, hidden, outputs), random((rows, inputs)));
        let detached = block.0.each_ref().map(Var::as_detached_tensor);
        let [a, b, c, d, e, f] = &detached;
        let layers = [(a, Some(b)), (c, Some(d)), (e, Some(f))];
        let plain = x.as_detached_tensor();
        let one = |p| ops::residual_mlp(&plain, layers[0], layers[1], layers[2], p, false);
        let y = one(0.7).unwrap();
        assert_near(&y, &block.in_turn(&x, 0.0));
        assert!(!y.track_op());
        assert!(one(1.5).is_err());
    }
}

#[test]
fn what_is_not_a_number_stays_so_and_no_rows_give_no_rows() {
    let block = Block::new(3, 4, 2);
    let x = Tensor::new(&[[f64::NAN, 1.0, 1.0]], &Device::Cpu).unwrap();
    let y = block.in_one(&x, 0.0).unwrap().to_vec2::<f64>().unwrap();
    assert!(y[0].iter().all(|value| value.is_nan()));
    let x = Tensor::zeros((0, 3), DType::F64, &Device::Cpu).unwrap();
    assert_eq!(block.in_one(&x, 0.0).unwrap().dims(), [0, 2]);
}
