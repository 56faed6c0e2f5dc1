//! Training objectives: a whole step's losses from a batch, with the networks inside.

use std::{collections::BTreeMap, time::Duration};

use candle_core::{Tensor, bail};

use super::{Encoder, Loss, declare::kind};
use crate::{Inputs, Outputs, Slot};
use patchbay_show::Result;

/// A batch: tensors by name (`image`, `text`, `text_mask`), the first axis being the batch's.
pub type Batch = BTreeMap<String, Tensor>;

kind! {
    #[name = "objective"]
    #[tried = tried]
    /// A training objective, ALBEF's pre-training for instance. It makes its networks, momentum copies
    /// and queues through its `Context`, so that they are carried when it is swapped.
    pub trait Objective: Component {
        /// The losses of a batch, scalars `[]` by name, always in the same order, for a balancer or a
        /// weighted sum. `progress` runs from 0 to 1 over the whole training. A loss for which the batch has nothing is a 0 that no
        /// path leads back from: balancers leave it out of the step.
        ///
        /// # Errors
        ///
        /// Fails where the batch lacks a tensor or a shape does not fit, naming it.
        #[slot = losses_in_slot]
        fn losses(&self, batch: &Batch, progress: f64) -> Result<Vec<(String, Tensor)>>;

        /// To be called after each step of the optimizer: momentum copies and queues move on.
        ///
        /// # Errors
        ///
        /// Fails where a tensor cannot be written.
        fn after_step(&self) -> Result<()> {
            Ok(())
        }

        /// Features of a batch for evaluation, by name (`image`, `text`), each `[batch, width]`.
        ///
        /// # Errors
        ///
        /// As [`Objective::losses`].
        fn features(&self, batch: &Batch) -> Result<Batch> {
            let _ = batch;
            Ok(Batch::new())
        }

        /// Names that [`Objective::evaluate`] takes: all else that the objective can make of a batch.
        #[constant]
        fn evaluations(&self) -> Vec<&'static str> {
            Vec::new()
        }

        /// Makes of a batch what this objective alone knows, by the name of it; its `shapes` say what comes out. An objective on
        /// pairs of images and texts has `tokens`, what is computed once for each image and each text, and takes it in place of the
        /// batch for `match_scores`, whose tensor `match` `[batch]` ranks pairs: `retrieval` uses both.
        ///
        /// # Errors
        ///
        /// As [`Objective::losses`], and where the name is none of [`Objective::evaluations`].
        #[slot = evaluate_in_slot]
        fn evaluate(&self, what: &str, batch: &Batch) -> Result<Batch> {
            let _ = batch;
            bail!("this objective has no evaluation {what}")
        }

        /// The components inside. Each is a slot: what is swapped there is used from the next step on.
        #[constant]
        fn parts(&self) -> Parts {
            Parts::default()
        }

        /// The parts of the last step in their order, and how long each took on the device: forward passes and losses, and what
        /// [`Objective::after_step`] does. The way back is the training loop's, and not among them.
        ///
        /// # Errors
        ///
        /// Fails where the component does.
        fn times(&self) -> Result<Vec<(String, Duration)>> {
            Ok(Vec::new())
        }
    }
}

/// The components inside an objective, by name.
#[derive(Clone, Default)]
pub struct Parts {
    pub losses: Vec<(String, Slot<dyn Loss>)>,
    pub encoders: Vec<(String, Slot<dyn Encoder>)>,
}

impl Parts {
    /// The loss of this name.
    ///
    /// # Errors
    ///
    /// Fails where there is none, naming those there are.
    pub fn loss(&self, name: &str) -> Result<&Slot<dyn Loss>> {
        find("loss", &self.losses, name)
    }

    /// The encoder of this name.
    ///
    /// # Errors
    ///
    /// Fails where there is none, naming those there are.
    pub fn encoder(&self, name: &str) -> Result<&Slot<dyn Encoder>> {
        find("encoder", &self.encoders, name)
    }
}

fn find<'a, T>(what: &str, parts: &'a [(String, T)], name: &str) -> Result<&'a T> {
    match parts.iter().find(|(known, _)| known == name) {
        Some((_, part)) => Ok(part),
        None => bail!(
            "there is no {what} {name} inside; there are {:?}",
            parts.iter().map(|(name, _)| name).collect::<Vec<_>>()
        ),
    }
}

/// The sample's inputs are the batch, in the middle of the training. `after_step` is not called: it writes to tensors that the way
/// back still reads.
fn tried(objective: &Slot<dyn Objective>, inputs: &Inputs) -> Result<Outputs> {
    let batch = inputs.batch();
    let mut outputs = objective.losses(&batch, 0.5)?;
    // What follows is for evaluation: no gradient need lead through it.
    for (name, tensor) in objective.features(&batch)? {
        outputs.push((format!("feature {name}"), tensor.detach()));
    }
    for what in objective.evaluations() {
        for (name, tensor) in objective.evaluate(what, &batch)? {
            outputs.push((format!("{what} {name}"), tensor.detach()));
        }
    }
    Ok(outputs)
}

/// As the component's own, and checked: the losses are scalars.
fn losses_in_slot(
    slot: &Slot<dyn Objective>,
    batch: &Batch,
    progress: f64,
) -> Result<Vec<(String, Tensor)>> {
    slot.call(|objective| {
        let losses = objective.losses(batch, progress)?;
        if let Some((name, loss)) = losses.iter().find(|(_, loss)| loss.rank() != 0) {
            bail!(
                "the loss {name} must be a scalar []; it has shape {:?}",
                loss.dims()
            );
        }
        Ok(losses)
    })
}

/// As the component's own; a name that it has not is told with those that it has.
fn evaluate_in_slot(slot: &Slot<dyn Objective>, what: &str, batch: &Batch) -> Result<Batch> {
    slot.call(|objective| {
        let known = objective.evaluations();
        if !known.contains(&what) {
            bail!("there is no evaluation `{what}` here; there are {known:?}");
        }
        objective.evaluate(what, batch)
    })
}

/// Names of before, for what [`Objective::evaluate`] and [`Objective::times`] do.
impl Slot<dyn Objective> {
    /// Results of each image with its text.
    ///
    /// # Errors
    ///
    /// As [`Objective::evaluate`].
    #[deprecated = "use `evaluate(\"pairs\", &batch)`"]
    pub fn pairs(&self, batch: &Batch) -> Result<Batch> {
        match self.evaluations().contains(&"pairs") {
            true => self.evaluate("pairs", batch),
            false => Ok(Batch::new()),
        }
    }

    /// The batch with what is computed once for each image and each text.
    ///
    /// # Errors
    ///
    /// As [`Objective::evaluate`].
    #[deprecated = "use `evaluate(\"tokens\", &batch)`"]
    pub fn tokens(&self, batch: &Batch) -> Result<Batch> {
        match self.evaluations().contains(&"tokens") {
            true => self.evaluate("tokens", batch),
            false => Ok(batch.clone()),
        }
    }

    /// How well each image goes with its text, `[batch]`.
    ///
    /// # Errors
    ///
    /// As [`Objective::evaluate`].
    #[deprecated = "use `evaluate(\"match_scores\", &batch)` and its tensor `match`"]
    pub fn match_scores(&self, batch: &Batch) -> Result<Tensor> {
        match self.evaluate("match_scores", batch)?.remove("match") {
            Some(scores) => Ok(scores),
            None => bail!("the evaluation `match_scores` has no tensor `match`"),
        }
    }

    /// The parts of the last step; none where the component fails, with a line on stderr that says so.
    #[deprecated = "use `times()?`, which may fail"]
    pub fn passes(&self) -> Vec<(String, Duration)> {
        self.times().unwrap_or_else(|error| {
            eprintln!("{error}");
            Vec::new()
        })
    }
}
