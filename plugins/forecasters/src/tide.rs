//! TiDE: a dense encoder and decoder of a window, beside a linear map of its past.
//!
//! Das et al. 2023, Long-term Forecasting with TiDE: Time-series Dense Encoder (TMLR), section 4; where
//! the paper leaves a choice, this follows its authors' program (google-research/tide):
//!
//! - a residual block is `norm(dropout(W2 relu(W1 x)) + W3 x)`;
//! - projected covariates are flattened feature by feature, first those of the past, then those of the
//!   future; the encoder sees `[past, observed, known past, known future, attributes]`;
//! - the decoder's output is reshaped to `[p, horizon]`, and its column t goes to the temporal decoder
//!   with the covariates projected for that step;
//! - normalization is by mean and population deviation of the window's past, an affine map for each
//!   series if there are several, and is undone on the forecast.
//!
//! Where it differs:
//!
//! - `layer_norm: "inner"` leaves out the temporal decoder. Its output has width 1, and layer norm over
//!   width 1 returns its bias: with the paper's placement, `"all"`, no gradient reaches the network, and
//!   the forecast is the linear skip plus a constant. That form is there to compare, and warns.
//! - The number of blocks is the number in the settings; the authors' program makes one fewer.
//! - A quantile head has one output for each level in the temporal decoder and in the skip.
//! - `skip_start: "ridge"` begins with a skip fitted in closed form and a network that gives 0, `"ridge_mean"` with
//!   the mean of five such skips. That start is kept unless training improves clearly on it. With
//!   `FitOptions { frozen: vec!["global_skip".into()], .. }` the skip stays as it is in any case.

use std::sync::Mutex;

use patchbay::{
    nn::{Init, LayerNorm, Linear, layer_norm, linear},
    plugin::prelude::*,
};

use crate::{
    normal_equations::{NormalEquations, Regression},
    preset::Preset,
    window_scale::WindowScale,
};

/// Which blocks end in a layer norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum LayerNormPlacement {
    /// None.
    None,
    /// All but the temporal decoder.
    Inner,
    /// All, as in the paper: for point forecasts the network is then a constant.
    All,
}

/// What the global skip begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum SkipStart {
    /// Random numbers, as in the paper.
    Random,
    /// Ridge regression on the training part; the network begins at 0. Needs `reversible`.
    Ridge,
    /// The mean of five ridge regressions, each with a penalty of its own: on the whole lookback with the penalty of a
    /// weight growing with its lag as (1 + lag / day)^a for a = 0, 1/2 and 1, and on the last 0.7 and 0.4667 of it,
    /// in whole days. The network begins at 0. Needs `reversible`.
    RidgeMean,
}

impl SkipStart {
    fn is_fitted(self) -> bool {
        self != SkipStart::Random
    }

    fn name(self) -> &'static str {
        match self {
            SkipStart::Random => "random",
            SkipStart::Ridge => "ridge",
            SkipStart::RidgeMean => "ridge_mean",
        }
    }
}

patchbay::config! {
    /// Settings of [`Tide`]. What is null is the preset's; without a preset as it is said.
    pub struct TideConfig {
        /// Steps of the past.
        #[schemars(range(min = 1))]
        lookback: usize = 720,
        /// Steps that are forecast.
        #[schemars(range(min = 1))]
        horizon: usize = 96,
        /// Covariates that are known over past and future.
        known: usize = 0,
        /// Covariates that are known for the past only.
        observed: usize = 0,
        /// Attributes of a series.
        attributes: usize = 0,
        /// Series with an affine map of their own after normalization; 0: no such map.
        series: usize = 0,
        /// Sizes that belong together: `compact`, a small network that begins with ridge regression, or those that the
        /// paper chose for a data set (Table 5).
        preset: Option<Preset> = None,
        /// Width of the dense layers; 256.
        #[schemars(range(min = 1))]
        hidden: Option<usize> = None,
        /// Residual blocks of the encoder; 2.
        #[schemars(range(min = 1))]
        encoder_layers: Option<usize> = None,
        /// Residual blocks of the decoder; 2.
        #[schemars(range(min = 1))]
        decoder_layers: Option<usize> = None,
        /// Width of a decoded step, the paper's p; 8.
        #[schemars(range(min = 1))]
        decoder_output: Option<usize> = None,
        /// Hidden width of the temporal decoder; 128.
        #[schemars(range(min = 1))]
        temporal_decoder_hidden: Option<usize> = None,
        /// Width of projected covariates.
        #[schemars(range(min = 1))]
        temporal_width: usize = 4,
        /// Hidden width of the covariates' projection.
        #[schemars(range(min = 1))]
        projection_hidden: usize = 64,
        /// Probability of dropping in each block; 0.
        #[schemars(range(min = 0.0, max = 1.0))]
        dropout: Option<f64> = None,
        /// Which blocks have a layer norm; none. (A preset with one has it in all but the last.)
        layer_norm: Option<LayerNormPlacement> = None,
        /// Added to the variance in layer norms; the authors' program has 1e-3.
        #[schemars(range(min = 0.0))]
        layer_norm_eps: f64 = 1e-3,
        /// Whether windows are normalized by the mean and deviation of their past; true.
        reversible: Option<bool> = None,
        /// Levels of a probabilistic forecast, ascending, in 0..1; empty: a point forecast.
        quantiles: Vec<f64> = Vec::new(),
        /// What the global skip begins with; random.
        skip_start: Option<SkipStart> = None,
        /// Steps of a day, by which `skip_start: "ridge_mean"` counts lags.
        #[schemars(range(min = 1))]
        day: usize = 24,
    }
}

/// A dense encoder and decoder beside a linear map.
pub struct Tide {
    config: TideConfig,
    skip_start: SkipStart,
    reversible: bool,
    known_projection: Option<ResidualBlock>,
    observed_projection: Option<ResidualBlock>,
    encoder: Vec<ResidualBlock>,
    decoder: Vec<ResidualBlock>,
    temporal_decoder: ResidualBlock,
    global_skip: Linear,
    /// Weight and bias `[series]` of the map after normalization.
    affine: Option<(Tensor, Tensor)>,
    decoder_output: usize,
    start: Mutex<Start>,
}

/// What a start by ridge regression writes to.
struct Start {
    equations: Option<NormalEquations>,
    /// Weight `[horizon * outputs, lookback]` and bias.
    skip: Vec<Var>,
    /// Weights and biases of the temporal decoder that are set to zero.
    last: Vec<Var>,
}

/// What a forward pass computes, for tests and for a look inside.
pub struct Steps {
    /// `[batch, lookback + horizon, temporal_width]`, if there are known covariates.
    pub projected: Option<Tensor>,
    /// `[batch, inputs]`.
    pub encoder_input: Tensor,
    /// `[batch, hidden]`.
    pub encoding: Tensor,
    /// `[batch, p, horizon]`.
    pub decoded: Tensor,
    /// `[batch, horizon, outputs]`, before normalization is undone.
    pub network: Tensor,
    /// `[batch, horizon, outputs]`, before normalization is undone.
    pub linear: Tensor,
    /// `[batch, horizon, outputs]`.
    pub forecast: Tensor,
    scale: Option<Normalization>,
}

impl Steps {
    /// The forecast with the network's part taken as 0: `[batch, horizon, outputs]`.
    fn linear_forecast(&self) -> Result<Tensor> {
        match &self.scale {
            Some(scale) => scale.undo(&self.linear),
            None => Ok(self.linear.clone()),
        }
    }
}

impl Component for Tide {}

impl Define for Tide {
    type Kind = dyn Forecaster;
    type Config = TideConfig;
    const ID: &'static str = "forecaster/tide";
    const SUMMARY: &'static str =
        "TiDE: dense encoder and decoder beside a linear map; point or quantiles";
    const DETAILS: Details = Details {
        formula: "temporal_decoder([decoder(encoder(window))_t, known_t]) + W past;  \
                  block: norm(dropout(W2 relu(W1 x)) + W3 x)",
        reference: "Das et al. 2023, Long-term Forecasting with TiDE, arXiv 2304.08424, section 4",
        shapes: "past [batch, lookback]; known [batch, lookback + horizon, known]; observed [batch, lookback, \
                 observed]; attributes [batch, attributes]; series [batch]; forecast [batch, horizon, 1 or \
                 number of quantiles]",
        trainable: true,
        example: r#"let model = create::<dyn Forecaster>("forecaster/tide", json!({"lookback": 96, "horizon": 24, "hidden": 64}))?;
let window = plugin::Window::new(Tensor::randn(0f32, 1.0, (8, 96), &device())?);
model.forward(&window, false)?"#,
    };

    fn build(config: TideConfig, context: &Context) -> Result<Self> {
        Tide::new(config, context.vb())
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let wave = |shape: &[usize], phase: f64| {
            let count = shape.iter().product();
            let values: Vec<f32> = (0..count)
                .map(|i| (i as f64 * 1.7 + phase).sin() as f32)
                .collect();
            Tensor::from_vec(values, shape, &Device::Cpu)
        };
        let settings = json!({
            "lookback": 6, "horizon": 3, "known": 2, "observed": 1, "attributes": 2, "series": 3,
            "hidden": 5, "encoder_layers": 1, "decoder_layers": 1, "decoder_output": 2, "temporal_decoder_hidden": 4,
            "temporal_width": 2, "projection_hidden": 4, "dropout": 0.0, "quantiles": [0.1, 0.5, 0.9],
        });
        Ok(Sample::new(settings)
            .input("past", wave(&[2, 6], 0.0)?)
            .input("known", wave(&[2, 9, 2], 0.4)?)
            .input("observed", wave(&[2, 6, 1], 0.9)?)
            .input("attributes", wave(&[2, 2], 1.3)?)
            .input("series", Tensor::new(&[0u32, 2], &Device::Cpu)?)
            .other_gradient(
                "input past",
                "no gradient leads through the window's mean and deviation, as in RevIN's program",
            ))
    }
}

impl Tide {
    /// A model with the parameters of `vb`: `encoder.0.hidden.weight` and so on, as in the file's head.
    ///
    /// # Errors
    ///
    /// Fails where settings contradict each other or a parameter has another shape.
    pub fn new(config: TideConfig, vb: VarBuilder<'_>) -> Result<Tide> {
        let sizes = config.preset.map_or_else(Preset::otherwise, Preset::sizes);
        let reversible = config.reversible.unwrap_or(sizes.reversible);
        let skip_start = config.skip_start.unwrap_or(sizes.skip_start);
        check(&config, skip_start, reversible)?;
        let decoder_output = config.decoder_output.unwrap_or(sizes.decoder_output);
        let hidden = config.hidden.unwrap_or(sizes.hidden);
        let norm = config.layer_norm.unwrap_or(if sizes.layer_norm {
            LayerNormPlacement::Inner
        } else {
            LayerNormPlacement::None
        });
        let outputs = config.quantiles.len().max(1);
        if norm == LayerNormPlacement::All {
            let effect = match outputs {
                1 => "the network becomes a constant and gets no gradient".to_owned(),
                2 => "of two values only which is larger is left, so each output is b + w or b - w with the norm's own \
                      weight and bias"
                    .to_owned(),
                _ => format!(
                    "the {outputs} quantiles of a step get a fixed mean and deviation, so intervals are equally wide"
                ),
            };
            println!(
                "forecaster/tide: layer_norm \"all\" normalizes the temporal decoder's output, which has width \
                 {outputs}: {effect}. layer_norm \"inner\" leaves that block out."
            );
        }
        let make = Blocks {
            dropout: config.dropout.unwrap_or(sizes.dropout),
            norm: (norm != LayerNormPlacement::None).then_some(config.layer_norm_eps),
        };
        let width = config.temporal_width;
        let mut inputs = config.lookback + config.attributes;
        let mut projection = |count: usize, steps: usize, name: &str| {
            (count > 0)
                .then(|| {
                    inputs += steps * width;
                    make.block([count, config.projection_hidden, width], vb.pp(name))
                })
                .transpose()
        };
        let observed_projection = projection(config.observed, config.lookback, "past_projection")?;
        let steps = config.lookback + config.horizon;
        let known_projection = projection(config.known, steps, "feature_projection")?;

        let encoder_layers = config.encoder_layers.unwrap_or(sizes.encoder_layers);
        let encoder = (0..encoder_layers)
            .map(|index| {
                let inputs = if index == 0 { inputs } else { hidden };
                make.block([inputs, hidden, hidden], vb.pp("encoder").pp(index))
            })
            .collect::<Result<_>>()?;
        let decoder_layers = config.decoder_layers.unwrap_or(sizes.decoder_layers);
        let decoder = (0..decoder_layers)
            .map(|index| {
                let last = index + 1 == decoder_layers;
                let outputs = if last {
                    decoder_output * config.horizon
                } else {
                    hidden
                };
                make.block([hidden, hidden, outputs], vb.pp("decoder").pp(index))
            })
            .collect::<Result<_>>()?;

        let inputs = decoder_output + if config.known > 0 { width } else { 0 };
        let temporal_hidden = config
            .temporal_decoder_hidden
            .unwrap_or(sizes.temporal_decoder_hidden);
        let last = Blocks {
            norm: make.norm.filter(|_| norm == LayerNormPlacement::All),
            ..make
        };
        let temporal_decoder = last.block(
            [inputs, temporal_hidden, outputs],
            vb.pp("temporal_decoder"),
        )?;
        let global_skip = linear(
            config.lookback,
            config.horizon * outputs,
            vb.pp("global_skip"),
        )?;
        let affine = (reversible && config.series > 0)
            .then(|| -> Result<_> {
                let weight = vb.get_with_hints(config.series, "affine_weight", Init::Const(1.0))?;
                let bias = vb.get_with_hints(config.series, "affine_bias", Init::Const(0.0))?;
                Ok((weight, bias))
            })
            .transpose()?;
        let start = Mutex::new(Start::new(&global_skip, &temporal_decoder)?);
        Ok(Tide {
            config,
            skip_start,
            reversible,
            known_projection,
            observed_projection,
            encoder,
            decoder,
            temporal_decoder,
            global_skip,
            affine,
            decoder_output,
            start,
        })
    }
}

/// What one setting alone cannot say.
fn check(config: &TideConfig, skip_start: SkipStart, reversible: bool) -> Result<()> {
    let levels = &config.quantiles;
    let ascending = levels.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || levels.iter().any(|&level| level <= 0.0 || level >= 1.0) {
        bail!(
            "quantiles must ascend and lie between 0 and 1, not {levels:?}; for instance [0.1, 0.5, 0.9]"
        );
    }
    if skip_start.is_fitted() && (!reversible || config.series > 0) {
        bail!(
            "skip_start \"{}\" needs reversible true and series 0: the regression is on windows less their mean",
            skip_start.name()
        );
    }
    Ok(())
}

impl Start {
    fn new(skip: &Linear, temporal_decoder: &ResidualBlock) -> Result<Start> {
        // A variable that is asked for as a variable is the same one, not a copy.
        let vars = |layer: &Linear| -> Result<Vec<Var>> {
            [Some(layer.weight()), layer.bias()]
                .into_iter()
                .flatten()
                .map(Var::from_tensor)
                .collect()
        };
        let mut last = vars(&temporal_decoder.output)?;
        last.extend(vars(&temporal_decoder.skip)?);
        Ok(Start {
            equations: None,
            skip: vars(skip)?,
            last,
        })
    }
}

impl Forecaster for Tide {
    fn forward(&self, window: &Window, train: bool) -> Result<Tensor> {
        let forecast = self.steps(window, train)?.forecast;
        // Blocks leave no way back to the variables without `train`, so neither does the linear skip.
        Ok(if train { forecast } else { forecast.detach() })
    }

    fn learning_rate(&self) -> Option<f64> {
        self.config
            .preset
            .map(|preset| preset.sizes().learning_rate)
    }

    fn lookback(&self) -> usize {
        self.config.lookback
    }

    fn horizon(&self) -> usize {
        self.config.horizon
    }

    fn quantiles(&self) -> Vec<f64> {
        self.config.quantiles.clone()
    }

    /// The linear skip with normalization undone, and what the network adds to it.
    fn parts(&self, window: &Window) -> Result<Vec<(String, Tensor)>> {
        let steps = self.steps(window, false)?;
        let linear = steps.linear_forecast()?;
        let network = (&steps.forecast - &linear)?;
        Ok(vec![
            ("linear skip".to_owned(), linear),
            ("network".to_owned(), network),
        ])
    }

    fn fit(&self, batches: &mut dyn Iterator<Item = Result<(Window, Tensor)>>) -> Result<Fit> {
        if self.affine.is_some()
            && let Some(batch) = batches.next()
        {
            self.check_series(&batch?.0)?;
        }
        if self.skip_start.is_fitted() {
            let mut equations = NormalEquations::new(self.config.lookback, self.config.horizon);
            for batch in batches {
                let (window, future) = batch?;
                equations.add(&window.past, &future)?;
            }
            self.lock().equations = Some(equations);
            return Ok(Fit::Refine);
        }
        Ok(Fit::ByGradient)
    }

    fn select(&self, batches: &mut dyn Iterator<Item = Result<(Window, Tensor)>>) -> Result<()> {
        let mut start = self.lock();
        let Some(equations) = start.equations.take() else {
            return Ok(());
        };
        let mut held_out = NormalEquations::new(self.config.lookback, self.config.horizon);
        for batch in batches {
            let (window, future) = batch?;
            held_out.add(&window.past, &future)?;
        }
        let best = match self.skip_start {
            SkipStart::RidgeMean => {
                let five = Regression::five(self.config.lookback, self.config.day);
                equations.mean_of_best(&held_out, &five)?
            }
            SkipStart::Random | SkipStart::Ridge => equations.best(&held_out)?,
        };
        // Every quantile begins as the mean; rows are [horizon, outputs].
        let outputs = self.config.quantiles.len().max(1);
        let (lookback, horizon) = (self.config.lookback, self.config.horizon);
        let like = start.skip[0].as_tensor().clone();
        let weight = best
            .weight()?
            .to_dtype(like.dtype())?
            .to_device(like.device())?
            .reshape((horizon, 1, lookback))?
            .broadcast_as((horizon, outputs, lookback))?
            .reshape((horizon * outputs, lookback))?;
        start.skip[0].set(&weight)?;
        for var in start.skip[1..].iter().chain(&start.last) {
            var.set(&var.zeros_like()?)?;
        }
        Ok(())
    }
}

impl Tide {
    /// A forward pass with what it computes on the way.
    ///
    /// # Errors
    ///
    /// Fails where a part of the window does not fit the settings.
    pub fn steps(&self, window: &Window, train: bool) -> Result<Steps> {
        let TideConfig {
            lookback, horizon, ..
        } = self.config;
        let batch = window.past.dim(0)?;
        let parts = self.covariates(window, batch)?;
        let scale = self.normalization(window)?;
        let past = match &scale {
            Some(scale) => scale.apply(&window.past)?,
            None => window.past.clone(),
        };

        let mut inputs = vec![past.clone()];
        if let (Some(block), Some(observed)) = (&self.observed_projection, &parts.observed) {
            inputs.push(flat(&block.forward(observed, train)?)?);
        }
        let projected = match (&self.known_projection, &parts.known) {
            (Some(block), Some(known)) => Some(block.forward(known, train)?),
            _ => None,
        };
        if let Some(projected) = &projected {
            inputs.push(flat(&projected.narrow(1, 0, lookback)?)?);
            inputs.push(flat(&projected.narrow(1, lookback, horizon)?)?);
        }
        inputs.extend(parts.attributes);
        let encoder_input = match inputs.len() {
            1 => past.clone(),
            _ => Tensor::cat(&inputs, 1)?,
        };

        let mut encoding = encoder_input.clone();
        for block in &self.encoder {
            encoding = block.forward(&encoding, train)?;
        }
        let mut decoded = encoding.clone();
        for block in &self.decoder {
            decoded = block.forward(&decoded, train)?;
        }
        let decoded = decoded.reshape((batch, self.decoder_output, horizon))?;
        let step = decoded.transpose(1, 2)?;
        let step = match &projected {
            Some(projected) => Tensor::cat(&[step, projected.narrow(1, lookback, horizon)?], 2)?,
            None => step,
        };
        let network = self.temporal_decoder.forward(&step, train)?;
        let linear = self
            .global_skip
            .forward(&past)?
            .reshape((batch, horizon, ()))?;
        let sum = (&network + &linear)?;
        let forecast = match &scale {
            Some(scale) => scale.undo(&sum)?,
            None => sum,
        };
        Ok(Steps {
            projected,
            encoder_input,
            encoding,
            decoded,
            network,
            linear,
            forecast,
            scale,
        })
    }

    /// The window's covariates and attributes, as many as the settings say and no others.
    fn covariates(&self, window: &Window, batch: usize) -> Result<Covariates> {
        let config = &self.config;
        let steps = config.lookback + config.horizon;
        Ok(Covariates {
            known: part("known", &window.known, &[batch, steps, config.known])?,
            observed: part(
                "observed",
                &window.observed,
                &[batch, config.lookback, config.observed],
            )?,
            attributes: part(
                "attributes",
                &window.attributes,
                &[batch, config.attributes],
            )?,
        })
    }

    fn normalization(&self, window: &Window) -> Result<Option<Normalization>> {
        if !self.reversible {
            return Ok(None);
        }
        // A constant past is left as it is, less its mean.
        let scale = WindowScale::of(&window.past)?;
        let affine = match (&self.affine, &window.series) {
            (Some((weight, bias)), Some(series)) => {
                if series.dims() != [window.past.dim(0)?] {
                    bail!(
                        "the window's `series` is {:?}, expected [{}], the index of each row's series",
                        series.dims(),
                        window.past.dim(0)?
                    );
                }
                // Elsewhere reading them would wait for the device at each step; `fit` looks once.
                if series.device().is_cpu() {
                    self.check_series(window)?;
                }
                let of = |values: &Tensor| values.index_select(series, 0)?.unsqueeze(1);
                Some((of(weight)?, of(bias)?))
            }
            (Some(_), None) => bail!(
                "the settings say {} series: expected the window's `series`, the index [batch] of each row's series",
                self.config.series
            ),
            (None, _) => None,
        };
        Ok(Some(Normalization { scale, affine }))
    }

    /// Whether all series of a window have an affine map.
    fn check_series(&self, window: &Window) -> Result<()> {
        let Some(series) = &window.series else {
            return Ok(());
        };
        let most = series.max_all()?.to_dtype(DType::U32)?.to_scalar::<u32>()? as usize;
        if most >= self.config.series {
            bail!(
                "the setting `series` is {}, but a window is of series {most}, counted from 0: create the forecaster \
                 with \"series\": {} or more, or with 0 for no map of each series",
                self.config.series,
                most + 1
            );
        }
        Ok(())
    }

    /// A panic while the lock is held leaves a start that is only read again when fitting anew.
    fn lock(&self) -> std::sync::MutexGuard<'_, Start> {
        self.start
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

struct Covariates {
    known: Option<Tensor>,
    observed: Option<Tensor>,
    attributes: Option<Tensor>,
}

/// A part of the window if the settings ask for it, checked.
fn part(name: &str, given: &Option<Tensor>, expected: &[usize]) -> Result<Option<Tensor>> {
    let count = expected.last().copied().unwrap_or(0);
    match given {
        Some(tensor) if tensor.dims() == expected => Ok((count > 0).then(|| tensor.clone())),
        None if count == 0 => Ok(None),
        Some(tensor) => bail!(
            "the window's `{name}` is {:?}, expected {expected:?}; the setting `{name}` is {count}",
            tensor.dims()
        ),
        None => bail!(
            "the window has no `{name}`, expected {expected:?}; the setting `{name}` is {count}"
        ),
    }
}

/// `[batch, time, width]` to `[batch, width * time]`, feature by feature.
fn flat(projected: &Tensor) -> Result<Tensor> {
    projected.transpose(1, 2)?.flatten_from(1)
}

/// A window's scale.
struct Normalization {
    scale: WindowScale,
    /// Weight and bias of each row's series, `[batch, 1]`.
    affine: Option<(Tensor, Tensor)>,
}

impl Normalization {
    /// `[batch, lookback]` to the same.
    fn apply(&self, past: &Tensor) -> Result<Tensor> {
        let values = self.scale.standardize(past)?;
        match &self.affine {
            Some((weight, bias)) => values.broadcast_mul(weight)?.broadcast_add(bias),
            None => Ok(values),
        }
    }

    /// `[batch, horizon, outputs]` to the same.
    fn undo(&self, values: &Tensor) -> Result<Tensor> {
        let values = match &self.affine {
            Some((weight, bias)) => values
                .broadcast_sub(&bias.unsqueeze(2)?)?
                .broadcast_div(&(weight + 1e-7)?.unsqueeze(2)?)?,
            None => values.clone(),
        };
        values
            .broadcast_mul(&self.scale.deviation.unsqueeze(2)?)?
            .broadcast_add(&self.scale.mean.unsqueeze(2)?)
    }
}

/// What all blocks of a model share.
#[derive(Clone, Copy)]
struct Blocks {
    dropout: f64,
    /// The layer norm's eps, if there is one.
    norm: Option<f64>,
}

impl Blocks {
    fn block(
        &self,
        [inputs, hidden, outputs]: [usize; 3],
        vb: VarBuilder<'_>,
    ) -> Result<ResidualBlock> {
        Ok(ResidualBlock {
            hidden: linear(inputs, hidden, vb.pp("hidden"))?,
            output: linear(hidden, outputs, vb.pp("output"))?,
            skip: linear(inputs, outputs, vb.pp("skip"))?,
            norm: self
                .norm
                .map(|eps| layer_norm(outputs, eps, vb.pp("norm")))
                .transpose()?,
            dropout: self.dropout,
        })
    }
}

/// `norm(dropout(output(relu(hidden(x)))) + skip(x))`.
struct ResidualBlock {
    hidden: Linear,
    output: Linear,
    skip: Linear,
    norm: Option<LayerNorm>,
    dropout: f64,
}

impl ResidualBlock {
    /// `[..., inputs]` to `[..., outputs]`. Without `train` no gradient leads back.
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let detached_unless_training = |x: &Tensor| if train { x.clone() } else { x.detach() };
        let layer = |layer: &Linear| {
            (
                detached_unless_training(layer.weight()),
                layer.bias().map(detached_unless_training),
            )
        };
        let (hidden, output, skip) = (layer(&self.hidden), layer(&self.output), layer(&self.skip));
        let sum = ops::residual_mlp(
            &detached_unless_training(x),
            (&hidden.0, hidden.1.as_ref()),
            (&output.0, output.1.as_ref()),
            (&skip.0, skip.1.as_ref()),
            self.dropout,
            train,
        )?;
        match &self.norm {
            Some(norm) => Ok(detached_unless_training(&norm.forward(&sum)?)),
            None => Ok(sum),
        }
    }
}
