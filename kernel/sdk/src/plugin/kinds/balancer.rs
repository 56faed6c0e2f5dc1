//! Loss balancers: how several losses become one step.

use candle_core::{Tensor, Var, backprop::GradStore, bail};

use super::{Component, Kind, slot_is_component};
use crate::{LivePlot, Result, plugin::Slot};

/// A balancer of losses.
///
/// Loss-level balancers weigh the losses and go back once; gradient-level ones go back once for each
/// loss on the shared graph and combine what arrives at the shared parameters.
pub trait Balancer: Component {
    /// The gradients for one step.
    ///
    /// `losses` are K scalars `[]` with their graphs; `shared` are the parameters that several
    /// losses reach. Gradients of other parameters are those of the weighted sum from a loss-level
    /// balancer, and those of the plain sum from a gradient-level one.
    ///
    /// # Errors
    ///
    /// Fails where a loss is no finite scalar or has no graph, and where an inner solver does not
    /// converge. A gradient-level balancer fails where one of the losses does not reach the shared
    /// parameters; a loss-level one, which sees their sum only, where none of them does. A
    /// loss-level balancer takes an empty `shared`, too.
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced>;

    /// The losses on the same batch after the optimiser's step, for balancers whose
    /// [`Balancer::wants_losses_after`] is true.
    ///
    /// # Errors
    ///
    /// Fails where a loss is no finite scalar.
    fn after_step(&self, losses: &[Tensor]) -> Result<()> {
        let _ = losses;
        Ok(())
    }

    /// Whether the balancer learns from the losses after the step (FAMO does).
    fn wants_losses_after(&self) -> bool {
        false
    }
}

/// What a balancer made of the losses.
pub struct Balanced {
    /// For `optimizer.step(&gradients)`.
    pub gradients: GradStore,
    /// The weight that each loss had, in the order of the losses. For gradient-level balancers the
    /// factors by which the losses' gradients were combined.
    pub weights: Vec<f64>,
}

impl Balanced {
    /// Adds this step's weights to a live plot: a series for each loss, named in their order.
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
        for (name, &weight) in names.iter().zip(&self.weights) {
            plot.push(name, step, weight);
        }
        Ok(())
    }
}

impl Kind for dyn Balancer {
    const NAME: &'static str = "balancer";

    fn as_component(&self) -> &dyn Component {
        self
    }
}

slot_is_component!(dyn Balancer);

impl Balancer for Slot<dyn Balancer> {
    /// As the component's own, and checked: each loss is a scalar, and there is one finite weight
    /// for each.
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        self.call(|balancer| {
            if let Some((index, loss)) =
                losses.iter().enumerate().find(|(_, loss)| loss.rank() != 0)
            {
                bail!(
                    "loss {index} of {} must be a scalar []; it has shape {:?}",
                    losses.len(),
                    loss.dims()
                );
            }
            let balanced = balancer.backward(losses, shared)?;
            if balanced.weights.len() != losses.len()
                || balanced.weights.iter().any(|w| !w.is_finite())
            {
                bail!(
                    "expected {} finite weights, got {:?}",
                    losses.len(),
                    balanced.weights
                );
            }
            Ok(balanced)
        })
    }

    fn after_step(&self, losses: &[Tensor]) -> Result<()> {
        self.call(|balancer| balancer.after_step(losses))
    }

    fn wants_losses_after(&self) -> bool {
        self.call(|balancer| Ok(balancer.wants_losses_after()))
            .unwrap_or(false)
    }
}
