//! TiDE against the PyTorch reference: values, steps and gradients of seven cases by
//! reference/tide_reference.py.

use std::{collections::HashMap, path::Path};

use patchbay::{
    nn::{GradientState, VarMap, audit},
    plugin::{Define, Options, Slot, Window, create, create_with, prelude::*},
    serde_json::{self, Value},
};
use patchbay_forecasters::Tide;

const CPU: Device = Device::Cpu;
/// In `f64` only the rounding of the stored numbers is left. In `f32` a layer norm over the two values of
/// a projected covariate multiplies rounding errors where the two are close.
const TYPES: [(DType, f64, f64); 2] = [(DType::F64, 2e-7, 2e-7), (DType::F32, 1e-5, 1e-4)];
const CASES: [&str; 7] = [
    "plain",
    "layer_norm",
    "reversible",
    "reversible_affine",
    "paper_layer_norm",
    "past_covariates",
    "lookback_only",
];

fn reference() -> (Value, HashMap<String, Tensor>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let text = std::fs::read_to_string(folder.join("tide_small.json")).unwrap();
    let numbers = candle::safetensors::load(folder.join("tide_small.safetensors"), &CPU).unwrap();
    (serde_json::from_str(&text).unwrap(), numbers)
}

/// The settings of a case as the plugin names them.
fn settings(config: &Value) -> Value {
    json!({
        "lookback": config["lookback"],
        "horizon": config["horizon"],
        "known": config["covariates"],
        "observed": config["past_covariates"],
        "attributes": config["static"],
        "series": config["series"],
        "hidden": config["hidden"],
        "encoder_layers": config["encoder_layers"],
        "decoder_layers": config["decoder_layers"],
        "decoder_output": config["decoder_output"],
        "temporal_decoder_hidden": config["temporal_decoder_hidden"],
        "temporal_width": config["temporal_width"],
        "projection_hidden": config["projection_hidden"],
        "dropout": config["dropout"],
        "layer_norm": config["layer_norm"],
        "layer_norm_eps": config["layer_norm_eps"],
        "reversible": config["reversible"],
    })
}

/// The largest difference, in multiples of the largest expected value.
fn difference(got: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(got.dims(), expected.dims());
    let plain = |x: &Tensor| -> Vec<f64> {
        let x = x.detach().to_dtype(DType::F64).unwrap();
        x.flatten_all().unwrap().to_vec1().unwrap()
    };
    patchbay_compare::relative_difference(&plain(got), &plain(expected), 1e-6)
}

struct Case {
    name: &'static str,
    numbers: HashMap<String, Tensor>,
    slot: Slot<dyn Forecaster>,
    window: Window,
    loss: f64,
}

impl Case {
    /// All cases, computed in this type.
    fn all(dtype: DType) -> Vec<Case> {
        patchbay_forecasters::register().unwrap();
        let (description, numbers) = reference();
        CASES
            .map(|name| {
                let case = &description["cases"][name];
                let prefix = format!("{name}/");
                let numbers: HashMap<String, Tensor> = numbers
                    .iter()
                    .filter_map(|(key, tensor)| {
                        let tensor = match tensor.dtype() {
                            DType::F32 => tensor.to_dtype(dtype).unwrap(),
                            _ => tensor.to_dtype(DType::U32).unwrap(),
                        };
                        Some((key.strip_prefix(&prefix)?.to_owned(), tensor))
                    })
                    .collect();
                let input = |name: &str| numbers.get(&format!("input/{name}")).cloned();
                let window = Window {
                    past: input("lookback").unwrap(),
                    known: input("covariates"),
                    observed: input("past_covariates"),
                    attributes: input("static"),
                    series: input("series"),
                };
                let options = Options {
                    dtype,
                    device: CPU,
                    frozen: false,
                };
                let slot = create_with::<dyn Forecaster>(
                    "forecaster/tide",
                    settings(&case["config"]),
                    options,
                )
                .unwrap();
                let count: usize = slot.trainable().iter().map(|var| var.elem_count()).sum();
                assert_eq!(count as u64, case["parameters"].as_u64().unwrap(), "{name}");
                for named in slot.variables() {
                    let weight = &numbers[&format!("weight/{}", named.name)];
                    named.var.set(weight).unwrap();
                }
                Case {
                    name,
                    slot,
                    window,
                    loss: case["loss"].as_f64().unwrap(),
                    numbers,
                }
            })
            .into()
    }

    fn number(&self, key: &str) -> &Tensor {
        &self.numbers[key]
    }

    fn loss(&self) -> Tensor {
        let forecast = self.slot.forward(&self.window, true).unwrap();
        let error = forecast.squeeze(2).unwrap() - self.number("target");
        error.unwrap().sqr().unwrap().mean_all().unwrap()
    }

    /// The case's variables, for the audit.
    fn variables(&self) -> VarMap {
        let map = VarMap::new();
        for named in self.slot.variables() {
            map.data().lock().unwrap().insert(named.name, named.var);
        }
        map
    }
}

#[test]
fn forecasts_and_losses_are_those_of_pytorch() {
    for (dtype, tolerance, _) in TYPES {
        for case in Case::all(dtype) {
            let forecast = case.slot.forward(&case.window, false).unwrap();
            let worst = difference(&forecast.squeeze(2).unwrap(), case.number("forecast"));
            assert!(worst < tolerance, "{}: {worst}", case.name);
            let loss = case.loss().to_dtype(DType::F64).unwrap();
            let ratio = loss.to_scalar::<f64>().unwrap() / case.loss;
            assert!((ratio - 1.0).abs() < tolerance, "{}: {ratio}", case.name);
        }
    }
}

#[test]
fn every_step_on_the_way_is_that_of_pytorch() {
    let (description, _) = reference();
    for case in Case::all(DType::F64) {
        let config = settings(&description["cases"][case.name]["config"]);
        let mut complete = serde_json::Map::from_iter(
            <<Tide as Define>::Config as patchbay::plugin::Config>::defaults(),
        );
        complete.extend(config.as_object().unwrap().clone());
        let vb = VarBuilder::from_tensors(
            case.numbers
                .iter()
                .filter_map(|(key, tensor)| {
                    Some((key.strip_prefix("weight/")?.to_owned(), tensor.clone()))
                })
                .collect(),
            DType::F64,
            &CPU,
        );
        let config = serde_json::from_value(Value::Object(complete)).unwrap();
        let steps = Tide::new(config, vb)
            .unwrap()
            .steps(&case.window, false)
            .unwrap();
        let mut pairs = vec![
            ("encoder_input", steps.encoder_input),
            ("encoding", steps.encoding),
            ("decoded", steps.decoded),
            ("network", steps.network.squeeze(2).unwrap()),
            ("linear", steps.linear.squeeze(2).unwrap()),
        ];
        pairs.extend(steps.projected.map(|x| ("projected_covariates", x)));
        for (name, got) in pairs {
            let worst = difference(&got, case.number(&format!("step/{name}")));
            assert!(worst < TYPES[0].1, "{} {name}: {worst}", case.name);
        }
    }
}

#[test]
fn gradients_of_all_parameters_are_those_of_pytorch() {
    for (dtype, _, tolerance) in TYPES {
        for case in Case::all(dtype) {
            let grads = case.loss().backward().unwrap();
            for named in case.slot.variables() {
                let expected = case.number(&format!("grad/{}", named.name));
                let got = grads.get(&named.var).unwrap();
                let name = format!("{} {} {dtype:?}", case.name, named.name);
                if largest(expected) < 1e-12 {
                    // In front of a layer norm of width 1: nothing arrives.
                    assert!(largest(got) < 1e-6, "{name}: {}", largest(got));
                } else {
                    let worst = difference(got, expected);
                    assert!(worst < tolerance, "{name}: {worst}");
                }
            }
        }
    }
}

fn largest(x: &Tensor) -> f64 {
    let x = x.detach().to_dtype(DType::F64).unwrap();
    patchbay_compare::largest(&x.flatten_all().unwrap().to_vec1::<f64>().unwrap())
}

#[test]
fn the_network_learns_unless_layer_norm_has_width_one() {
    for case in Case::all(DType::F32) {
        let loss = case.loss();
        let audit = audit(&loss, &loss.backward().unwrap(), &case.variables()).unwrap();
        let silent: Vec<&str> = audit
            .findings
            .iter()
            .filter(|finding| finding.state != GradientState::Fine)
            .map(|finding| finding.name.as_str())
            .collect();
        if case.name == "paper_layer_norm" {
            // All of the network but the bias of the last norm.
            let blocks = [
                "feature_projection",
                "encoder",
                "decoder",
                "temporal_decoder",
            ];
            for block in blocks {
                assert!(
                    silent.iter().any(|name| name.starts_with(block)),
                    "{block}: {silent:?}"
                );
            }
            assert!(!silent.iter().any(|name| name.starts_with("global_skip")));
        } else {
            assert!(silent.is_empty(), "{}: {silent:?}", case.name);
        }
    }
}

#[test]
fn the_parts_add_up_to_the_forecast() {
    for case in Case::all(DType::F32) {
        let forecast = case.slot.forward(&case.window, false).unwrap();
        let parts = case.slot.parts(&case.window).unwrap();
        let sum = (&parts[0].1 + &parts[1].1).unwrap();
        assert!(difference(&sum, &forecast) < 1e-6, "{}", case.name);
    }
}

#[test]
fn a_forecast_in_parts_is_the_one_at_once() {
    patchbay_forecasters::register().unwrap();
    let config = json!({"lookback": 24, "horizon": 96, "hidden": 16, "temporal_decoder_hidden": 128, "known": 2});
    let model = create::<dyn Forecaster>("forecaster/tide", config).unwrap();
    // The temporal decoder's hidden values are 120 x 96 x 128, more than a million.
    let random = |shape: (usize, usize, usize)| Tensor::randn(0f32, 1.0, shape, &CPU).unwrap();
    let mut window = Window::new(random((120, 24, 1)).squeeze(2).unwrap());
    window.known = Some(random((120, 120, 2)));
    let (whole, parts) = (
        model.forward(&window, true).unwrap(),
        model.forward(&window, false).unwrap(),
    );
    assert!(difference(&parts, &whole) < 1e-5);
    // Gradients arrive where they are wanted.
    let grads = whole.sum_all().unwrap().backward().unwrap();
    assert!(model.trainable().iter().all(|var| grads.get(var).is_some()));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let case = Case::all(DType::F32).swap_remove(0);
    let error = |window: &Window| case.slot.forward(window, false).unwrap_err().to_string();
    let mut window = case.window.clone();
    window.known = Some(window.known.unwrap().narrow(1, 0, 31).unwrap());
    let text = error(&window);
    assert!(
        text.contains("`known` is [4, 31, 3], expected [4, 32, 3]"),
        "{text}"
    );
    window.known = None;
    let text = error(&window);
    assert!(text.contains("the window has no `known`"), "{text}");
    let text = error(&Window::new(
        Tensor::zeros((4, 23), DType::F32, &CPU).unwrap(),
    ));
    assert!(
        text.contains("expected a past [batch, 24], got [4, 23]"),
        "{text}"
    );

    for (config, part) in [
        (json!({"quantiles": [0.5, 0.1]}), "quantiles must ascend"),
        (
            json!({"skip_start": "ridge", "reversible": false}),
            "needs reversible",
        ),
        (json!({"hidden": 0}), "hidden"),
    ] {
        let text = create::<dyn Forecaster>("forecaster/tide", config)
            .unwrap_err()
            .to_string();
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_quantile_head_has_an_output_for_each_level() {
    patchbay_forecasters::register().unwrap();
    let config =
        json!({"lookback": 24, "horizon": 8, "quantiles": [0.1, 0.5, 0.9], "layer_norm": "inner"});
    let model = create::<dyn Forecaster>("forecaster/tide", config).unwrap();
    let past = Tensor::randn(0f32, 1.0, (5, 24), &CPU).unwrap();
    let forecast = model.forward(&Window::new(past), false).unwrap();
    assert_eq!(forecast.dims(), [5, 8, 3]);
    assert_eq!(model.quantiles(), [0.1, 0.5, 0.9]);
}

/// The counts are those of tests/bench/tide_torch.py, which has the sizes of the paper's Table 5 for ETTh1.
#[test]
fn a_preset_has_the_sizes_of_the_paper() {
    patchbay_forecasters::register().unwrap();
    for (horizon, known, expected) in [(96, 0, 1_363_818), (96, 7, 3_036_314), (720, 7, 7_340_042)]
    {
        let config = json!({"preset": "etth1", "horizon": horizon, "known": known});
        let model = create::<dyn Forecaster>("forecaster/tide", config).unwrap();
        let count: usize = model.trainable().iter().map(|var| var.elem_count()).sum();
        assert_eq!(count, expected);
    }
    let config = json!({"preset": "etth1", "hidden": 16, "known": 0});
    let small = create::<dyn Forecaster>("forecaster/tide", config).unwrap();
    let hidden = small
        .variables()
        .into_iter()
        .find(|named| named.name == "encoder.0.hidden.weight");
    assert_eq!(hidden.unwrap().var.dims(), [16, 720]);
}
