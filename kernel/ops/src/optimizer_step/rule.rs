//! How a parameter is updated.

/// The update of one parameter by Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019) or SGD.
#[derive(Clone, Copy)]
pub enum OptimizerRule {
    /// Adam and AdamW.
    Adam(AdamRule),
    /// Stochastic gradient descent, as PyTorch has it.
    Sgd {
        /// The learning rate.
        learning_rate: f64,
        /// The share of the step before that is kept.
        momentum: f64,
        /// The share of the gradient that the momentum does not take.
        dampening: f64,
        /// The weight of the parameter in its gradient.
        weight_decay: f64,
        /// Whether the momentum is applied ahead (Nesterov).
        nesterov: bool,
        /// Whether this is the first step, in which the momentum is the gradient.
        first: bool,
    },
}

/// Adam or AdamW.
#[derive(Clone, Copy)]
pub struct AdamRule {
    /// The learning rate.
    pub learning_rate: f64,
    /// The decay of the mean of the gradients.
    pub beta1: f64,
    /// The decay of the mean of their squares.
    pub beta2: f64,
    /// The number that is added to the root of the second moment.
    pub eps: f64,
    /// The decay of the weights; where it goes is what tells Adam and AdamW apart.
    pub weight_decay: f64,
    /// AdamW: the parameter shrinks; else the decay is added to the gradient.
    pub decoupled: bool,
    /// Steps including this one.
    pub step: usize,
}

/// What a step of Adam multiplies with.
pub struct AdamFactors {
    /// The learning rate, corrected for the zeros that the first moment began with.
    pub rate: f64,
    /// Of the second moment's root, corrected for the same.
    pub root_scale: f64,
    /// Of the parameter.
    pub shrink: f64,
    /// Of the parameter where it is added to the gradient.
    pub decay: f64,
}

impl AdamRule {
    /// What the step that comes multiplies with.
    pub fn factors(&self) -> AdamFactors {
        let (shrink, decay) = if self.decoupled {
            (1.0 - self.learning_rate * self.weight_decay, 0.0)
        } else {
            (1.0, self.weight_decay)
        };
        AdamFactors {
            rate: self.learning_rate / (1.0 - self.beta1.powi(self.step as i32)),
            root_scale: 1.0 / (1.0 - self.beta2.powi(self.step as i32)).sqrt(),
            shrink,
            decay,
        }
    }
}
