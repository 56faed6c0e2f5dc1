//! Which losses of a step have a gradient, and which never had one.

use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, MutexGuard},
};

use candle_core::{DType, Error, Tensor, TensorId, Var, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Memory;

use patchbay_cell::lock::lock;
use patchbay_show::Result;

/// In how many steps from its first a loss may be without a gradient before that is an error.
pub const PATIENCE: usize = 100;

/// Which of a step's losses take part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    places: Vec<usize>,
    total: usize,
}

impl Present {
    /// All of this many losses.
    pub fn all(total: usize) -> Present {
        Present {
            places: (0..total).collect(),
            total,
        }
    }

    /// Those at these places, in ascending order, of `total` losses.
    pub fn of(places: Vec<usize>, total: usize) -> Present {
        Present { places, total }
    }

    /// The places of those that take part, in ascending order.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// How many losses there are, with those that take no part.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Of those that take part, the ones at `kept` alone.
    pub fn narrow(&self, kept: &[usize]) -> Present {
        Present {
            places: kept.iter().map(|&index| self.places[index]).collect(),
            total: self.total,
        }
    }

    /// The values of those that take part, out of one for each loss.
    pub fn pick<T: Clone>(&self, all: &[T]) -> Vec<T> {
        self.places
            .iter()
            .map(|&place| all[place].clone())
            .collect()
    }

    /// Writes values of those that take part to their places; all others stay.
    pub fn put<T>(&self, all: &mut [T], values: impl IntoIterator<Item = T>) {
        for (&place, value) in self.places.iter().zip(values) {
            all[place] = value;
        }
    }

    /// An error of the component numbers the losses that it was given.
    pub(crate) fn explain(&self, error: Error) -> Error {
        if self.places.len() == self.total {
            return error;
        }
        error.context(format!(
            "the losses that take part in this step are {:?} of {}, and are numbered from 0 in what follows",
            self.places, self.total
        ))
    }
}

/// A loss that took no part in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// Its number, counted from 0.
    pub loss: usize,
    /// Its name, where the balancer was given names.
    pub name: Option<String>,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {}", self.loss)?;
        if let Some(name) = &self.name {
            write!(f, " ({name})")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Where the way back from a loss leads.
pub(crate) enum Presence {
    /// To shared parameters.
    Shared,
    /// To other variables only, or none are shared.
    Other,
    /// To no variable, or with zeros only; why.
    Missing(&'static str),
}

const NO_PATH: &str = "no tracked path leads from it to a variable: nothing of this batch counts for it, it was multiplied by \
                       0, or it was computed from a detached tensor";
const ZERO: &str = "it is 0 and so are its gradients: all of its targets are ignored, or it cannot be lowered further";

/// `loss 2 of 3 (mlm)`.
fn label(index: usize, count: usize, name: Option<&String>) -> String {
    match name {
        Some(name) => format!("loss {index} of {count} ({name})"),
        None => format!("loss {index} of {count}"),
    }
}

/// The losses as numbers.
///
/// # Errors
///
/// Fails where there are none, or one is no finite scalar.
pub(crate) fn finite(losses: &[Tensor], names: &[String]) -> Result<Vec<f64>> {
    if losses.is_empty() {
        bail!("a balancer needs at least one loss, and got none");
    }
    let label = |index| label(index, losses.len(), names.get(index));
    let mut values = Vec::with_capacity(losses.len());
    for (index, loss) in losses.iter().enumerate() {
        if loss.rank() != 0 {
            bail!(
                "{} must be a scalar []; it has shape {:?}: reduce it, with mean_all for instance",
                label(index),
                loss.dims()
            );
        }
        let value = loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        if !value.is_finite() {
            bail!(
                "{} is {value}: a balancer needs finite losses",
                label(index)
            );
        }
        values.push(value);
    }
    Ok(values)
}

/// Where the ways back from the losses lead. A loss of exactly 0 goes back once for that, as its gradients may be zeros.
///
/// # Errors
///
/// Fails where a loss is no finite scalar, and where a shared parameter is given twice.
pub(crate) fn of(losses: &[Tensor], names: &[String], shared: &[Var]) -> Result<Vec<Presence>> {
    let values = finite(losses, names)?;
    patchbay_nn::each_once("the shared parameters", shared)?;
    let shared: HashSet<TensorId> = shared.iter().map(|var| var.id()).collect();
    losses
        .iter()
        .zip(values)
        .map(|(loss, value)| {
            let nodes = loss.sorted_nodes();
            let variables: Vec<&Tensor> = nodes.into_iter().filter(|x| x.is_variable()).collect();
            if variables.is_empty() {
                return Ok(Presence::Missing(NO_PATH));
            }
            if value == 0.0 {
                let gradients = loss.backward()?;
                let mut zeros = true;
                for variable in &variables {
                    if let Some(gradient) = gradients.get(variable) {
                        zeros = zeros && is_zero(gradient)?;
                    }
                }
                if zeros {
                    return Ok(Presence::Missing(ZERO));
                }
            }
            let reaches = variables.iter().any(|x| shared.contains(&x.id()));
            Ok(if reaches {
                Presence::Shared
            } else {
                Presence::Other
            })
        })
        .collect()
}

/// Whether all values are exactly 0.
fn is_zero(x: &Tensor) -> Result<bool> {
    if x.elem_count() == 0 {
        return Ok(true);
    }
    let largest = x.abs()?.flatten_all()?.max(0)?;
    Ok(largest.to_dtype(DType::F64)?.to_scalar::<f64>()? == 0.0)
}

/// Memory that a balancer's slot has of its losses.
#[derive(Default)]
pub struct Watch(Mutex<State>);

#[derive(Default)]
struct State {
    /// For each loss: whether it has had a gradient, and in how many steps it had none until then.
    losses: Vec<(bool, usize)>,
    /// Whether any loss has reached the shared parameters.
    reached: bool,
    /// Whether a step without any gradient was told.
    told: bool,
    /// Who took part in the last step.
    last: Option<Present>,
}

impl Memory for Watch {
    fn record(&self) -> Value {
        let state = self.state();
        json!({ "losses": state.losses, "reached": state.reached, "told": state.told })
    }

    fn restore(&self, record: &Value) {
        let losses = Vec::<(bool, usize)>::deserialize(&record["losses"]).unwrap_or_default();
        let is = |key: &str| record[key].as_bool().unwrap_or_default();
        *self.state() = State {
            losses,
            reached: is("reached"),
            told: is("told"),
            last: None,
        };
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Whether a loss reaches the shared parameters, now or in an earlier step.
    pub(crate) fn reached(&self, now: bool) -> bool {
        let mut state = self.state();
        state.reached |= now;
        state.reached
    }

    /// Who was given to the component in the last step.
    pub(crate) fn last(&self) -> Option<Present> {
        self.state().last.clone()
    }

    /// Notes a step; returns what is to be printed.
    ///
    /// # Errors
    ///
    /// Fails where a loss has never had a gradient, for long enough.
    pub(crate) fn note(&self, present: Present, absent: &[Absent]) -> Result<Option<String>> {
        let total = present.total();
        let mut state = self.state();
        if state.losses.len() != total {
            state.losses = vec![(false, 0); total];
        }
        state.last = Some(present);
        for (index, (had, missed)) in state.losses.iter_mut().enumerate() {
            let Some(absent) = absent.iter().find(|absent| absent.loss == index) else {
                *had = true;
                continue;
            };
            *missed += usize::from(!*had);
            if !*had && *missed >= PATIENCE {
                bail!(
                    "{} has had no gradient in any of its first {missed} steps: {}. Leave it out, or compute it from tensors \
                     that are tracked: nn::audit(&loss, &gradients, &variables) lists the variables that get no gradient",
                    label(index, total, absent.name.as_ref()),
                    absent.reason
                );
            }
        }
        if absent.len() < total || state.told {
            return Ok(None);
        }
        state.told = true;
        let reasons: Vec<String> = absent.iter().map(Absent::to_string).collect();
        Ok(Some(format!(
            "none of the {total} losses has a gradient in this step, so no parameter is changed. {}",
            reasons.join(". ")
        )))
    }
}
