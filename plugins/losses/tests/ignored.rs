//! One convention for targets that do not count, for all losses and types of targets.

mod forms;

use forms::{Form, form, has_setting, ids};
use patchbay::{
    ops,
    plugin::{self, prelude::*},
    serde_json::Value,
};

/// The losses that take class indices, with a setting of each form.
fn of_classes() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for id in ids() {
        if form(id) == Form::Contrast || !has_setting(id, "ignore_index") {
            continue;
        }
        let name = id.trim_start_matches("loss/");
        let mut forms: Vec<Value> = Vec::new();
        for activation in ["softmax", "sigmoid"] {
            if has_setting(id, "activation") {
                forms.push(json!({"activation": activation}));
            }
        }
        if forms.is_empty() {
            forms.push(json!({}));
        }
        for switch in ["per_channel", "per_image"] {
            if has_setting(id, switch) {
                forms.push(json!({ switch: true }));
            }
        }
        all.extend(forms.into_iter().map(|form| (name, form)));
    }
    assert!(all.len() >= 22, "{all:?}");
    all
}

fn loss(id: &str, config: &Value) -> Slot<dyn Loss> {
    patchbay_losses::register().unwrap();
    plugin::create::<dyn Loss>(&format!("loss/{id}"), config.clone()).unwrap()
}

fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    config[key] = value;
    config
}

fn logits() -> Var {
    let values: Vec<f32> = (0..2 * 3 * 2 * 5).map(|i| (i as f32 * 1.3).sin()).collect();
    Var::from_vec(values, (2, 3, 2, 5), &Device::Cpu).unwrap()
}

fn target(ignored: i64) -> Tensor {
    let values: Vec<i64> = (0..20)
        .map(|i| if i % 4 == 3 { ignored } else { i % 3 })
        .collect();
    Tensor::from_vec(values, (2, 2, 5), &Device::Cpu).unwrap()
}

fn value_and_gradient(loss: &Slot<dyn Loss>, logits: &Var, target: &Tensor) -> (f32, Vec<f32>) {
    let value = loss.forward(logits, target).unwrap();
    let gradients = value.backward().unwrap();
    let gradient = gradients.get(logits).expect("the loss leads to no logits");
    let gradient = gradient.flatten_all().unwrap().to_vec1().unwrap();
    (value.to_scalar().unwrap(), gradient)
}

#[test]
fn all_integer_types_have_a_number_for_what_is_ignored() {
    for (id, config) in of_classes() {
        let plain = value_and_gradient(&loss(id, &config), &logits(), &target(-100));
        assert!(plain.0 > 0.0, "{id}");
        for dtype in [DType::U32, DType::I32, DType::I16] {
            let target = target(-100).to_dtype(dtype).unwrap();
            let found = value_and_gradient(&loss(id, &config), &logits(), &target);
            assert_eq!(found, plain, "{id} {config} {dtype:?}");
        }
        for dtype in [DType::U8, DType::U32, DType::I64] {
            let config = with(&config, "ignore_index", json!(255));
            let target = target(255).to_dtype(dtype).unwrap();
            let found = value_and_gradient(&loss(id, &config), &logits(), &target);
            assert_eq!(found, plain, "{id} {config} {dtype:?}");
        }
        let config = with(&config, "ignore_index", json!(-1));
        let target = target(-1).to_dtype(DType::U32).unwrap();
        let found = value_and_gradient(&loss(id, &config), &logits(), &target);
        assert_eq!(found, plain, "{id} {config} of u32");
    }
}

#[test]
fn the_last_of_256_classes_may_be_ignored() {
    let values: Vec<f32> = (0..4 * 256).map(|i| (i as f32 * 0.7).sin()).collect();
    let target = Tensor::new(&[0u8, 255, 254, 255], &Device::Cpu).unwrap();
    for (id, config) in of_classes() {
        let logits = Var::from_vec(values.clone(), (4, 256), &Device::Cpu).unwrap();
        let config = with(&config, "ignore_index", json!(255));
        let (_, gradient) = value_and_gradient(&loss(id, &config), &logits, &target);
        for (row, ignored) in [(0, false), (1, true), (2, false), (3, true)] {
            let nothing = gradient[row * 256..(row + 1) * 256]
                .iter()
                .all(|&x| x == 0.0);
            assert_eq!(nothing, ignored, "{id} {config}, row {row}");
        }
    }
}

/// A mean over nothing is 0, with gradients of 0 that lead to the logits: a step of such a batch changes nothing.
#[test]
fn without_a_target_that_counts_the_loss_is_zero() {
    for (id, config) in of_classes() {
        for reduction in ["mean", "sum"] {
            let config = with(&config, "reduction", json!(reduction));
            for bad in [0.3, f32::NAN] {
                let logits = Tensor::full(bad, (2, 3, 2, 5), &Device::Cpu).unwrap();
                let logits = Var::from_tensor(&logits.contiguous().unwrap()).unwrap();
                let target = Tensor::full(-100i64, (2, 2, 5), &Device::Cpu).unwrap();
                let (value, gradient) = value_and_gradient(&loss(id, &config), &logits, &target);
                assert_eq!(value, 0.0, "{id} {config}");
                assert!(
                    gradient.iter().all(|&x| x == 0.0),
                    "{id} {config}: {gradient:?}"
                );
            }
        }
    }
    let features = Var::ones((4, 3), DType::F32, &Device::Cpu).unwrap();
    let labels = Tensor::full(-100i64, 4, &Device::Cpu).unwrap();
    let contrastive = loss("supervised_contrastive", &json!({}));
    let (value, gradient) = value_and_gradient(&contrastive, &features, &labels);
    assert!(value == 0.0 && gradient.iter().all(|&x| x == 0.0));
    // Regression: all targets are missing.
    for id in ["mse", "mae", "huber", "quantile"] {
        let prediction = Var::ones(4, DType::F32, &Device::Cpu).unwrap();
        let target = Tensor::full(f32::NAN, 4, &Device::Cpu).unwrap();
        let mut config = json!({"skip_missing": true});
        if id == "quantile" {
            config["levels"] = json!([0.5]);
        }
        let (value, gradient) = value_and_gradient(&loss(id, &config), &prediction, &target);
        assert!(value == 0.0 && gradient.iter().all(|&x| x == 0.0), "{id}");
    }
}

#[test]
fn negative_classes_are_told_as_they_are() {
    for (id, config) in of_classes() {
        let told = |target: &Tensor| {
            let loss = loss(id, &config);
            loss.forward(&logits(), target).unwrap_err().to_string()
        };
        let text = told(&target(-1));
        assert!(
            text.contains("class -1") && !text.contains("1844"),
            "{id}: {text}"
        );
        let text = told(&target(-7).to_dtype(DType::I32).unwrap());
        assert!(text.contains("class -7"), "{id}: {text}");
    }
}

#[test]
fn the_ops_take_what_the_losses_take() {
    let logits = logits();
    let plain = ops::cross_entropy(&logits, &target(-100)).unwrap();
    for dtype in [DType::U32, DType::I32, DType::I16] {
        let target = target(-100).to_dtype(dtype).unwrap();
        let found = ops::cross_entropy(&logits, &target).unwrap();
        assert_eq!(
            found.to_scalar::<f32>().unwrap(),
            plain.to_scalar::<f32>().unwrap()
        );
        let composed = ops::composed(|| ops::cross_entropy(&logits, &target)).unwrap();
        let difference = (composed - &plain).unwrap().to_scalar::<f32>().unwrap();
        assert!(difference.abs() < 1e-6, "{dtype:?}");
    }
    assert_eq!(ops::ignored_value(DType::I64, -100), -100);
    assert_eq!(ops::ignored_value(DType::U32, -100), 4_294_967_196);
    assert_eq!(ops::ignored_value(DType::U32, 255), 255);
    assert_eq!(ops::ignored_value(DType::U8, 255), 255);
    for index in [-1i64, -100, i64::MIN] {
        let ids = Tensor::new(&[0i64, index], &Device::Cpu).unwrap();
        let table = Tensor::zeros((3, 2), DType::F32, &Device::Cpu).unwrap();
        let text = ops::embedding(&ids, &table, None).unwrap_err().to_string();
        assert!(text.contains(&format!("an index is {index}:")), "{text}");
        let text = ops::index_select(&table, 0, &ids).unwrap_err().to_string();
        let expected = format!("index-select: an index is {index}:");
        assert!(text.contains(&expected), "{text}");
        let text = ops::gather(&table, 0, &ids.unsqueeze(1).unwrap())
            .unwrap_err()
            .to_string();
        assert!(text.contains(&format!("an index is {index}:")), "{text}");
    }
}

/// Counts of 0 are classes without examples, as they may be where targets are counted.
#[test]
fn classes_without_examples_are_taken() {
    for id in ["class_balanced", "ldam", "seesaw"] {
        let counts = json!({"class_counts": [90, 0, 10]});
        let target = target(-100);
        let known = target
            .eq(1i64)
            .unwrap()
            .where_cond(&(target.zeros_like().unwrap() - 100.0).unwrap(), &target);
        let (value, gradient) = value_and_gradient(&loss(id, &counts), &logits(), &known.unwrap());
        assert!(
            value.is_finite() && gradient.iter().all(|x| x.is_finite()),
            "{id}"
        );
        // The first example of a class that had none.
        let (value, gradient) = value_and_gradient(&loss(id, &counts), &logits(), &target);
        assert!(
            value.is_finite() && gradient.iter().all(|x| x.is_finite()),
            "{id}: {value}"
        );
    }
    // What is given is what is counted: 6 of class 0, none of class 1, 3 of class 2.
    let target = Tensor::new(&[0i64, 0, 2, 0, 0, 2, 0, 2, 0], &Device::Cpu).unwrap();
    let values: Vec<f32> = (0..27).map(|i| (i as f32 * 0.7).sin()).collect();
    for id in ["class_balanced", "ldam", "seesaw"] {
        let logits = Var::from_vec(values.clone(), (9, 3), &Device::Cpu).unwrap();
        let given = value_and_gradient(
            &loss(id, &json!({"class_counts": [6, 0, 3]})),
            &logits,
            &target,
        );
        let counted = value_and_gradient(&loss(id, &json!({})), &logits, &target);
        assert_eq!(given, counted, "{id}");
    }
}

#[test]
fn examples_without_a_label_take_no_part_in_contrast() {
    let contrastive = loss("supervised_contrastive", &json!({}));
    let values: Vec<f32> = (0..15).map(|i| (i as f32 * 1.7).cos()).collect();
    let features = Tensor::from_vec(values, (5, 3), &Device::Cpu).unwrap();
    let labels = Tensor::new(&[0i64, 1, -100, 0, 1], &Device::Cpu).unwrap();
    let kept = Tensor::new(&[0u32, 1, 3, 4], &Device::Cpu).unwrap();
    let without = contrastive
        .forward(
            &features.index_select(&kept, 0).unwrap(),
            &Tensor::new(&[0i64, 1, 0, 1], &Device::Cpu).unwrap(),
        )
        .unwrap();
    let mut with_nan: Vec<f32> = features.flatten_all().unwrap().to_vec1().unwrap();
    with_nan[6..9].fill(f32::NAN);
    let with_nan = Tensor::from_vec(with_nan, (5, 3), &Device::Cpu).unwrap();
    for features in [&features, &with_nan] {
        let all = contrastive.forward(features, &labels).unwrap();
        let difference = (all - &without).unwrap().to_scalar::<f32>().unwrap();
        assert!(difference.abs() < 1e-6, "{difference}");
    }
}
