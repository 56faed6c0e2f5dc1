//! Loss balancers: how several losses become one step.

use candle_core::{Tensor, Var, backprop::GradStore, bail};

use super::{
    declare::kind,
    presence::{self, Absent, Presence, Present, Watch},
};
use crate::{Inputs, Outputs, Slot};
use patchbay_show::{LivePlot, Result};

kind! {
    #[name = "balancer"]
    #[memory = Watch]
    #[tried = tried]
    /// A balancer of losses.
    ///
    /// Loss-level balancers weigh the losses and go back once; gradient-level ones go back once for each
    /// loss on the shared graph and combine what arrives at the shared parameters.
    ///
    /// A loss may have no gradient in some step: no word of a batch was masked, all of its targets are ignored. The slot finds
    /// those losses and calls the balancer with the others, so a balancer without a memory needs nothing for it. One that keeps
    /// something for each loss implements [`Balancer::backward_present`], too.
    pub trait Balancer: Component {
        /// The gradients for one step.
        ///
        /// `losses` are K scalars `[]` with their graphs; `shared` are the parameters that several
        /// losses reach. Gradients of other parameters are those of the weighted sum from a loss-level
        /// balancer, and those of the plain sum from a gradient-level one.
        ///
        /// # Errors
        ///
        /// Fails where a loss is no finite scalar, where a gradient is not finite, and where an inner solver does not
        /// converge. A loss-level balancer takes an empty `shared`, too.
        #[slot = backward_in_slot]
        fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced>;

        /// The same where some losses take no part in the step: `losses` are those that do, and `present` says which of all they
        /// are. Weights, and the numbers of absent losses, are those of `losses`.
        ///
        /// For balancers that keep something for each loss, or have a setting for each: what belongs to those that are not
        /// present stays as it is.
        ///
        /// # Errors
        ///
        /// As [`Balancer::backward`].
        #[slot = backward_present_in_slot]
        fn backward_present(
            &self,
            losses: &[Tensor],
            present: &Present,
            shared: &[Var],
        ) -> Result<Balanced> {
            let _ = present;
            self.backward(losses, shared)
        }

        /// The losses that [`Balancer::backward`] had, on the same batch after the optimizer's step, for balancers whose
        /// [`Balancer::wants_losses_after`] is true.
        ///
        /// # Errors
        ///
        /// Fails where a loss is no finite scalar.
        #[slot = after_step_in_slot]
        fn after_step(&self, losses: &[Tensor]) -> Result<()> {
            let _ = losses;
            Ok(())
        }

        /// Whether the balancer learns from the losses after the step (FAMO does).
        #[constant]
        fn wants_losses_after(&self) -> bool {
            false
        }
    }
}

/// Result of a balancer for some losses.
pub struct Balanced {
    /// For `optimizer.step(&gradients)`.
    pub gradients: GradStore,
    /// The weight that each loss had, in the order of the losses. For gradient-level balancers the
    /// factors by which the losses' gradients were combined. Those of absent losses are 0.
    pub weights: Vec<f64>,
    /// The losses that took no part in this step, and why.
    pub absent: Vec<Absent>,
}

impl Balanced {
    /// A step in which all losses take part.
    pub fn new(gradients: GradStore, weights: Vec<f64>) -> Balanced {
        Balanced {
            gradients,
            weights,
            absent: Vec::new(),
        }
    }

    /// Adds this step's weights to a live plot: a series for each loss, named in their order. Those of absent losses have no
    /// point.
    ///
    /// # Errors
    ///
    /// Fails where there is not one name for each loss.
    pub fn plot_weights(&self, plot: &mut LivePlot, names: &[&str], step: f64) -> Result<()> {
        if names.len() != self.weights.len() {
            bail!(
                "there are {} losses and {} names, {names:?}: give one name for each loss, in their order",
                self.weights.len(),
                names.len()
            );
        }
        for (index, (name, &weight)) in names.iter().zip(&self.weights).enumerate() {
            if self.absent.iter().all(|absent| absent.loss != index) {
                plot.push(name, step, weight);
            }
        }
        Ok(())
    }

    /// Numbers of the losses that were given to the balancer to numbers of all losses.
    fn spread(self, present: &Present, missing: Vec<Absent>) -> Balanced {
        let mut weights = vec![0.0; present.total()];
        present.put(&mut weights, self.weights);
        let mut absent = missing;
        absent.extend(self.absent.into_iter().map(|absent| Absent {
            loss: present.places()[absent.loss],
            ..absent
        }));
        absent.sort_by_key(|absent| absent.loss);
        Balanced {
            gradients: self.gradients,
            weights,
            absent,
        }
    }
}

impl Slot<dyn Balancer> {
    /// [`Balancer::backward`] of losses with their names, as [`Objective::losses`](super::Objective::losses) gives them: errors
    /// and [`Balanced::absent`] have the names, too.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn backward_named(&self, losses: &[(String, Tensor)], shared: &[Var]) -> Result<Balanced> {
        let (names, losses): (Vec<String>, Vec<Tensor>) = losses.iter().cloned().unzip();
        balance(self, &losses, &names, shared)
    }
}

impl Slot<dyn Balancer> {
    /// [`Balancer::backward`] at features that all losses share, in place of at the parameters behind them: each loss goes back to
    /// the features only, and one pass leads from there to the encoder's parameters.
    ///
    /// `losses` makes the losses of the features that it is given, those of `features` without their graph. What a balancer of
    /// gradients holds is then a gradient of the features for each loss, and not one of all shared parameters; its weights are
    /// by the products of these (MGDA-UB; Sener and Koltun 2018, arXiv 1810.04650, section 3.3; LibMTL's `rep_grad`).
    ///
    /// ```no_run
    /// # use patchbay::prelude::*;
    /// # fn example(net: &nn::Linear, heads: &[nn::Linear; 2], x: &Tensor, y: &[Tensor; 2]) -> Result<()> {
    /// let balancer = create::<dyn Balancer>("balancer/upgrad", json!({}))?;
    /// let features = net.forward(x)?;
    /// let balanced = balancer.backward_at(&[features], |features| {
    ///     let a = nn::mse_loss(&heads[0].forward(&features[0])?, &y[0])?;
    ///     let b = nn::mse_loss(&heads[1].forward(&features[0])?, &y[1])?;
    ///     Ok(vec![a, b])
    /// })?;
    /// # let _ = balanced; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Balancer::backward`], and where a feature leads to no variable.
    pub fn backward_at(
        &self,
        features: &[Tensor],
        losses: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<Balanced> {
        let cuts = cut(features)?;
        let inputs: Vec<Tensor> = cuts.iter().map(|cut| cut.as_tensor().clone()).collect();
        let losses = losses(&inputs)?;
        through(balance(self, &losses, &[], &cuts)?, features, &cuts)
    }
}

/// The features as variables of their own.
fn cut(features: &[Tensor]) -> Result<Vec<Var>> {
    if features.is_empty() {
        bail!("there are no features to balance at: give what all losses are made of");
    }
    for feature in features {
        if !feature.track_op() {
            bail!(
                "a feature of shape {:?} leads to no variable: it was made by none, or from a detached tensor",
                feature.dims()
            );
        }
    }
    let features = features.iter();
    features
        .map(|feature| Var::from_tensor(&feature.detach()))
        .collect()
}

/// Leads the gradients of the cuts on to the variables behind the features.
fn through(mut balanced: Balanced, features: &[Tensor], cuts: &[Var]) -> Result<Balanced> {
    let mut pull: Option<Tensor> = None;
    for (feature, cut) in features.iter().zip(cuts) {
        let Some(gradient) = balanced.gradients.remove(cut) else {
            continue;
        };
        // A sum of products, whose gradient by the feature is the one that is given.
        let part = patchbay_ops::sum_all(&(feature * gradient.detach())?)?;
        pull = Some(match pull {
            Some(pull) => {
                let part = part.to_dtype(pull.dtype())?;
                (pull + part)?
            }
            None => part,
        });
    }
    if let Some(pull) = pull {
        balanced.gradients.extend(pull.backward()?)?;
    }
    Ok(balanced)
}

/// One step: who takes part, the component's answer, and what is remembered of it.
fn balance(
    slot: &Slot<dyn Balancer>,
    losses: &[Tensor],
    names: &[String],
    shared: &[Var],
) -> Result<Balanced> {
    slot.call(|balancer| {
        let found = presence::of(losses, names, shared)?;
        let mut places = Vec::new();
        let mut missing = Vec::new();
        let mut reaches_shared = false;
        for (index, presence) in found.into_iter().enumerate() {
            match presence {
                Presence::Missing(reason) => missing.push(Absent {
                    loss: index,
                    name: names.get(index).cloned(),
                    reason: reason.to_owned(),
                }),
                Presence::Shared => {
                    reaches_shared = true;
                    places.push(index);
                }
                Presence::Other => places.push(index),
            }
        }
        let memory = slot.memory();
        if !shared.is_empty() && !places.is_empty() && !memory.reached(reaches_shared) {
            bail!(
                "none of the {} losses reaches any of the {} shared parameters (the first has shape {:?}): they were \
                 computed without them, from a detached tensor, or multiplied by 0",
                losses.len(),
                shared.len(),
                shared[0].dims()
            );
        }
        let present = Present::of(places, losses.len());
        let mut balanced = if present.places().is_empty() {
            Balanced {
                gradients: GradStore::default(),
                weights: vec![0.0; losses.len()],
                absent: missing,
            }
        } else {
            let part = present.pick(losses);
            let balanced = balancer
                .backward_present(&part, &present, shared)
                .map_err(|error| present.explain(error))?;
            if balanced.weights.len() != part.len()
                || balanced.weights.iter().any(|w| !w.is_finite())
                || balanced.absent.iter().any(|absent| absent.loss >= part.len())
            {
                bail!(
                    "expected {} finite weights, got {:?}",
                    part.len(),
                    balanced.weights
                );
            }
            balanced.spread(&present, missing)
        };
        for absent in &mut balanced.absent {
            absent.name = names.get(absent.loss).cloned();
        }
        if let Some(notice) = memory.note(present, &balanced.absent)? {
            eprintln!("{}: {notice}", slot.provenance().id);
        }
        Ok(balanced)
    })
}

/// The component's own, with those losses that have a gradient in this step. The others are named in
/// [`Balanced::absent`], have the weight 0, and leave what the balancer keeps for them as it is. Where none has one there
/// are no gradients, so the optimizer's step changes nothing.
///
/// # Errors
///
/// Fails, too, where a loss is NaN or infinite, where a parameter is given twice, where none of the losses has ever reached
/// the shared parameters, and where a loss has had no gradient in any of its first 100 steps.
fn backward_in_slot(
    slot: &Slot<dyn Balancer>,
    losses: &[Tensor],
    shared: &[Var],
) -> Result<Balanced> {
    balance(slot, losses, &[], shared)
}

/// The slot finds out by itself who is present.
fn backward_present_in_slot(
    slot: &Slot<dyn Balancer>,
    losses: &[Tensor],
    _present: &Present,
    shared: &[Var],
) -> Result<Balanced> {
    balance(slot, losses, &[], shared)
}

/// The losses on the same batch, all of them: those that took no part in the step are left out here.
fn after_step_in_slot(slot: &Slot<dyn Balancer>, losses: &[Tensor]) -> Result<()> {
    slot.call(|balancer| {
        presence::finite(losses, &[])?;
        match slot.memory().last() {
            Some(present) if present.total() == losses.len() => match present.pick(losses) {
                losses if losses.is_empty() => Ok(()),
                losses => balancer.after_step(&losses),
            },
            _ => balancer.after_step(losses),
        }
    })
}

/// One step on losses of the sample's `shared` parameters `[n]`, which each of the `targets` `[losses, n]` draws to itself.
fn tried(balancer: &Slot<dyn Balancer>, inputs: &Inputs) -> Result<Outputs> {
    let (shared, targets) = (
        Var::from_tensor(inputs.get("shared")?)?,
        inputs.get("targets")?,
    );
    let losses = || -> Result<Vec<Tensor>> {
        (0..targets.dim(0)?)
            .map(|k| {
                let error = (shared.as_tensor() - targets.get(k)?)?;
                patchbay_ops::mean_all(&error.sqr()?)
            })
            .collect()
    };
    let balanced = balancer.backward(&losses()?, std::slice::from_ref(&shared))?;
    if balancer.wants_losses_after() {
        // As after a step of an optimizer.
        if let Some(gradient) = balanced.gradients.get(&shared) {
            shared.set(&(shared.as_detached_tensor() - (gradient * 0.05)?)?)?;
        }
        balancer.after_step(&losses()?)?;
    }
    let weights = Tensor::new(balanced.weights, shared.device())?;
    let mut outputs = vec![("weights".to_owned(), weights)];
    if let Some(gradient) = balanced.gradients.get(&shared) {
        outputs.push(("gradient".to_owned(), gradient.clone()));
    }
    for named in balancer.variables().iter().filter(|named| named.trainable) {
        let Some(gradient) = balanced.gradients.get(&named.var) else {
            bail!("the parameter {} gets no gradient", named.name);
        };
        outputs.push((format!("gradient of {}", named.name), gradient.clone()));
    }
    Ok(outputs)
}
