//! `torch.nn.LSTM` and `torch.nn.GRU`, one layer in one direction each.
//!
//! candle's begin with other values than PyTorch's, and its GRU puts the states of a sequence beside one another where its LSTM
//! stacks them.

use std::borrow::Cow;

use candle_core::{DType, Device, Error, IndexOp, Result, Tensor};
use candle_nn::{
    Init, VarBuilder,
    init::{FanInOut, NonLinearity, NormalOrUniform},
};
pub use candle_nn::{
    RNN,
    rnn::{Direction, GRUState, LSTMState},
};

use crate::network::{Field, Network, Part, TensorMap, plain, show_as_network};
use patchbay_ops as ops;

/// Uniform on ±1 / sqrt(hidden) for parameters whose first dimension is `gates` · hidden, as in PyTorch.
const fn default_init(gain: f64) -> Init {
    Init::Kaiming {
        dist: NormalOrUniform::Uniform,
        fan: FanInOut::FanOut,
        // sqrt(3) gain / sqrt(gates hidden)
        non_linearity: NonLinearity::ExplicitGain(gain),
    }
}

/// 2 / sqrt(3), for four gates.
const OF_LSTM: Init = default_init(1.154_700_538_379_251_5);
/// For three gates.
const OF_GRU: Init = default_init(1.0);

/// The settings of an [`LSTM`].
#[allow(clippy::upper_case_acronyms)]
#[derive(Clone, Copy, Debug)]
pub struct LSTMConfig {
    /// The first values of the weights of the input.
    pub w_ih_init: Init,
    /// The first values of the weights of the state.
    pub w_hh_init: Init,
    /// `None`: no bias.
    pub b_ih_init: Option<Init>,
    /// The first values of the bias of the state; `None` for a layer without.
    pub b_hh_init: Option<Init>,
    /// The number in the parameters' names.
    pub layer_idx: usize,
    /// Backward: the parameters' names end in `_reverse`, and [`RNN::seq`] begins at the end.
    pub direction: Direction,
}

impl Default for LSTMConfig {
    /// Initialized as in PyTorch.
    fn default() -> LSTMConfig {
        LSTMConfig {
            w_ih_init: OF_LSTM,
            w_hh_init: OF_LSTM,
            b_ih_init: Some(OF_LSTM),
            b_hh_init: Some(OF_LSTM),
            layer_idx: 0,
            direction: Direction::Forward,
        }
    }
}

impl LSTMConfig {
    /// Returns the end of the parameters' names.
    fn suffix(&self) -> String {
        let reverse = match self.direction {
            Direction::Forward => "",
            Direction::Backward => "_reverse",
        };
        format!("l{}{reverse}", self.layer_idx)
    }

    /// Without biases.
    pub fn default_no_bias() -> LSTMConfig {
        LSTMConfig {
            b_ih_init: None,
            b_hh_init: None,
            ..LSTMConfig::default()
        }
    }
}

/// The settings of a [`GRU`].
#[allow(clippy::upper_case_acronyms)]
#[derive(Clone, Copy, Debug)]
pub struct GRUConfig {
    /// The first values of the weights of the input.
    pub w_ih_init: Init,
    /// The first values of the weights of the state.
    pub w_hh_init: Init,
    /// `None`: no bias.
    pub b_ih_init: Option<Init>,
    /// The first values of the bias of the state; `None` for a layer without.
    pub b_hh_init: Option<Init>,
}

impl Default for GRUConfig {
    /// Initialized as in PyTorch.
    fn default() -> GRUConfig {
        GRUConfig {
            w_ih_init: OF_GRU,
            w_hh_init: OF_GRU,
            b_ih_init: Some(OF_GRU),
            b_hh_init: Some(OF_GRU),
        }
    }
}

impl GRUConfig {
    /// Without biases.
    pub fn default_no_bias() -> GRUConfig {
        GRUConfig {
            b_ih_init: None,
            b_hh_init: None,
            ..GRUConfig::default()
        }
    }
}

plain!([] LSTMConfig, [] GRUConfig);

/// The parameters that both have: [gates · hidden, in], [gates · hidden, hidden] and two biases.
#[derive(Clone, Debug)]
struct Gates {
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Option<Tensor>,
    b_hh: Option<Tensor>,
    hidden: usize,
    dtype: DType,
    device: Device,
}

impl Gates {
    fn new(
        gates: usize,
        (inputs, hidden): (usize, usize),
        inits: (Init, Init, Option<Init>, Option<Init>),
        suffix: &str,
        vb: &VarBuilder,
    ) -> Result<Gates> {
        let (w_ih, w_hh, b_ih, b_hh) = inits;
        let bias = |name: &str, init: Option<Init>| {
            let name = format!("{name}_{suffix}");
            init.map(|init| vb.get_with_hints(gates * hidden, &name, init))
                .transpose()
        };
        Ok(Gates {
            w_ih: vb.get_with_hints(
                (gates * hidden, inputs),
                &format!("weight_ih_{suffix}"),
                w_ih,
            )?,
            w_hh: vb.get_with_hints(
                (gates * hidden, hidden),
                &format!("weight_hh_{suffix}"),
                w_hh,
            )?,
            b_ih: bias("bias_ih", b_ih)?,
            b_hh: bias("bias_hh", b_hh)?,
            hidden,
            dtype: vb.dtype(),
            device: vb.device().clone(),
        })
    }

    fn settings(&self) -> String {
        format!("{}, {}", self.w_ih.dims()[1], self.hidden)
    }

    /// The parameters, by names that end in `suffix`.
    fn parts(&self, suffix: &str) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        self.w_ih.add_to(&format!("weight_ih_{suffix}"), &mut parts);
        self.w_hh.add_to(&format!("weight_hh_{suffix}"), &mut parts);
        self.b_ih.add_to(&format!("bias_ih_{suffix}"), &mut parts);
        self.b_hh.add_to(&format!("bias_hh_{suffix}"), &mut parts);
        parts
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        self.w_ih.map_tensors(map)?;
        self.w_hh.map_tensors(map)?;
        self.b_ih.map_tensors(map)?;
        self.b_hh.map_tensors(map)?;
        self.dtype = self.w_ih.dtype();
        self.device = self.w_ih.device().clone();
        Ok(())
    }

    fn of_input(&self, x: &Tensor) -> Result<Tensor> {
        ops::linear(x, &self.w_ih, self.b_ih.as_ref())
    }

    fn of_state(&self, h: &Tensor) -> Result<Tensor> {
        ops::linear(h, &self.w_hh, self.b_hh.as_ref())
    }

    fn zeros(&self, batch: usize) -> Result<Tensor> {
        Tensor::zeros((batch, self.hidden), self.dtype, &self.device)
    }
}

/// Long short-term memory (Hochreiter and Schmidhuber, 1997).
///
/// Parameters `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0` and `bias_hh_l0`, gates in the order input, forget, cell, output.
#[allow(clippy::upper_case_acronyms)]
#[derive(Clone, Debug)]
pub struct LSTM {
    gates: Gates,
    config: LSTMConfig,
}

impl Network for LSTM {
    fn type_name(&self) -> Cow<'_, str> {
        "LSTM".into()
    }

    fn settings(&self) -> String {
        self.gates.settings()
    }

    fn parts(&self) -> Vec<Part<'_>> {
        self.gates.parts(&self.config.suffix())
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        self.gates.map_tensors(map)
    }
}

show_as_network!(LSTM);

impl LSTM {
    /// # Errors
    ///
    /// Fails where the builder has parameters of other shapes.
    pub fn new(
        in_dim: usize,
        hidden_dim: usize,
        config: LSTMConfig,
        vb: VarBuilder,
    ) -> Result<LSTM> {
        let inits = (
            config.w_ih_init,
            config.w_hh_init,
            config.b_ih_init,
            config.b_hh_init,
        );
        Ok(LSTM {
            gates: Gates::new(4, (in_dim, hidden_dim), inits, &config.suffix(), &vb)?,
            config,
        })
    }

    /// Runs over sequences `[batch, length, in]` from a state of zeros; returns the results `[batch, length, hidden]` and the last
    /// state, `h` and `c`, `[batch, hidden]` each: torch's with `batch_first=True`. [`RNN::seq_init`] begins with another state.
    ///
    /// # Errors
    ///
    /// Fails where the input has another shape.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let lstm = nn::lstm(3, 8, Default::default(), nn::builder(&VarMap::new(), DType::F32, &device()))?;
    /// let (output, (h, _c)) = lstm.forward(&torch::randn((2, 5, 3))?)?;
    /// assert_eq!((output.dims(), h.dims()), (&[2, 5, 8][..], &[2, 8][..]));
    /// # Ok::<(), candle::Error>(())
    /// ```
    pub fn forward(&self, x: &Tensor) -> Result<(Tensor, (Tensor, Tensor))> {
        let states = self.seq_init(x, &self.zero_state(x.dim(0)?)?)?;
        let last = match self.config.direction {
            Direction::Forward => states.last(),
            Direction::Backward => states.first(),
        };
        let last = last.ok_or_else(|| empty("LSTM", x))?;
        Ok((
            self.states_to_tensor(&states)?,
            (last.h.clone(), last.c.clone()),
        ))
    }

    /// The settings.
    pub fn config(&self) -> &LSTMConfig {
        &self.config
    }

    fn next(&self, of_input: &Tensor, state: &LSTMState) -> Result<LSTMState> {
        let gates = (of_input + self.gates.of_state(&state.h)?)?.chunk(4, 1)?;
        let kept = (ops::sigmoid(&gates[1])? * &state.c)?;
        let c = (kept + (ops::sigmoid(&gates[0])? * gates[2].tanh()?)?)?;
        let h = (ops::sigmoid(&gates[3])? * c.tanh()?)?;
        Ok(LSTMState { h, c })
    }
}

impl RNN for LSTM {
    type State = LSTMState;

    fn zero_state(&self, batch_dim: usize) -> Result<LSTMState> {
        let zeros = self.gates.zeros(batch_dim)?;
        Ok(LSTMState::new(zeros.clone(), zeros))
    }

    /// `input` is [batch, in].
    fn step(&self, input: &Tensor, state: &LSTMState) -> Result<LSTMState> {
        self.next(&self.gates.of_input(input)?, state)
    }

    /// `input` is [batch, length, in]; a state for each place of the sequence.
    fn seq_init(&self, input: &Tensor, init_state: &LSTMState) -> Result<Vec<LSTMState>> {
        let backward = matches!(self.config.direction, Direction::Backward);
        let gates = self.gates.of_input(input)?;
        run(&gates, init_state, backward, |x, state| self.next(x, state))
    }

    /// [batch, length, hidden].
    fn states_to_tensor(&self, states: &[LSTMState]) -> Result<Tensor> {
        let states: Vec<&Tensor> = states.iter().map(|state| &state.h).collect();
        Tensor::stack(&states, 1)
    }
}

/// A gated recurrent unit (Cho et al., 2014), with the reset gate behind the product as in cuDNN and PyTorch.
///
/// Parameters `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0` and `bias_hh_l0`, gates in the order reset, update, new.
#[allow(clippy::upper_case_acronyms)]
#[derive(Clone, Debug)]
pub struct GRU {
    gates: Gates,
    config: GRUConfig,
}

impl Network for GRU {
    fn type_name(&self) -> Cow<'_, str> {
        "GRU".into()
    }

    fn settings(&self) -> String {
        self.gates.settings()
    }

    fn parts(&self) -> Vec<Part<'_>> {
        self.gates.parts("l0")
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        self.gates.map_tensors(map)
    }
}

show_as_network!(GRU);

impl GRU {
    /// # Errors
    ///
    /// Fails where the builder has parameters of other shapes.
    pub fn new(in_dim: usize, hidden_dim: usize, config: GRUConfig, vb: VarBuilder) -> Result<GRU> {
        let inits = (
            config.w_ih_init,
            config.w_hh_init,
            config.b_ih_init,
            config.b_hh_init,
        );
        Ok(GRU {
            gates: Gates::new(3, (in_dim, hidden_dim), inits, "l0", &vb)?,
            config,
        })
    }

    /// Runs over sequences `[batch, length, in]` from a state of zeros; returns the results `[batch, length, hidden]` and the last
    /// state `[batch, hidden]`: torch's with `batch_first=True`. [`RNN::seq_init`] begins with another state.
    ///
    /// # Errors
    ///
    /// Fails where the input has another shape.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let gru = nn::gru(3, 8, Default::default(), nn::builder(&VarMap::new(), DType::F32, &device()))?;
    /// let (output, h) = gru.forward(&torch::randn((2, 5, 3))?)?;
    /// assert_eq!((output.dims(), h.dims()), (&[2, 5, 8][..], &[2, 8][..]));
    /// # Ok::<(), candle::Error>(())
    /// ```
    pub fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let states = self.seq_init(x, &self.zero_state(x.dim(0)?)?)?;
        let last = states.last().ok_or_else(|| empty("GRU", x))?;
        Ok((self.states_to_tensor(&states)?, last.h.clone()))
    }

    /// The settings.
    pub fn config(&self) -> &GRUConfig {
        &self.config
    }

    fn next(&self, of_input: &Tensor, state: &GRUState) -> Result<GRUState> {
        let x = of_input.chunk(3, 1)?;
        let h = self.gates.of_state(&state.h)?.chunk(3, 1)?;
        let reset = ops::sigmoid(&(&x[0] + &h[0])?)?;
        let update = ops::sigmoid(&(&x[1] + &h[1])?)?;
        let new = (&x[2] + (reset * &h[2])?)?.tanh()?;
        // new + update (h - new)
        let h = (&new + (update * (&state.h - &new)?)?)?;
        Ok(GRUState { h })
    }
}

impl RNN for GRU {
    type State = GRUState;

    fn zero_state(&self, batch_dim: usize) -> Result<GRUState> {
        Ok(GRUState {
            h: self.gates.zeros(batch_dim)?,
        })
    }

    /// `input` is [batch, in].
    fn step(&self, input: &Tensor, state: &GRUState) -> Result<GRUState> {
        self.next(&self.gates.of_input(input)?, state)
    }

    /// `input` is [batch, length, in]; a state for each place of the sequence.
    fn seq_init(&self, input: &Tensor, init_state: &GRUState) -> Result<Vec<GRUState>> {
        let gates = self.gates.of_input(input)?;
        run(&gates, init_state, false, |x, state| self.next(x, state))
    }

    /// [batch, length, hidden].
    fn states_to_tensor(&self, states: &[GRUState]) -> Result<Tensor> {
        let states: Vec<&Tensor> = states.iter().map(|state| &state.h).collect();
        Tensor::stack(&states, 1)
    }
}

fn empty(layer: &str, x: &Tensor) -> Error {
    Error::Msg(format!(
        "{layer}: the input is {:?}, sequences of length 0: must be [batch, length, features] with a length of at least 1",
        x.dims()
    ))
}

/// The states of a sequence, in its order, whichever end it is begun at.
fn run<S: Clone>(
    gates: &Tensor,
    first: &S,
    backward: bool,
    next: impl Fn(&Tensor, &S) -> Result<S>,
) -> Result<Vec<S>> {
    let (_, length, _) = gates.dims3()?;
    let mut states: Vec<S> = Vec::with_capacity(length);
    for step in 0..length {
        let place = if backward { length - 1 - step } else { step };
        let x = gates.i((.., place, ..))?.contiguous()?;
        states.push(next(&x, states.last().unwrap_or(first))?);
    }
    if backward {
        states.reverse();
    }
    Ok(states)
}

/// An [`LSTM`]; a plain [`LSTMConfig::default`] is initialized as in PyTorch.
///
/// # Errors
///
/// As [`LSTM::new`].
pub fn lstm(in_dim: usize, hidden_dim: usize, config: LSTMConfig, vb: VarBuilder) -> Result<LSTM> {
    LSTM::new(in_dim, hidden_dim, config, vb)
}

/// A [`GRU`]; a plain [`GRUConfig::default`] is initialized as in PyTorch.
///
/// # Errors
///
/// As [`GRU::new`].
pub fn gru(in_dim: usize, hidden_dim: usize, config: GRUConfig, vb: VarBuilder) -> Result<GRU> {
    GRU::new(in_dim, hidden_dim, config, vb)
}
