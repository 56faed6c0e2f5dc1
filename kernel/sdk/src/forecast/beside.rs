//! Forecasters beside what they have to beat.

use candle_core::bail;
use patchbay_protocol::MimeBundle;
use serde_json::json;

use super::{Backtest, Dataset, FitOptions, Part, backtest, compare, fit};
use crate::{
    Result, Show,
    plugin::{Forecaster, Slot, create},
    show,
};

/// Backtests by name, shown best first.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub backtests: Vec<(String, Backtest)>,
}

/// Fitted forecasters on a part, beside the last value and the last season, and beside ridge regression and DLinear,
/// which are fitted here with the lookback and horizon of the first forecaster.
///
/// # Errors
///
/// Fails where there is no forecaster or their horizons differ, a part is too short for a window, or a component fails;
/// `forecaster/ridge` and `forecaster/d_linear` must be loaded.
pub fn beside(
    models: &[(&str, &Slot<dyn Forecaster>)],
    data: &Dataset,
    part: Part,
) -> Result<Comparison> {
    let Some((first, model)) = models.first() else {
        bail!("there is no forecaster to show beside the baselines");
    };
    let (lookback, horizon) = (model.lookback(), model.horizon());
    if let Some((name, other)) = models.iter().find(|(_, other)| other.horizon() != horizon) {
        bail!(
            "{first} forecasts {horizon} steps and {name} {}: errors compare at one horizon only",
            other.horizon()
        );
    }
    let mut backtests = Vec::new();
    for (name, model) in models {
        backtests.push(((*name).to_owned(), backtest(model, data, part)?));
    }
    let sizes = json!({"lookback": lookback, "horizon": horizon});
    for (name, id) in [
        ("ridge", "forecaster/ridge"),
        ("DLinear", "forecaster/d_linear"),
    ] {
        let baseline = create::<dyn Forecaster>(id, sizes.clone())?;
        let options = FitOptions {
            quiet: true,
            ..FitOptions::default()
        };
        fit(&baseline, data, &options)?;
        backtests.push((name.to_owned(), backtest(&baseline, data, part)?));
    }
    Ok(Comparison { backtests })
}

impl Show for Comparison {
    fn show(&self) -> MimeBundle {
        let rows: Vec<(&str, &Backtest)> = self
            .backtests
            .iter()
            .map(|(name, backtest)| (name.as_str(), backtest))
            .collect();
        let table = compare(&rows);
        show::bundle(table.to_string(), "text/html", table.to_html())
    }
}
