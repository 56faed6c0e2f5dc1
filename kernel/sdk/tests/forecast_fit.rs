//! Fitting of a forecaster that is defined here, with a loss that is.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use patchbay::{
    forecast::{Dataset, FitOptions, Fitted, Frame, Split, fit},
    interrupt,
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

patchbay::config! {
    /// Settings of [`Fragile`].
    struct FragileConfig {
        /// The evaluation that panics, counted from 1.
        panics_at: usize = usize::MAX,
        /// The training step that asks for an interrupt.
        interrupts_at: usize = usize::MAX,
        /// Whether it says that it begins with a fit.
        refines: bool = false,
    }
}

/// A linear map that notes its weights at each evaluation and may fail.
struct Fragile {
    map: Linear,
    config: FragileConfig,
    steps: AtomicUsize,
}

static NOTED: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

impl Component for Fragile {}

impl Define for Fragile {
    type Kind = dyn Forecaster;
    type Config = FragileConfig;
    const ID: &'static str = "forecaster/fragile";
    const SUMMARY: &'static str = "A linear map that may fail";
    const DETAILS: Details = Details::NONE;

    fn build(config: FragileConfig, context: &Context) -> Result<Self> {
        lock(&NOTED).clear();
        Ok(Fragile {
            map: nn::linear(8, 2, context.vb())?,
            config,
            steps: AtomicUsize::new(0),
        })
    }
}

impl Forecaster for Fragile {
    fn forward(&self, window: &Window, train: bool) -> Result<Tensor> {
        if train {
            let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
            if step == self.config.interrupts_at {
                interrupt::request();
            }
        } else {
            let mut noted = lock(&NOTED);
            noted.push(self.map.weight().flatten_all()?.to_vec1()?);
            let evaluations = noted.len();
            drop(noted);
            assert!(evaluations != self.config.panics_at, "a panic on purpose");
        }
        self.map.forward(&window.past)?.unsqueeze(2)
    }

    fn lookback(&self) -> usize {
        8
    }

    fn horizon(&self) -> usize {
        2
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(1e-2)
    }

    fn fit(&self, _batches: &mut dyn Iterator<Item = Result<(Window, Tensor)>>) -> Result<Fit> {
        Ok(if self.config.refines {
            Fit::Refine
        } else {
            Fit::ByGradient
        })
    }
}

patchbay::export_plugin!(Line, Absolute, Fragile);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An interrupt is one for the whole process, so these tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn data() -> Dataset {
    register().unwrap();
    let times = (0..300).map(|row| row * 3600).collect();
    let values = (0..300)
        .map(|row| f64::from(row % 12) + 0.01 * f64::from(row % 7))
        .collect();
    let frame = Frame::new(times, vec![("a".to_owned(), values)]).unwrap();
    Dataset::new(&frame, Split::shares(300, 0.6, 0.2).unwrap()).unwrap()
}

fn fragile(config: patchbay::serde_json::Value) -> Slot<dyn Forecaster> {
    nn::seed_all(1).unwrap();
    create::<dyn Forecaster>("forecaster/fragile", config).unwrap()
}

fn quick() -> FitOptions {
    FitOptions {
        batch: 32,
        quiet: true,
        ..FitOptions::default()
    }
}

fn weights(model: &Slot<dyn Forecaster>) -> Vec<f32> {
    let variables = model.variables();
    let weight = variables.iter().find(|named| named.name == "weight");
    let weight = weight.unwrap().var.flatten_all().unwrap();
    weight.to_vec1().unwrap()
}

#[test]
fn the_best_weights_are_kept_however_a_fit_ends() {
    let _turn = lock(&TURN);
    let data = data();
    // A panic in the validation after epoch 2: that after epoch 1 was better than the start.
    let model = fragile(json!({"panics_at": 3}));
    let error = fit(&model, &data, &quick()).unwrap_err().to_string();
    assert!(error.contains("a panic on purpose"), "{error}");
    let noted = lock(&NOTED).clone();
    assert_eq!(noted.len(), 3);
    assert!(noted[1] != noted[2] && noted[1] != noted[0]);
    assert_eq!(weights(&model), noted[1]);

    // With 171 windows an epoch has 6 steps: the interrupt of the twelfth is seen by the validation, which unwinds.
    let model = fragile(json!({"interrupts_at": 12}));
    let ended = catch_unwind(AssertUnwindSafe(|| fit(&model, &data, &quick())));
    interrupt::clear();
    assert!(ended.unwrap_err().is::<interrupt::Interrupted>());
    let noted = lock(&NOTED).clone();
    assert_eq!(noted.len(), 2);
    assert_eq!(weights(&model), noted[1]);

    // In the middle of an epoch the fit ends by itself.
    let model = fragile(json!({"interrupts_at": 9}));
    let ended = catch_unwind(AssertUnwindSafe(|| fit(&model, &data, &quick())));
    interrupt::clear();
    let noted = lock(&NOTED).clone();
    assert_eq!(weights(&model), noted[1]);
    assert!(ended.is_err() || ended.unwrap().unwrap().interrupted);
}

#[test]
fn a_model_that_is_already_broken_is_refused_as_such() {
    let _turn = lock(&TURN);
    let data = data();
    let model = fragile(json!({}));
    let var = &model.trainable()[0];
    var.set(&(var.as_tensor() * f64::NAN).unwrap()).unwrap();
    let error = fit(&model, &data, &quick()).unwrap_err().to_string();
    assert!(
        error.contains("before the first step: the model already gives NaN")
            && error.contains("forecaster/fragile"),
        "{error}"
    );
}

#[test]
fn a_start_that_is_fitted_gives_way_to_a_clear_gain_only() {
    let _turn = lock(&TURN);
    let data = data();
    let fitted: Fitted = fit(&fragile(json!({"refines": true})), &data, &quick()).unwrap();
    assert!(fitted.best > 0 && !fitted.closed_form, "{fitted:?}");
    // A start that forecasts perfectly cannot be improved on.
    let values = (0..300).map(|row| f64::from(row % 2)).collect();
    let times = (0..300).map(|row| row * 3600).collect();
    let frame = Frame::new(times, vec![("a".to_owned(), values)]).unwrap();
    let data = Dataset::new(&frame, Split::shares(300, 0.6, 0.2).unwrap()).unwrap();
    let model = fragile(json!({"refines": true}));
    for named in model.variables() {
        let var = &named.var;
        let start: Vec<f32> = match named.name.as_str() {
            "weight" => (0..16)
                .map(|i| if i == 6 || i == 15 { 1.0 } else { 0.0 })
                .collect(),
            _ => vec![0.0; 2],
        };
        let start = Tensor::from_vec(start, var.dims(), var.device()).unwrap();
        var.set(&start).unwrap();
    }
    let before = weights(&model);
    let fitted = fit(&model, &data, &quick()).unwrap();
    assert_eq!(fitted.best, 0, "{fitted:?}");
    assert_eq!(weights(&model), before);
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let _turn = lock(&TURN);
    let data = data();
    let model = fragile(json!({}));
    let refused = |change: fn(&mut FitOptions), part: &str| {
        let mut options = quick();
        change(&mut options);
        let error = fit(&model, &data, &options).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(|o| o.ema = Some(1.5), "ema is 1.5");
    refused(
        |o| o.frozen = vec!["wieght".to_owned()],
        "\"wieght\", with which no tensor's name begins; they are",
    );
    refused(|o| o.clip = Some(-1.0), "clip is -1");
    refused(|o| o.weight_decay = -5.0, "weight_decay is -5");
    refused(|o| o.learning_rate = Some(f64::NAN), "learning_rate is NaN");
    refused(|o| o.batch = 0, "batch is 0");
    refused(|o| o.most_steps = Some(0), "most_steps is 0");
}

#[test]
fn a_loss_plugin_trains_validates_and_may_break() {
    let _turn = lock(&TURN);
    let data = data();
    let model = create::<dyn Forecaster>("forecaster/line", json!(null)).unwrap();
    let options = |config| FitOptions {
        loss: Some(create::<dyn Loss>("loss/absolute", config).unwrap()),
        batch: 32,
        learning_rate: Some(1e-2),
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
