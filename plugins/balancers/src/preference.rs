//! What balancers do with a preference: one number for each loss, given or all alike.

use patchbay::plugin::prelude::*;

/// Checks a preference that a config gives.
///
/// # Errors
///
/// Fails where a number is below 0 or not finite, or all are 0.
pub fn check(preference: &[f64]) -> Result<()> {
    let bad = |weight: &&f64| !(weight.is_finite() && **weight >= 0.0);
    if let Some(bad) = preference.iter().find(bad) {
        bail!("the weights of a preference are finite and at least 0; one is {bad}");
    }
    if !preference.is_empty() && preference.iter().all(|&weight| weight == 0.0) {
        bail!("the weights of a preference are all 0, and no loss is preferred");
    }
    Ok(())
}

/// The numbers of the losses that take part; `even` for each where none are given.
///
/// # Errors
///
/// Fails where there is not one for each of all losses.
pub fn of(name: &str, given: &[f64], present: &Present, even: f64) -> Result<Vec<f64>> {
    if given.is_empty() {
        return Ok(vec![even; present.places().len()]);
    }
    if given.len() != present.total() {
        bail!(
            "the config gives {} numbers in {name} and there are {} losses: give one for each, in their order",
            given.len(),
            present.total()
        );
    }
    Ok(present.pick(given))
}
