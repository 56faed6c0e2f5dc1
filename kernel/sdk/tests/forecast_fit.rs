//! Fitting of a forecaster that is defined here, with a loss that is.

use std::sync::atomic::{AtomicUsize, Ordering};

use patchbay::{
    forecast::{Dataset, FitOptions, Frame, Split, fit},
    nn::{self, Linear, Module},
    plugin::{create, prelude::*},
};

/// One linear map.
struct Line(Linear);

impl Component for Line {}

impl Define for Line {
    type Kind = dyn Forecaster;
    type Config = ();
    const ID: &'static str = "forecaster/line";
    const SUMMARY: &'static str = "A linear map";
    const DETAILS: Details = Details::NONE;

    fn build((): (), context: &Context) -> Result<Self> {
        Ok(Line(nn::linear(8, 2, context.vb())?))
    }
}

impl Forecaster for Line {
    fn forward(&self, window: &Window, _train: bool) -> Result<Tensor> {
        self.0.forward(&window.past)?.unsqueeze(2)
    }

    fn lookback(&self) -> usize {
        8
    }

    fn horizon(&self) -> usize {
        2
    }
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

patchbay::config! {
    /// Settings of [`Absolute`].
    struct AbsoluteConfig {
        /// The call from which on the value is NaN.
        breaks_at: usize = usize::MAX,
        /// Whether to return a value for each window.
        whole: bool = false,
    }
}

/// Mean absolute error, counted.
struct Absolute(AbsoluteConfig);

impl Component for Absolute {}

impl Define for Absolute {
    type Kind = dyn Loss;
    type Config = AbsoluteConfig;
    const ID: &'static str = "loss/absolute";
    const SUMMARY: &'static str = "Mean absolute error";
    const DETAILS: Details = Details::NONE;

    fn build(config: AbsoluteConfig, _context: &Context) -> Result<Self> {
        CALLS.store(0, Ordering::Relaxed);
        Ok(Absolute(config))
    }
}

impl Loss for Absolute {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        let error = (prediction - target)?.abs()?;
        if self.0.whole {
            return error.mean(1);
        }
        let factor = if calls >= self.0.breaks_at {
            f64::NAN
        } else {
            1.0
        };
        error.mean_all()? * factor
    }
}

patchbay::export_plugin!(Line, Absolute);

#[test]
fn a_loss_plugin_trains_validates_and_may_break() {
    register().unwrap();
    let times = (0..300).map(|row| row * 3600).collect();
    let values = (0..300)
        .map(|row| f64::from(row % 12) + 0.01 * f64::from(row % 7))
        .collect();
    let frame = Frame::new(times, vec![("a".to_owned(), values)]).unwrap();
    let data = Dataset::new(&frame, Split::shares(300, 0.6, 0.2).unwrap()).unwrap();
    let model = create::<dyn Forecaster>("forecaster/line", json!(null)).unwrap();
    let options = |config| FitOptions {
        loss: Some(create::<dyn Loss>("loss/absolute", config).unwrap()),
        batch: 32,
        learning_rate: 1e-2,
        quiet: true,
        ..FitOptions::default()
    };
    nn::seed_all(1).unwrap();
    let fitted = fit(&model, &data, &options(json!({}))).unwrap();
    // A validation before training and after each epoch, and all steps.
    let epochs = fitted.train.len();
    assert_eq!(CALLS.load(Ordering::Relaxed), fitted.steps + epochs + 1);
    assert!(
        fitted.validation[fitted.best] < 0.6 * fitted.validation[0],
        "{fitted:?}"
    );

    let before: Vec<f32> = model.trainable()[0]
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    let error = fit(&model, &data, &options(json!({"breaks_at": 4})))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("NaN") && error.contains("loss/absolute"),
        "{error}"
    );
    assert!(before.iter().all(|value| value.is_finite()));
    let error = fit(&model, &data, &options(json!({"whole": true})))
        .unwrap_err()
        .to_string();
    assert!(error.contains("fitting needs a scalar"), "{error}");
}
