//! Momentum copies: teachers whose weights follow those of their networks.

use patchbay::{candle_nn::Init, plugin::prelude::*};

/// An encoder and the copy that follows it.
pub struct Followed {
    /// Encoder that the optimizer trains.
    pub online: Slot<dyn Encoder>,
    /// Frozen copy whose weights are a moving average of the trained encoder's; the teacher.
    pub copy: Slot<dyn Encoder>,
}

impl Followed {
    /// Makes both as parts of a component, the copy as `{name}_m`: of the same kind, frozen, with the same values.
    ///
    /// # Errors
    ///
    /// As [`Context::create`].
    pub fn new(
        context: &Context,
        name: &str,
        copy: &str,
        id: &str,
        config: serde_json::Value,
    ) -> std::result::Result<Self, plugin::Error> {
        let online = context.create::<dyn Encoder>(name, id, config)?;
        let copy = context.create_frozen_copy(copy, &online)?;
        Ok(Followed { online, copy })
    }

    /// Pairs of variables: the network's, and the copy's of the same name.
    ///
    /// # Errors
    ///
    /// Fails where the copy lacks a variable of the network.
    pub fn pairs(&self) -> Result<Vec<(Var, Var)>> {
        let copies: std::collections::BTreeMap<String, Var> = self
            .copy
            .variables()
            .into_iter()
            .map(|named| (named.name, named.var))
            .collect();
        self.online
            .variables()
            .into_iter()
            .map(|named| match copies.get(&named.name) {
                Some(copy) => Ok((named.var, copy.clone())),
                None => bail!("the momentum copy has no tensor {}", named.name),
            })
            .collect()
    }

    /// Where another encoder was put into the network's slot, puts the same into the copy's, with the same values.
    ///
    /// # Errors
    ///
    /// Fails where the copy cannot be made.
    pub fn follow_swap(&self) -> Result<()> {
        let (online, copy) = (self.online.provenance(), self.copy.provenance());
        if online.id == copy.id
            && online.config == copy.config
            && online.generation == copy.generation
        {
            return Ok(());
        }
        self.copy
            .swap_with(&online.id, online.config, plugin::Carry::Fresh)
            .map_err(candle::Error::wrap)?;
        for (network, copy) in self.pairs()? {
            copy.set(&network.as_detached_tensor())?;
        }
        Ok(())
    }
}

/// A parameter of a head beside the encoders, and the buffer that follows it with the same first values.
///
/// # Errors
///
/// Fails where a name is taken by a tensor of another shape.
pub fn with_copy(
    context: &Context,
    name: &str,
    copy: &str,
    shape: &[usize],
    first: Init,
) -> Result<(Var, Var)> {
    let carried = context.carries(copy);
    let online = context.variable(name, shape, first)?;
    let copy = context.buffer(copy, shape, context.dtype(), Init::Const(0.0))?;
    if !carried {
        copy.set(&online.as_detached_tensor())?;
    }
    Ok((online, copy))
}

/// copy = momentum · copy + (1 - momentum) · network, in place.
///
/// # Errors
///
/// Fails for dtypes other than f32 and f64.
pub fn follow(pairs: &[(Var, Var)], momentum: f64) -> Result<()> {
    let (networks, copies): (Vec<Tensor>, Vec<Tensor>) = pairs
        .iter()
        .map(|(network, copy)| (network.as_detached_tensor(), copy.as_detached_tensor()))
        .unzip();
    ops::ema_update(&copies, &networks, momentum)
}
