//! Training in bf16 or f16: loss scaling and weights kept in f32 (Micikevicius et al., 2018).

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Result, Tensor, Var, backprop::GradStore};

use super::{
    Optimizer, OptimizerState, ParameterNames,
    clip::norm,
    each_once,
    kept::{Commit, Kept},
};

/// The factor of the loss, which keeps small gradients from becoming 0 in f16; as `torch.amp.GradScaler`.
///
/// The loss is multiplied with the scale before the backward pass, gradients are divided by it after. A step whose gradients
/// are not finite is left out, and the scale halves; after 2,000 steps in a row that were taken it doubles.
#[derive(Clone, Copy, Debug)]
pub struct LossScale {
    /// The present factor.
    pub scale: f64,
    /// Factor of the scale after a step that overflowed.
    pub backoff: f64,
    /// Factor of the scale after `growth_interval` steps that did not.
    pub growth: f64,
    /// The number of steps without an overflow after which the scale grows.
    pub growth_interval: usize,
    taken: usize,
}

impl Default for LossScale {
    /// PyTorch's: 65,536, halved and doubled, an interval of 2,000 steps.
    fn default() -> LossScale {
        LossScale {
            scale: 65536.0,
            backoff: 0.5,
            growth: 2.0,
            growth_interval: 2000,
            taken: 0,
        }
    }
}

impl LossScale {
    /// No scaling, as bf16 needs none: its exponents are those of f32.
    pub fn none() -> LossScale {
        LossScale {
            scale: 1.0,
            growth: 1.0,
            backoff: 1.0,
            ..LossScale::default()
        }
    }

    fn adjust(&mut self, finite: bool) {
        if !finite {
            self.scale *= self.backoff;
            self.taken = 0;
            return;
        }
        self.taken += 1;
        if self.taken >= self.growth_interval {
            self.scale *= self.growth;
            self.taken = 0;
        }
    }
}

/// An optimizer of f32 copies of half-precision parameters.
///
/// The model computes in bf16 or f16; the optimizer updates copies in f32, which are rounded into the model's parameters
/// after each step: an update that is a thousandth of its parameter would be lost in bf16. Parameters in f32 or f64 are
/// optimized as they are.
///
/// ```no_run
/// # use patchbay::{Result, candle::{DType, Tensor, Var}, nn::{AdamW, LossScale, MixedPrecision}};
/// # fn run(vars: Vec<Var>, batches: Vec<Tensor>, loss: fn(&Tensor) -> Result<Tensor>) -> Result<()> {
/// let mut optimizer = MixedPrecision::new(vars, LossScale::default(), |vars| AdamW::new_lr(vars, 1e-3))?;
/// for batch in batches {
///     let taken = optimizer.backward_step(&loss(&batch.to_dtype(DType::F16)?)?)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MixedPrecision<O> {
    /// Learning rate and settings may be changed here at any time.
    pub optimizer: O,
    /// The scale of the loss.
    scale: Kept<LossScale>,
    /// The model's parameter, and what the optimizer updates: an f32 copy, or the same.
    pairs: Vec<(Var, Var)>,
}

impl<O: Optimizer> MixedPrecision<O> {
    /// `make` gets the variables that the optimizer is to update, in the order of `vars`.
    ///
    /// # Errors
    ///
    /// Fails where `make` does, and where a variable is given twice.
    pub fn new(
        vars: Vec<Var>,
        scale: LossScale,
        make: impl FnOnce(Vec<Var>) -> Result<O>,
    ) -> Result<MixedPrecision<O>> {
        each_once("the parameters", &vars)?;
        let pairs = vars
            .into_iter()
            .map(|var| {
                let copy = match var.dtype() {
                    DType::F16 | DType::BF16 => {
                        Var::from_tensor(&var.as_detached_tensor().to_dtype(DType::F32)?)?
                    }
                    _ => var.clone(),
                };
                Ok((var, copy))
            })
            .collect::<Result<Vec<_>>>()?;
        let optimizer = make(pairs.iter().map(|(_, copy)| copy.clone()).collect())?;
        Ok(MixedPrecision {
            optimizer,
            scale: Kept::new(scale),
            pairs,
        })
    }

    /// Returns the present scale of the loss.
    pub fn scale(&self) -> LossScale {
        *self.scale.get()
    }

    /// Replaces the scale of the loss.
    pub fn set_scale(&mut self, scale: LossScale) {
        self.scale.set(scale);
    }

    /// The f32 copies of the parameters in half precision.
    pub fn copies(&self) -> impl Iterator<Item = &Var> {
        self.pairs.iter().filter(is_copied).map(|(_, copy)| copy)
    }

    /// One step down the gradients of `loss`, a scalar; returns whether it was taken, which it is not where a gradient
    /// overflowed.
    ///
    /// # Errors
    ///
    /// Fails where the backward pass or the optimizer does, and where the scale has fallen below 1e-4: then it is the
    /// loss itself that is not finite.
    pub fn backward_step(&mut self, loss: &Tensor) -> Result<bool> {
        let mut scale = self.scale();
        // In f32, so that the product does not overflow where the loss does not.
        let scaled = (loss.to_dtype(DType::F32)? * scale.scale)?;
        let mut model = scaled.backward()?;
        let mut gradients = BTreeMap::new();
        for (index, (var, _)) in self.pairs.iter().enumerate() {
            let Some(gradient) = model.remove(var) else {
                continue;
            };
            let precise = match gradient.dtype() {
                DType::F64 => DType::F64,
                _ => DType::F32,
            };
            let mut gradient = gradient.detach().to_dtype(precise)?;
            if scale.scale != 1.0 {
                gradient = (gradient / scale.scale)?;
            }
            gradients.insert(index, gradient);
        }
        // The norm is not finite where one gradient is not.
        let finite = norm(gradients.values())?.is_finite();
        scale.adjust(finite);
        self.set_scale(scale);
        if !finite {
            if scale.scale < 1e-4 || scale.backoff == 1.0 {
                candle_core::bail!(
                    "a gradient is not finite at a loss scale of {:.0e}: the loss or the model overflows by itself",
                    scale.scale
                )
            }
            return Ok(false);
        }
        let mut store = GradStore::default();
        for (index, gradient) in gradients {
            store.insert(&self.pairs[index].1, gradient);
        }
        self.optimizer.step(&store)?;
        for (var, copy) in &self.pairs {
            if var.dtype() != copy.dtype() {
                var.set(&copy.as_detached_tensor().to_dtype(var.dtype())?)?;
            }
        }
        Ok(true)
    }
}

const MASTER: &str = ".f32";
const SCALE: &str = "loss_scale";

impl<O: OptimizerState> MixedPrecision<O> {
    /// The copies have the names of what they are copies of.
    fn names_of_copies(&self, names: &ParameterNames) -> ParameterNames {
        let mut all = names.clone();
        for (var, copy) in &self.pairs {
            if let Some(name) = names.get(var) {
                all.insert(copy, name);
            }
        }
        all
    }
}

/// That of the optimizer, the scale, and `NAME.f32` for each parameter in half precision.
impl<O: OptimizerState> OptimizerState for MixedPrecision<O> {
    fn named_state(&self, names: &ParameterNames) -> Result<BTreeMap<String, Tensor>> {
        let names = self.names_of_copies(names);
        let mut state = self.optimizer.named_state(&names)?;
        let scale = *self.scale.get();
        let scale = [scale.scale, scale.taken as f64];
        state.insert(SCALE.to_owned(), Tensor::new(&scale, &Device::Cpu)?);
        for copy in self.pairs.iter().filter(is_copied).map(|(_, copy)| copy) {
            if let Some(name) = names.get(copy) {
                state.insert(format!("{name}{MASTER}"), copy.as_detached_tensor().copy()?);
            }
        }
        Ok(state)
    }

    fn prepare_named_state(
        &self,
        state: &BTreeMap<String, Tensor>,
        names: &ParameterNames,
    ) -> Result<Commit<'_>> {
        let names = self.names_of_copies(names);
        let scale = match state.get(SCALE).map(|scale| scale.to_vec1::<f64>()) {
            Some(Ok(scale)) if scale.len() == 2 => scale,
            _ => candle_core::bail!(
                "the state has no loss scale: it is that of an optimizer without mixed precision"
            ),
        };
        let mut masters = Vec::new();
        for copy in self.pairs.iter().filter(is_copied).map(|(_, copy)| copy) {
            let name = names.get(copy).unwrap_or_default();
            match state.get(&format!("{name}{MASTER}")) {
                Some(master) if master.dims() == copy.dims() => {
                    masters.push((copy.clone(), master.to_device(copy.device())?));
                }
                _ => candle_core::bail!(
                    "the state has no f32 values of {name}, {:?}: it is that of another model, or of one in another precision",
                    copy.dims()
                ),
            }
        }
        let commit = self.optimizer.prepare_named_state(state, &names)?;
        Ok(Box::new(move || {
            commit()?;
            for (copy, master) in masters {
                copy.set(&master)?;
            }
            let mut present = self.scale.get();
            (present.scale, present.taken) = (scale[0], scale[1] as usize);
            Ok(())
        }))
    }

    /// That of the optimizer alone.
    fn state(&self) -> Result<HashMap<String, Tensor>> {
        self.optimizer.state()
    }

    fn load_state(&self, state: &HashMap<String, Tensor>) -> Result<()> {
        self.optimizer.load_state(state)
    }

    fn vars(&self) -> Vec<Var> {
        self.pairs.iter().map(|(var, _)| var.clone()).collect()
    }

    fn moments(&self) -> Vec<Tensor> {
        self.optimizer.moments()
    }
}

fn is_copied((var, copy): &&(Var, Var)) -> bool {
    var.id() != copy.id()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AdamW, ParamsAdamW, SGD};

    fn half(values: &[f32], dtype: DType) -> Var {
        let tensor = Tensor::new(values, &Device::Cpu).unwrap();
        Var::from_tensor(&tensor.to_dtype(dtype).unwrap()).unwrap()
    }

    fn values(var: &Var) -> Vec<f32> {
        var.to_dtype(DType::F32).unwrap().to_vec1().unwrap()
    }

    #[test]
    fn small_updates_add_up() {
        // A thousand steps of 1e-5 from 1: each is below what bf16 and f16 can tell from 1.
        for dtype in [DType::BF16, DType::F16] {
            let var = half(&[1.0], dtype);
            let sgd = |vars| SGD::new(vars, 1e-5);
            let mut optimizer =
                MixedPrecision::new(vec![var.clone()], LossScale::none(), sgd).unwrap();
            for _ in 0..1000 {
                assert!(optimizer.backward_step(&var.sum_all().unwrap()).unwrap());
            }
            assert!((values(&var)[0] - 0.99).abs() < 4e-3, "{:?}", values(&var));
        }
    }

    #[test]
    fn gradients_below_the_least_number_of_f16_arrive() {
        let var = half(&[0.5], DType::F16);
        let loss = |var: &Var| {
            (((var.as_tensor() * 1e-3).unwrap() * 1e-3).unwrap() * 0.01)
                .unwrap()
                .sum_all()
                .unwrap()
        };
        // The gradient is 1e-8, and the least positive f16 is 6e-8.
        let plain = loss(&var).backward().unwrap();
        assert_eq!(
            plain
                .get(&var)
                .unwrap()
                .to_dtype(DType::F32)
                .unwrap()
                .to_vec1::<f32>()
                .unwrap(),
            [0.0]
        );
        let adam = |vars| {
            AdamW::new(
                vars,
                ParamsAdamW {
                    lr: 0.1,
                    eps: 1e-12,
                    weight_decay: 0.0,
                    ..ParamsAdamW::default()
                },
            )
        };
        let mut optimizer =
            MixedPrecision::new(vec![var.clone()], LossScale::default(), adam).unwrap();
        // The first scale is itself beyond what f16 has.
        while !optimizer.backward_step(&loss(&var)).unwrap() {}
        assert!((values(&var)[0] - 0.4).abs() < 1e-3, "{:?}", values(&var));
    }

    #[test]
    fn steps_that_overflow_are_left_out_and_the_scale_falls_then_rises() {
        let var = half(&[1.0], DType::F16);
        let sgd = |vars| SGD::new(vars, 0.01);
        let scale = LossScale {
            growth_interval: 3,
            ..LossScale::default()
        };
        let mut optimizer = MixedPrecision::new(vec![var.clone()], scale, sgd).unwrap();
        // A gradient of 4: times 65,536, 32,768 and 16,384 it is beyond f16's 65,504.
        let mut step = || {
            optimizer
                .backward_step(&(var.as_tensor() * 4.0).unwrap().sum_all().unwrap())
                .unwrap()
        };
        let taken: Vec<bool> = (0..6).map(|_| step()).collect();
        assert_eq!(taken, [false, false, false, true, true, true]);
        assert_eq!(optimizer.scale().scale, 16384.0);
        assert!((values(&var)[0] - 0.88).abs() < 1e-3, "{:?}", values(&var));
    }

    #[test]
    fn a_loss_that_is_not_finite_is_told() {
        let var = half(&[f32::NAN], DType::F16);
        let sgd = |vars| SGD::new(vars, 0.01);
        let mut optimizer =
            MixedPrecision::new(vec![var.clone()], LossScale::default(), sgd).unwrap();
        let error = (0..100).find_map(|_| {
            optimizer
                .backward_step(&var.as_tensor().sqr().unwrap().sum_all().unwrap())
                .err()
        });
        assert!(error.unwrap().to_string().contains("not finite"));
    }
}
