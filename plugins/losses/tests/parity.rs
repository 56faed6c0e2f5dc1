//! Values and gradients of the losses against their peers: numbers by reference/peers.py.

mod forms;

use std::{collections::BTreeMap, fmt::Write, path::Path};

use forms::{Form, form, has_setting, ids, sample};
use patchbay::plugin::{self, prelude::*};
use patchbay::serde_json::{self, Value};

/// Of `f32` against peers in `f64`, relative to the largest number of the case.
const TOLERANCE: f64 = 1e-5;

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect()
}

fn tensor(input: &Value) -> Tensor {
    let shape: Vec<usize> = numbers(&input["shape"])
        .into_iter()
        .map(|size| size as usize)
        .collect();
    let values = numbers(&input["values"]);
    if input["float"].as_bool().unwrap() {
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    } else {
        let values: Vec<i64> = values.into_iter().map(|value| value as i64).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }
}

/// The largest difference, relative to the largest expected number.
fn error(got: &Tensor, expected: &[f64]) -> f64 {
    let got = got
        .to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1::<f64>()
        .unwrap();
    assert_eq!(got.len(), expected.len());
    let size = expected.iter().fold(1e-3f64, |size, x| size.max(x.abs()));
    got.iter()
        .zip(expected)
        .map(|(got, expected)| (got - expected).abs() / size)
        // NaN is no maximum of anything: it must not be lost here.
        .fold(0.0, |most, error| {
            if error > most || error.is_nan() {
                error
            } else {
                most
            }
        })
}

#[test]
fn values_and_gradients_are_those_of_the_peers() {
    patchbay_losses::register().unwrap();
    let reference: Value = serde_json::from_str(include_str!("reference/peers.json")).unwrap();
    let mut rows: BTreeMap<(String, String), usize> = BTreeMap::new();
    for case in reference["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let what = format!(
            "{id} {} of {} and {}",
            case["config"], case["prediction"], case["target"]
        );
        let input = |name: &str| tensor(&reference["inputs"][case[name].as_str().unwrap()]);
        let loss = plugin::create::<dyn Loss>(id, case["config"].clone()).unwrap();
        let prediction = Var::from_tensor(&input("prediction")).unwrap();
        let value = loss
            .forward(&prediction, &input("target"))
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let peer = case["peer"].as_str().unwrap().to_owned();
        *rows.entry((id.to_owned(), peer)).or_default() += 1;
        if case["config"]["reduction"] == "none" {
            let in_values = error(&value, &numbers(&case["values"]));
            assert!(
                in_values <= TOLERANCE,
                "{what}: {value}, {}",
                case["values"]
            );
            continue;
        }
        let expected = case["value"].as_f64().unwrap();
        let in_value = error(&value, &[expected]);
        assert!(
            in_value <= TOLERANCE,
            "{what}: {value}, expected {expected}"
        );
        if case["gradient"].is_null() {
            continue;
        }
        let gradients = value.backward().unwrap();
        let gradient = gradients
            .get(&prediction)
            .unwrap_or_else(|| panic!("no gradient: {what}"));
        let in_gradient = error(gradient, &numbers(&case["gradient"]));
        assert!(
            in_gradient <= TOLERANCE,
            "gradient of {what}: {in_gradient:e}\n{gradient}\n{}",
            case["gradient"]
        );
    }
    let listed = |id: &str| rows.keys().any(|(row, _)| row == id);
    for id in ids() {
        assert!(listed(id), "{id} is compared with no peer");
    }
    let mut table = String::from(
        "| loss | compared with | cases (within 1e-5: value and gradient; not reduced: values) |\n|---|---|---|\n",
    );
    for ((id, peer), count) in rows {
        writeln!(table, "| `{id}` | {peer} | {count} |").unwrap();
    }
    assert_documented(&table);
}

/// The table is in the documentation. `UPDATE_DOCS=1 cargo test` writes it there.
fn assert_documented(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/losses-and-balancers.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (start, end) = (
        "<!-- parity of losses -->\n",
        "<!-- end of parity of losses -->",
    );
    let (before, rest) = text.split_once(start).unwrap();
    let (documented, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{start}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(
            documented, table,
            "run UPDATE_DOCS=1 cargo test to write the table"
        );
    }
}

#[test]
fn logits_of_1e4_give_finite_values_and_gradients() {
    patchbay_losses::register().unwrap();
    let huge = [
        [1e4f32, -1e4, 0.0],
        [-1e4, 1e4, 0.0],
        [1e4, 1e4, -1e4],
        [0.0, 0.0, 0.0],
    ];
    for id in ids() {
        let floats = match form(id) {
            Form::Classes => false,
            Form::Alike => true,
            Form::Contrast | Form::Levels => continue,
        };
        for image in [false, true] {
            let logits = Tensor::new(&huge, &Device::Cpu).unwrap();
            let target = Tensor::new(&[0i64, 0, 2, 1], &Device::Cpu).unwrap();
            let one_hot = Tensor::new(
                &[
                    [1f32, 0.0, 0.0],
                    [1.0, 0.0, 0.0],
                    [0.0, 0.0, 1.0],
                    [0.0, 1.0, 0.0],
                ],
                &Device::Cpu,
            )
            .unwrap();
            // Four images of one position, or one image of four.
            let (logits, target, one_hot) = if image {
                let shape = (1, 3, 2, 2);
                (
                    logits.t().unwrap().reshape(shape).unwrap(),
                    target.reshape((1, 2, 2)).unwrap(),
                    one_hot.t().unwrap().reshape(shape).unwrap(),
                )
            } else {
                (logits, target, one_hot)
            };
            let logits = Var::from_tensor(&logits.contiguous().unwrap()).unwrap();
            let target = if floats { one_hot } else { target };
            let loss = plugin::create::<dyn Loss>(id, json!({})).unwrap();
            let value = loss
                .forward(&logits, &target)
                .unwrap_or_else(|error| panic!("{id}: {error}"));
            let gradients = value.backward().unwrap();
            let gradient = gradients
                .get(&logits)
                .unwrap_or_else(|| panic!("{id}: no gradient"));
            let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(
                value.to_scalar::<f32>().unwrap().is_finite()
                    && gradient.iter().all(|value| value.is_finite()),
                "{id}: {value}, {gradient:?}"
            );
        }
    }
}

#[test]
fn asymmetric_is_stable_with_all_its_settings() {
    patchbay_losses::register().unwrap();
    let logits = Tensor::new(
        &[[1e4f32, -1e4, 0.0, 17.0], [-1e4, 1e4, -17.0, 1e4]],
        &Device::Cpu,
    );
    let logits = Var::from_tensor(&logits.unwrap()).unwrap();
    let hard = Tensor::new(&[[1f32, 0.0, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0]], &Device::Cpu).unwrap();
    let soft = hard.affine(0.8, 0.1).unwrap();
    let finite = |id: &str, config: Value, target: &Tensor| {
        let loss = plugin::create::<dyn Loss>(id, config.clone()).unwrap();
        let value = loss
            .forward(&logits, target)
            .unwrap_or_else(|error| panic!("{id} {config}: {error}"));
        let gradients = value.backward().unwrap();
        let gradient = gradients.get(&logits).unwrap().to_vec2::<f32>().unwrap();
        assert!(
            gradient.iter().flatten().all(|x| x.is_finite()),
            "{id} {config}: {gradient:?}"
        );
    };
    for gamma in [0.0, 0.5, 1.0, 1.5, 2.0] {
        for target in [&hard, &soft] {
            for clip in [0.0, 1e-9, 0.05] {
                for detach in [false, true] {
                    finite(
                        "loss/asymmetric",
                        json!({"gamma_positive": gamma, "gamma_negative": gamma, "clip": clip, "detach_focus": detach}),
                        target,
                    );
                }
            }
            finite(
                "loss/focal",
                json!({"gamma": gamma, "activation": "sigmoid"}),
                target,
            );
        }
        let one_hot = Tensor::new(&[[0f32, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]], &Device::Cpu);
        let mixed = (one_hot.unwrap() * 0.6).unwrap().affine(1.0, 0.1).unwrap();
        finite("loss/focal", json!({"gamma": gamma}), &mixed);
        let classes = Tensor::new(&[1i64, 0], &Device::Cpu).unwrap();
        finite("loss/focal", json!({"gamma": gamma}), &classes);
    }
    for gamma in [0.5, 1.0, 4.0] {
        let classes = Tensor::new(&[1i64, 1], &Device::Cpu).unwrap();
        for activation in ["softmax", "sigmoid"] {
            finite(
                "loss/focal_tversky",
                json!({"gamma": gamma, "activation": activation}),
                &classes,
            );
        }
    }
}

#[test]
fn a_perfect_prediction_has_no_focal_tversky_loss() {
    patchbay_losses::register().unwrap();
    let target = Tensor::new(&[0i64, 1, 2, 1], &Device::Cpu).unwrap();
    let logits = (Tensor::eye(3, DType::F32, &Device::Cpu).unwrap() * 100.0).unwrap();
    let logits = logits.index_select(&target, 0).unwrap();
    let loss = plugin::create::<dyn Loss>("loss/focal_tversky", json!({"gamma": 4.0})).unwrap();
    let value = loss.forward(&logits, &target).unwrap();
    assert_eq!(value.to_scalar::<f32>().unwrap(), 0.0);
}

/// An input that a loss takes: its sample, or an image and its target.
fn good_input(id: &str, image: bool) -> (Tensor, Tensor) {
    let sample = sample(id).inputs;
    let (prediction, target) = (sample.at(0).unwrap(), sample.at(1).unwrap());
    if !image || form(id) == Form::Contrast {
        return (prediction.clone(), target.clone());
    }
    let prediction = Tensor::randn(0f32, 1.0, (2, 3, 2, 3), &Device::Cpu).unwrap();
    let target = match form(id) {
        Form::Levels => {
            let last = prediction.rank() - 1;
            prediction
                .narrow(last, 0, 1)
                .unwrap()
                .squeeze(last)
                .unwrap()
        }
        // Probabilities, for those that take them.
        Form::Alike if target.dtype().is_float() => {
            patchbay::ops::softmax_dim(&prediction, 1).unwrap()
        }
        Form::Alike => prediction.gt(0.0).unwrap(),
        _ => prediction.argmax(1).unwrap().to_dtype(DType::I64).unwrap(),
    };
    (prediction, target)
}

#[test]
fn logits_that_are_not_numbers_are_told_by_all() {
    patchbay_losses::register().unwrap();
    for id in ids() {
        for image in [false, true] {
            for reduction in ["mean", "sum"] {
                let (prediction, target) = good_input(id, image);
                let config = json!({"reduction": reduction});
                let loss = plugin::create::<dyn Loss>(id, config.clone()).unwrap();
                loss.forward(&prediction, &target)
                    .unwrap_or_else(|error| panic!("{id}: {error}"));
                let mut values = prediction.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                values[4] = f32::NAN;
                let bad = Tensor::from_vec(values, prediction.shape(), &Device::Cpu).unwrap();
                let text = complaint(id, config, &bad, &target);
                assert!(
                    text.contains("the loss is NaN for a prediction")
                        && text.contains("1 values of the prediction and 0 of the target"),
                    "{id}: {text}"
                );
            }
        }
    }
}

#[test]
fn what_stands_at_ignored_positions_does_not_matter() {
    patchbay_losses::register().unwrap();
    let mut compared = 0;
    for id in ids() {
        if form(id) == Form::Contrast || !has_setting(id, "ignore_index") {
            continue;
        }
        for activation in ["softmax", "sigmoid"] {
            let config = json!({"activation": activation});
            let config = match plugin::create::<dyn Loss>(id, config.clone()) {
                Ok(_) => config,
                // It has one form only.
                Err(_) => json!({}),
            };
            for image in [false, true] {
                let shape: &[usize] = if image { &[2, 3, 2, 2] } else { &[8, 3] };
                let target_shape: &[usize] = if image { &[2, 2, 2] } else { &[8] };
                let ignored = [1usize, 6];
                let mut target = vec![0i64, 1, 2, 1, 0, 2, 1, 0];
                for at in ignored {
                    target[at] = -100;
                }
                let target = Tensor::from_vec(target, target_shape, &Device::Cpu).unwrap();
                let run = |fill: f32| {
                    // By position, then by class; the classes of images are on axis 1.
                    let mut values: Vec<f32> = (0..24).map(|i| (i as f32 * 1.3).sin()).collect();
                    for at in ignored {
                        values[at * 3..at * 3 + 3].fill(fill);
                    }
                    let logits = Tensor::from_vec(values, (8, 3), &Device::Cpu).unwrap();
                    let logits = if image {
                        let logits = logits.reshape((2, 2, 2, 3)).unwrap();
                        logits.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap()
                    } else {
                        logits
                    };
                    let logits = Var::from_tensor(&logits.reshape(shape).unwrap()).unwrap();
                    let loss = plugin::create::<dyn Loss>(id, config.clone()).unwrap();
                    let value = loss
                        .forward(&logits, &target)
                        .unwrap_or_else(|error| panic!("{id} {config}: {error}"));
                    let gradients = value.backward().unwrap();
                    let gradient = gradients.get(&logits).unwrap().flatten_all().unwrap();
                    (
                        value.to_scalar::<f32>().unwrap(),
                        gradient.to_vec1::<f32>().unwrap(),
                    )
                };
                let plain = run(0.3);
                assert!(plain.1.iter().all(|x| x.is_finite()), "{id} {config}");
                for fill in [f32::NAN, f32::INFINITY, 1e30] {
                    assert_eq!(
                        run(fill),
                        plain,
                        "{id} {config} {fill} at ignored positions"
                    );
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn a_refused_batch_leaves_queue_and_counts_as_they_were() {
    patchbay_losses::register().unwrap();
    let config = json!({"queue": 3, "width": 2, "temperature": 0.5});
    let loss = plugin::create::<dyn Loss>("loss/info_nce", config).unwrap();
    let rows = |values: [f32; 2]| Tensor::new(&[values], &Device::Cpu).unwrap();
    let value = |key: [f32; 2]| loss.forward(&rows([1.0, 0.0]), &rows(key));
    value([1.0, 0.0]).unwrap();
    assert!(value([f32::NAN, 1.0]).is_err());
    assert!(
        loss.forward(&rows([f32::NAN, 1.0]), &rows([0.0, 1.0]))
            .is_err()
    );
    let negative = value([1.0, 0.0]).unwrap().to_scalar::<f32>().unwrap();
    assert!((negative - 2f32.ln()).abs() < 1e-6, "{negative}");

    for id in ["loss/seesaw", "loss/class_balanced", "loss/ldam"] {
        let loss = plugin::create::<dyn Loss>(id, json!({})).unwrap();
        let counts = || {
            loss.call(|loss| Ok(loss.state()["class_counts"].clone()))
                .unwrap()
        };
        let logits = Tensor::randn(0f32, 1.0, (4, 3), &Device::Cpu).unwrap();
        let target = Tensor::new(&[0i64, 0, 1, 2], &Device::Cpu).unwrap();
        loss.forward(&logits, &target).unwrap();
        assert_eq!(counts(), json!([2.0, 1.0, 1.0]), "{id}");
        let bad = (&logits * f64::NAN).unwrap();
        assert!(loss.forward(&bad, &target).is_err());
        assert_eq!(counts(), json!([2.0, 1.0, 1.0]), "{id}");
    }
}

#[test]
fn an_empty_batch_has_no_contrast() {
    patchbay_losses::register().unwrap();
    for shape in [&[0usize, 5][..], &[0, 2, 5]] {
        let features = Var::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        let labels = Tensor::zeros(0, DType::I64, &Device::Cpu).unwrap();
        for (reduction, size) in [("mean", 1), ("sum", 1), ("none", 0)] {
            let config = json!({"reduction": reduction});
            let loss = plugin::create::<dyn Loss>("loss/supervised_contrastive", config).unwrap();
            let value = loss.forward(&features, &labels).unwrap();
            assert_eq!(value.elem_count(), size);
            if size == 1 {
                assert_eq!(value.to_scalar::<f32>().unwrap(), 0.0);
            }
        }
    }
}

/// `describe` says how large each loss is at first, in multiples of cross entropy's.
#[test]
fn every_loss_says_its_scale() {
    patchbay_losses::register().unwrap();
    for id in ids() {
        let text = plugin::describe(id).unwrap().to_string();
        let line = text.lines().find(|line| line.contains("ln K"));
        let line = line.unwrap_or_else(|| panic!("{id} has no scale:\n{text}"));
        assert!(
            !line.contains("0.0000 =") && !line.contains("NaN"),
            "{line}"
        );
    }
    for (id, words) in [
        ("mse", "1.000"),
        ("mae", "0.79"),
        ("info_nce", "64 pairs of independent features"),
        ("supervised_contrastive", "10 classes"),
        ("kl_divergence", "2.3026 = 1.000 ln K"),
        ("balanced_cross_entropy", "sigmoid, mean"),
        (
            "balanced_cross_entropy",
            "512x512 with 10 % edges, sigmoid, sum",
        ),
    ] {
        let text = plugin::describe(&format!("loss/{id}")).unwrap().to_string();
        assert!(text.contains(words), "{id}: {words}\n{text}");
    }
}

/// Returns the error of a loss for an input that it cannot take.
fn complaint(id: &str, config: Value, prediction: &Tensor, target: &Tensor) -> String {
    patchbay_losses::register().unwrap();
    plugin::create::<dyn Loss>(id, config)
        .unwrap()
        .forward(prediction, target)
        .unwrap_err()
        .to_string()
}

#[test]
fn what_does_not_fit_is_refused_with_shapes() {
    let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
    let whole = |dims: &[usize]| Tensor::zeros(dims, DType::I64, &Device::Cpu).unwrap();
    let five = (whole(&[2]) + 5.0).unwrap();
    for id in ids() {
        let (prediction, target, words): (Tensor, Tensor, &str) = match id {
            "loss/mse" | "loss/mae" | "loss/huber" | "loss/cosine" => (
                zeros(&[2, 3]),
                zeros(&[2]),
                "got a prediction [2, 3] and a target [2]",
            ),
            "loss/quantile" => (
                zeros(&[2, 2]),
                zeros(&[2]),
                "needs a prediction [2, 3]; got [2, 2]",
            ),
            "loss/kl_divergence" => (
                zeros(&[2, 3]),
                zeros(&[2, 4]),
                "logits [2, 3] and a target f32 [2, 4]",
            ),
            "loss/info_nce" | "loss/siglip" => (
                zeros(&[2, 3]),
                zeros(&[3, 3]),
                "queries [2, 3] and keys [3, 3]",
            ),
            "loss/supervised_contrastive" | "loss/triplet" => (
                zeros(&[2, 3]),
                whole(&[3]),
                "features [2, 3] and labels i64 [3]",
            ),
            _ => {
                let text = complaint(id, json!({}), &zeros(&[2, 3]), &five);
                assert!(text.contains("position 0 of [2] is class 5"), "{text}");
                let text = complaint(id, json!({}), &zeros(&[2, 3]), &whole(&[4]));
                assert!(
                    text.contains("need a target of class indices [2], got [4]"),
                    "{text}"
                );
                let twos = (zeros(&[2, 3]) + 2.0).unwrap();
                let text = complaint(id, json!({}), &zeros(&[2, 3]), &twos);
                assert!(
                    text.contains("contains 2")
                        || text.contains("takes a target of class indices [2]"),
                    "{text}"
                );
                (
                    zeros(&[2, 3]),
                    zeros(&[3, 2]),
                    "probabilities with the logits' shape [2, 3]; got [3, 2]",
                )
            }
        };
        let text = complaint(id, json!({}), &prediction, &target);
        assert!(text.contains(words) && text.starts_with(id), "{text}");
    }
}

#[test]
fn counts_and_levels_are_checked() {
    patchbay_losses::register().unwrap();
    let refused = |id: &str, config: Value| {
        plugin::create::<dyn Loss>(id, config)
            .unwrap_err()
            .to_string()
    };
    for id in ["loss/class_balanced", "loss/ldam", "loss/seesaw"] {
        let text = refused(id, json!({"class_counts": [10, 0.5, 3]}));
        assert!(text.contains("class_counts[1] is 0.5"), "{text}");
        let text = refused(id, json!({"class_counts": [10, 4, -1]}));
        assert!(text.contains("class_counts[2] is -1"), "{text}");
        let text = refused(id, json!({"class_counts": [0, 0, 0]}));
        assert!(text.contains("none of the 3 classes"), "{text}");
        let logits = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        let target = Tensor::zeros(2, DType::I64, &Device::Cpu).unwrap();
        let text = complaint(id, json!({"class_counts": [10, 3]}), &logits, &target);
        assert!(
            text.contains("2 class_counts, the logits have 3 classes"),
            "{text}"
        );
    }
    for (config, words) in [
        (json!({"levels": []}), "levels is empty"),
        (json!({"levels": [0.5, 1.0]}), "levels contains 1"),
    ] {
        let text = refused("loss/quantile", config);
        assert!(text.contains(words), "{text}");
    }
    let text = refused("loss/info_nce", json!({"queue": 16}));
    assert!(text.contains("width"), "{text}");
}

#[test]
fn nothing_that_counts_is_a_loss_of_zero_with_zero_gradients() {
    patchbay_losses::register().unwrap();
    for id in ids() {
        let floats = has_setting(id, "skip_missing");
        if form(id) == Form::Contrast || !(floats || has_setting(id, "ignore_index")) {
            continue;
        }
        let prediction =
            Var::from_tensor(&Tensor::randn(0f32, 1.0, (1, 3, 2, 3), &Device::Cpu).unwrap())
                .unwrap();
        let (config, target) = if floats {
            let shape: &[usize] = if form(id) == Form::Levels {
                &[1, 3, 2]
            } else {
                &[1, 3, 2, 3]
            };
            (
                json!({"skip_missing": true}),
                Tensor::full(f32::NAN, shape, &Device::Cpu).unwrap(),
            )
        } else {
            (
                json!({}),
                Tensor::full(-100i64, (1, 2, 3), &Device::Cpu).unwrap(),
            )
        };
        let loss = plugin::create::<dyn Loss>(id, config).unwrap();
        let value = loss
            .forward(&prediction, &target)
            .unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(value.to_scalar::<f32>().unwrap(), 0.0, "{id}");
        let gradients = value.backward().unwrap();
        let size = gradients.get(&prediction).map_or(0.0, |gradient| {
            gradient
                .sqr()
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap()
        });
        assert_eq!(size, 0.0, "{id}");
    }
}

#[test]
fn a_queue_keeps_the_last_keys_and_survives_a_swap() {
    patchbay_losses::register().unwrap();
    let config = json!({"queue": 3, "width": 2, "temperature": 0.5, "in_batch": false});
    let loss = plugin::create::<dyn Loss>("loss/info_nce", config.clone()).unwrap();
    let rows = |values: [f32; 2]| Tensor::new(&[values], &Device::Cpu).unwrap();
    let query = rows([1.0, 0.0]);
    let value = |loss: &Slot<dyn Loss>, key: [f32; 2]| {
        loss.forward(&query, &rows(key))
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
    };
    // Without negatives the own key is certain.
    assert_eq!(value(&loss, [1.0, 0.0]), 0.0);
    // One negative, the same as the own key: one half.
    assert!((value(&loss, [1.0, 0.0]) - 2f32.ln()).abs() < 1e-6);
    assert!((value(&loss, [0.0, 1.0]) - (1.0 + 2.0 * 2f32.exp()).ln()).abs() < 1e-5);
    loss.swap("loss/info_nce", config).unwrap();
    // The queue [1 0], [1 0], [0 1] came along; then the oldest goes.
    let expected =
        |aligned: f32, orthogonal: f32| ((1.0 + aligned) * 2f32.exp() + orthogonal).ln() - 2.0;
    assert!((value(&loss, [1.0, 0.0]) - expected(2.0, 1.0)).abs() < 1e-5);
    assert!((value(&loss, [1.0, 0.0]) - expected(2.0, 1.0)).abs() < 1e-5);
}

#[test]
fn counts_come_from_the_targets_and_survive_a_swap() {
    patchbay_losses::register().unwrap();
    let logits = Tensor::randn(0f32, 1.0, (4, 3), &Device::Cpu).unwrap();
    let target = Tensor::new(&[0i64, 0, 0, 1], &Device::Cpu).unwrap();
    let loss = plugin::create::<dyn Loss>("loss/seesaw", json!({})).unwrap();
    loss.forward(&logits, &target).unwrap();
    loss.swap("loss/class_balanced", json!({"beta": 0.9}))
        .unwrap();
    let value = loss.forward(&logits, &target).unwrap();
    // Two batches were seen: 6 and 2 examples, none of the third class.
    let log_p = patchbay::ops::log_softmax(&logits)
        .unwrap()
        .to_vec2::<f32>()
        .unwrap();
    let (a, b) = (1.0 / (1.0 - 0.9f64.powi(6)), 1.0 / (1.0 - 0.9f64.powi(2)));
    let expected = -(0..4)
        .map(|i| {
            let class = usize::from(i == 3);
            f64::from(log_p[i][class]) * [a, b][class] * 2.0 / (a + b)
        })
        .sum::<f64>()
        / 4.0;
    assert!((f64::from(value.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-5);
}

#[test]
fn deferred_weights_begin_with_their_epoch() {
    patchbay_losses::register().unwrap();
    let logits = Tensor::randn(0f32, 1.0, (6, 3), &Device::Cpu).unwrap();
    let target = Tensor::new(&[0i64, 0, 0, 0, 1, 2], &Device::Cpu).unwrap();
    let counts = json!([400, 30, 3]);
    let value = |config: Value, epoch: usize| {
        let loss = plugin::create::<dyn Loss>("loss/ldam", config).unwrap();
        loss.begin_epoch(epoch).unwrap();
        loss.forward(&logits, &target)
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
    };
    let deferred = json!({"class_counts": counts, "reweight_from_epoch": 2});
    let plain = value(json!({"class_counts": counts}), 5);
    assert_eq!(value(deferred.clone(), 1), plain);
    assert_ne!(value(deferred, 2), plain);
}
