//! Values and gradients of the losses against `reference/losses_reference.py`, and bad input.

use patchbay::plugin::{self, prelude::*};
use patchbay::serde_json::{self, Value};

/// Absolute and relative tolerance of `f32` against the reference in `f64`.
const TOLERANCE: f64 = 2e-6;

fn loss(id: &str, config: Value) -> Slot<dyn Loss> {
    // Each test registers; the same source replaces.
    patchbay_losses::register().unwrap();
    plugin::create::<dyn Loss>(id, config).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect()
}

fn dims(value: &Value) -> Vec<usize> {
    numbers(value)
        .into_iter()
        .map(|size| size as usize)
        .collect()
}

fn assert_close(what: &str, got: &Tensor, expected: &[f64]) {
    let got = got
        .to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1::<f64>()
        .unwrap();
    assert_eq!(got.len(), expected.len(), "{what}");
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs();
        assert!(
            error <= TOLERANCE * (1.0 + expected.abs()),
            "{what}[{index}]: {got}, expected {expected}"
        );
    }
}

#[test]
fn values_and_gradients_are_those_of_the_reference() {
    let text = include_str!("reference/losses_reference.json");
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 203);
    for (number, case) in cases.iter().enumerate() {
        let what = format!(
            "case {number}: {} {} {}",
            case["id"], case["config"], case["target_shape"]
        );
        let loss = loss(case["id"].as_str().unwrap(), case["config"].clone());
        let values: Vec<f32> = numbers(&case["logits"])
            .into_iter()
            .map(|value| value as f32)
            .collect();
        let logits = Var::from_vec(values, dims(&case["shape"]), &Device::Cpu).unwrap();
        let target = numbers(&case["target"]);
        let target = if case["soft"].as_bool().unwrap() {
            Tensor::from_vec(target, dims(&case["target_shape"]), &Device::Cpu)
        } else {
            let target: Vec<i64> = target.into_iter().map(|class| class as i64).collect();
            Tensor::from_vec(target, dims(&case["target_shape"]), &Device::Cpu)
        }
        .unwrap();
        let value = loss
            .forward(&logits, &target)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(value.dims(), dims(&case["value_shape"]), "{what}");
        assert_close(&what, &value, &numbers(&case["value"]));
        let gradients = value.sum_all().unwrap().backward().unwrap();
        assert_close(
            &format!("gradient of {what}"),
            gradients
                .get(&logits)
                .unwrap_or_else(|| panic!("no gradient: {what}")),
            &numbers(&case["gradient"]),
        );
    }
}

#[test]
fn half_precision_logits_are_computed_in_single() {
    let logits = Tensor::new(&[[9f32, -9.0, 0.5]], &Device::Cpu).unwrap();
    let target = Tensor::new(&[1u32], &Device::Cpu).unwrap();
    for id in ["loss/cross_entropy", "loss/focal"] {
        let loss = loss(id, json!({}));
        let single = loss.forward(&logits, &target).unwrap();
        let half = loss
            .forward(&logits.to_dtype(DType::BF16).unwrap(), &target)
            .unwrap();
        assert_eq!(half.dtype(), DType::F32);
        assert_eq!(
            half.to_scalar::<f32>().unwrap(),
            single.to_scalar::<f32>().unwrap()
        );
    }
}

#[test]
fn focal_without_focus_is_cross_entropy() {
    let logits = Tensor::randn(0f32, 3.0, (5, 7), &Device::Cpu).unwrap();
    let target = Tensor::new(&[0u8, 6, 3, 3, 1], &Device::Cpu).unwrap();
    let value = |loss: Slot<dyn Loss>| {
        loss.forward(&logits, &target)
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
    };
    let focal = value(loss("loss/focal", json!({"gamma": 0.0})));
    assert_eq!(focal, value(loss("loss/cross_entropy", json!({}))));
}

/// Returns the error of a loss for an input that it cannot take.
fn complaint(id: &str, config: Value, logits: &Tensor, target: &Tensor) -> String {
    loss(id, config)
        .forward(logits, target)
        .unwrap_err()
        .to_string()
}

#[test]
fn bad_input_is_refused_with_shapes_and_values() {
    let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
    let classes = |values: &[i64]| Tensor::new(values, &Device::Cpu).unwrap();
    for id in ["loss/cross_entropy", "loss/focal"] {
        let none = json!({});
        for (config, logits, target, words) in [
            (
                &none,
                zeros(&[4]),
                classes(&[0]),
                "expected logits [batch, classes]",
            ),
            (
                &none,
                zeros(&[2, 3]),
                classes(&[0]),
                "need a target of class indices [2], got [1]",
            ),
            (
                &none,
                zeros(&[2, 3]),
                classes(&[0, 3]),
                "position 1 of [2] is class 3; the logits [2, 3] have classes 0 to 2",
            ),
            (&none, zeros(&[2, 3]), classes(&[-1, 0]), "is class -1"),
            (
                &none,
                zeros(&[2, 3]),
                zeros(&[2]),
                "probabilities with the logits' shape [2, 3]; got [2]",
            ),
            (
                &json!({"weights": [1.0, 2.0]}),
                zeros(&[1, 3]),
                classes(&[0]),
                "2 weights, the logits [1, 3] have 3 classes",
            ),
        ] {
            let text = complaint(id, config.clone(), &logits, &target);
            assert!(text.contains(words) && text.starts_with(id), "{text}");
        }
        let infinite = (zeros(&[2, 3]) * f64::NAN).unwrap();
        let text = complaint(id, none.clone(), &infinite, &classes(&[0, 1]));
        assert!(text.contains("6 values of the prediction"), "{text}");
    }
}

#[test]
fn bad_settings_are_refused_with_key_and_reason() {
    patchbay_losses::register().unwrap();
    for (id, config, words) in [
        (
            "loss/focal",
            json!({"gama": 2.0}),
            "unknown key `gama`; did you mean `gamma`?",
        ),
        (
            "loss/focal",
            json!({"gamma": "high"}),
            "`gamma` must be of type number; it got \"high\"",
        ),
        (
            "loss/focal",
            json!({"gamma": -1}),
            "`gamma` must be at least 0; it got -1",
        ),
        (
            "loss/focal",
            json!({"weights": [1.0, "x"]}),
            "`weights[1]` must be of type number; it got \"x\"",
        ),
        ("loss/focal", json!({"weights": [-1.0]}), "weights[0] is -1"),
        (
            "loss/focal",
            json!({"alpha": 0.25}),
            "with a softmax give `weights`",
        ),
        (
            "loss/focal",
            json!({"activation": "tanh"}),
            "`activation` must be one of \"softmax\", \"sigmoid\"; it got \"tanh\"",
        ),
        (
            "loss/cross_entropy",
            json!({"label_smoothing": 1.5}),
            "must be at most 1",
        ),
        ("loss/cross_entropy", json!([1]), "is an object like"),
        (
            "loss/crossentropy",
            json!({}),
            "did you mean loss/cross_entropy?",
        ),
    ] {
        let text = plugin::create::<dyn Loss>(id, config)
            .unwrap_err()
            .to_string();
        assert!(text.contains(words), "{text}");
    }
    let text = plugin::create::<dyn Encoder>("loss/focal", json!({}))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("is of kind loss, and one of kind encoder is asked for"),
        "{text}"
    );
}

#[test]
fn the_description_comes_from_the_settings_struct() {
    patchbay_losses::register().unwrap();
    let text = plugin::describe("focal").unwrap().to_string();
    for words in [
        "loss/focal: Focal loss",
        "arXiv 1708.02002",
        "gamma",
        ">= 0",
        "\"softmax\" | \"sigmoid\"",
        "0.810 ln K",
        "create::<dyn Loss>",
    ] {
        assert!(text.contains(words), "{words} is not in:\n{text}");
    }
}
