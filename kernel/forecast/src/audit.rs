//! Which variables of a forecaster learn.

use super::{Dataset, Part, loss::loss};
use patchbay_nn::{self as nn, Audit, VarMap};
use patchbay_plugin::{Forecaster, Slot};
use patchbay_show::Result;

/// Which variables of a forecaster get a gradient from one batch of training windows. TiDE with layer norm over
/// an output of width 1, for instance, has a network that gets none.
///
/// # Errors
///
/// As `fit`.
pub fn audit(model: &Slot<dyn Forecaster>, data: &Dataset) -> Result<Audit> {
    let windows = data.windows(Part::Train, model.lookback(), model.horizon())?;
    let indices: Vec<usize> = (0..windows.len().min(64)).collect();
    let (window, future, mask) = windows.masked_batch(&indices)?;
    let forecast = model.forward(&window, true)?;
    let loss = loss(&forecast, &future, mask.as_ref(), None, &model.quantiles())?;
    let variables = VarMap::new();
    if let Ok(mut map) = variables.data().lock() {
        for named in model
            .variables()
            .into_iter()
            .filter(|named| named.trainable)
        {
            map.insert(named.name, named.var);
        }
    }
    nn::audit(&loss, &loss.backward()?, &variables)
}
