//! Components at work: panics, wrong results, swaps in a running loop.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use patchbay::plugin::{self, prelude::*};

use crate::support::{build, loss, patched};

fn slot(id: &str, name: &str, body: &str) -> Slot<dyn Loss> {
    plugin::load(build(name, &loss(id, body))).unwrap();
    plugin::create(id, json!({})).unwrap()
}

fn tensors() -> (Tensor, Tensor) {
    let prediction = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
    (prediction, Tensor::new(&[0u32, 1], &Device::Cpu).unwrap())
}

fn scalar(loss: &Slot<dyn Loss>) -> f32 {
    let (prediction, target) = tensors();
    loss.forward(&prediction, &target)
        .unwrap()
        .to_scalar()
        .unwrap()
}

#[test]
fn a_panic_is_an_error_of_that_call_and_marks_the_slot() {
    let loss = slot("loss/panics", "panics", "panic!(\"class {} is odd\", 7)");
    let (prediction, target) = tensors();
    let text = loss.forward(&prediction, &target).unwrap_err().to_string();
    assert!(
        text.contains("loss/panics g1 panicked: class 7 is odd"),
        "{text}"
    );
    assert_eq!(loss.failure().as_deref(), Some("class 7 is odd"));
    assert!(format!("{loss:?}").contains("panicked"));
    assert_eq!(
        prediction.sum_all().unwrap().to_scalar::<f32>().unwrap(),
        10.0
    );

    plugin::load(build(
        "works",
        &crate::support::loss("loss/works", "prediction.sum_all()"),
    ))
    .unwrap();
    loss.swap("loss/works", json!({})).unwrap();
    assert_eq!(loss.failure(), None);
    assert_eq!(scalar(&loss), 10.0);
    assert!(
        loss.history()
            .to_string()
            .contains("panicked: class 7 is odd")
    );
}

#[test]
fn a_panic_while_it_is_made_changes_nothing() {
    let loss = slot("loss/whole", "whole", "prediction.sum_all()");
    let source =
        crate::support::loss("loss/broken", "unreachable!()").replace("Ok(Mine)", "panic!(\"no\")");
    plugin::load(build("broken", &source)).unwrap();
    let text = loss.swap("loss/broken", json!({})).unwrap_err().to_string();
    assert!(
        text.contains("loss/broken cannot be made: it panicked: no"),
        "{text}"
    );
    assert_eq!(scalar(&loss), 10.0);
    assert_eq!(loss.history().0.len(), 1);
}

#[test]
fn results_that_are_no_loss_are_errors() {
    let (prediction, target) = tensors();
    let nan = slot("loss/nan", "nan", "prediction.sum_all()? * f64::NAN");
    let text = nan.forward(&prediction, &target).unwrap_err().to_string();
    assert!(
        text.contains("loss/nan: the loss is [NaN]") || text.contains("loss/nan: the loss is NaN"),
        "{text}"
    );
    assert!(
        text.contains("finite, so the loss itself made it"),
        "{text}"
    );
    let shape = slot("loss/shape", "shape", "prediction.flatten_all()");
    let text = shape.forward(&prediction, &target).unwrap_err().to_string();
    assert!(
        text.contains("returned [4] for a prediction [2, 2] and a target [2]"),
        "{text}"
    );
    let error = slot("loss/error", "error", "bail!(\"two classes only\")");
    let text = error.forward(&prediction, &target).unwrap_err().to_string();
    assert_eq!(text, "loss/error: two classes only");
}

#[test]
fn a_running_loop_takes_the_new_component_at_its_next_step() {
    let loss = slot("loss/before", "before", "prediction.sum_all()");
    plugin::load(build(
        "after",
        &crate::support::loss("loss/after", "prediction.mean_all()"),
    ))
    .unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (in_loop, stop) = (loss.clone(), &stop);
        let (changes, seen) = mpsc::channel();
        scope.spawn(move || {
            let mut last = None;
            while !stop.load(Ordering::Relaxed) {
                let value = scalar(&in_loop);
                if last.replace(value) != Some(value) {
                    changes.send(value).unwrap();
                }
            }
        });
        // Each swap waits until the loop has seen the one before.
        let next = || seen.recv_timeout(Duration::from_secs(240));
        let mut values = vec![next()];
        for id in ["loss/after", "loss/before", "loss/after"] {
            loss.swap(id, json!({})).unwrap();
            values.push(next());
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(values, [Ok(10.0), Ok(2.5), Ok(10.0), Ok(2.5)]);
    });
}

#[test]
fn a_new_generation_reaches_the_slots_that_hold_it() {
    let id = "loss/edited";
    let loss = slot(id, "edited", "prediction.sum_all()");
    let other = slot("loss/bystander", "bystander", "prediction.sum_all()");
    let second = build(
        "edited",
        &crate::support::loss(id, "prediction.sum_all()? * 3.0"),
    );
    let report = plugin::load(&second).unwrap();
    assert_eq!(report.components, [(id.to_owned(), 2)]);
    assert!(
        report.to_string().contains("loss/edited g2 replaces g1"),
        "{report}"
    );
    assert_eq!((scalar(&loss), scalar(&other)), (30.0, 10.0));
    assert_eq!(
        plugin::load(&second).unwrap().to_string(),
        "edited: unchanged"
    );

    loss.rollback(0).unwrap();
    assert_eq!(scalar(&loss), 10.0);
    assert_eq!(loss.provenance().why, "rollback to 0");
    loss.reload().unwrap();
    assert_eq!(scalar(&loss), 30.0);
    let text = loss.rollback(9).unwrap_err().to_string();
    assert!(
        text.contains("no number 9 to go back to: it has held 0 to 3"),
        "{text}"
    );
}

#[test]
fn a_swap_to_what_cannot_be_had_changes_nothing() {
    let loss = slot("loss/kept", "kept", "prediction.sum_all()");
    let text = loss
        .swap("loss/missing_one", json!({}))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("there is no component loss/missing_one"),
        "{text}"
    );
    let text = loss
        .swap("loss/kept", json!({"gamma": 1}))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("unknown key `gamma`: this component has no settings"),
        "{text}"
    );
    assert_eq!(scalar(&loss), 10.0);
}

#[test]
fn two_generations_do_not_share_code() {
    // RTLD_GLOBAL or a path that was loaded before would answer with the first one's function.
    let id = "loss/generations";
    let library = build(
        "generations",
        &loss(
            id,
            "{ let factor = \"11\".len() as f64; prediction.sum_all()? * factor }",
        ),
    );
    plugin::load(&library).unwrap();
    let first: Slot<dyn Loss> = plugin::create(id, json!({})).unwrap();
    let twin = patched(
        &library,
        "generations_twin.so",
        "a loss \\\"for\\\" a test",
        "A LOSS \\\"FOR\\\" A TEST",
    );
    let report = plugin::load(twin).unwrap();
    assert_eq!(report.components[0].1, 2);
    assert_eq!(scalar(&first), 20.0);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(
        maps.contains("-libgenerations.so") && maps.contains("-generations_twin.so"),
        "both stay mapped"
    );
}

/// A forecaster that repeats the past, of 2 values; `levels` is what its `quantiles` does.
fn forecaster(id: &str, levels: &str) -> String {
    format!(
        r#"use patchbay::plugin::prelude::*;
        pub struct Repeats;
        impl Component for Repeats {{}}
        impl Define for Repeats {{
            type Kind = dyn Forecaster;
            type Config = ();
            const ID: &'static str = "{id}";
            const SUMMARY: &'static str = "the past again";
            const DETAILS: Details = Details::NONE;
            fn build(_config: (), _context: &Context) -> Result<Self> {{ Ok(Repeats) }}
        }}
        impl Forecaster for Repeats {{
            fn forward(&self, window: &Window, _train: bool) -> Result<Tensor> {{ window.past.unsqueeze(2) }}
            fn lookback(&self) -> usize {{ 2 }}
            fn horizon(&self) -> usize {{ 2 }}
            fn quantiles(&self) -> Vec<f64> {{ {levels} }}
        }}
        patchbay::export_plugin!(Repeats);"#
    )
}

#[test]
fn what_is_constant_of_a_component_is_read_when_it_is_made() {
    plugin::load(build(
        "repeats",
        &forecaster("forecaster/repeats", "vec![0.5]"),
    ))
    .unwrap();
    let source = forecaster("forecaster/odd", "panic!(\"no levels\")");
    plugin::load(build("odd", &source)).unwrap();
    let text = plugin::create::<dyn Forecaster>("forecaster/odd", json!({}))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("forecaster/odd cannot be made") && text.contains("no levels"),
        "{text}"
    );
    let slot = plugin::create::<dyn Forecaster>("forecaster/repeats", json!({})).unwrap();
    assert!(slot.swap("forecaster/odd", json!({})).is_err());
    assert_eq!(slot.quantiles(), [0.5]);
    assert_eq!((slot.lookback(), slot.horizon()), (2, 2));
    assert_eq!(slot.provenance().id, "forecaster/repeats");
}

#[test]
fn a_component_without_a_sample_is_told_what_to_add_and_where() {
    plugin::load(build("bare", &loss("loss/bare", "prediction.sum_all()"))).unwrap();
    let broken = plugin::trial::components(&["loss/bare"]);
    assert_eq!(broken.len(), 1, "{broken:?}");
    for part in [
        "loss/bare has no sample",
        "add `fn sample(_scratch: &Path) -> Result<Sample>` to `impl Define for Mine`",
        "docs/writing-a-plugin.md",
    ] {
        assert!(broken[0].contains(part), "{broken:?}");
    }
}

/// The source of a loss of one shape with a sample, with something wrong.
fn sampled(id: &str, body: &str, reads: &str) -> String {
    loss(id, body).replace(
        "fn build(",
        &format!(
            "fn sample(_scratch: &Path) -> Result<Sample> {{
                let x = Tensor::new(&[[1f32, -2.0], [0.5, 3.0]], &Device::Cpu)?;
                let y = Tensor::new(&[[0f32, 1.0], [0.5, 2.0]], &Device::Cpu)?;
                Ok(Sample::new(json!({{}})).input(\"prediction\", x).input(\"target\", y){reads})
            }}
            fn build("
        ),
    ).replace(
        "Details::NONE",
        "Details { shapes: \"prediction and target [batch, width]; result []\", ..Details::NONE }",
    )
}

#[test]
fn the_tests_of_components_find_what_is_wrong() {
    let tried = |name: &str, body: &str, reads: &str| {
        let id = format!("loss/{name}");
        plugin::load(build(name, &sampled(&id, body, reads))).unwrap();
        plugin::trial::components(&[&id]).join("\n")
    };
    let found = tried("sound", "ops::mean_all(&(prediction - target)?.sqr()?)", "");
    assert!(found.is_empty(), "{found}");
    for (name, body, reads, words) in [
        (
            "wrong_gradient",
            "ops::mean_all(&(prediction * prediction.detach())?)",
            "",
            "gradients: the gradient of input prediction",
        ),
        (
            "claims_it",
            "ops::mean_all(&prediction.sqr()?)",
            ".other_gradient(\"input\", \"of a paper\")",
            "because of a paper; it is",
        ),
        (
            "wrong_shape",
            "(prediction - target)?.sqr()",
            "",
            "shapes: result has shape [2, 2]",
        ),
        (
            "breaks_on_none",
            "{ let x = prediction.to_dtype(DType::F64)?.to_vec2::<f64>()?; Tensor::new(x[1][0] as f32, &Device::Cpu) }",
            "",
            "small inputs: prediction [0, 2] panics",
        ),
        (
            "draws",
            "{ let x = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos(); Tensor::new(x as f32, &Device::Cpu) }",
            "",
            "seeds: two runs",
        ),
        (
            "narrow",
            "ops::mean_all(&(prediction * if prediction.dtype() == DType::F64 { 2.0 } else { 1.0 })?)",
            "",
            "types: result has",
        ),
    ] {
        let found = tried(name, body, reads);
        assert!(found.contains(words), "{name}: {words}\n{found}");
    }
}
