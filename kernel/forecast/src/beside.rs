//! Forecasters beside what they have to beat.

use candle_core::bail;
use patchbay_protocol::MimeBundle;
use serde_json::json;

use super::{Backtest, Dataset, FitOptions, Part, backtest, compare, fit};
use patchbay_plugin::{Forecaster, Slot, create};
use patchbay_show::{Result, Show, show};

/// Backtests by name, shown best first.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The backtest of each forecaster, by name.
    pub backtests: Vec<(String, Backtest)>,
}

/// Fitted forecasters on a part, beside the last value and the last season, and beside ridge regression and DLinear,
/// which are fitted here with the lookback and horizon of the first forecaster. DLinear is trained as its authors do
/// ([`FitOptions::ltsf_linear`], batches of 32); their scripts have a learning rate for each data set, here it is the one of
/// 1e-4, 1e-3 and 1e-2 with the least loss on the validation part.
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
    let ridge = create::<dyn Forecaster>("forecaster/ridge", sizes.clone())?;
    let quiet = |options| FitOptions {
        quiet: true,
        ..options
    };
    fit(&ridge, data, &quiet(FitOptions::default()))?;
    backtests.push(("ridge".to_owned(), backtest(&ridge, data, part)?));
    let mut best: Option<(f64, Slot<dyn Forecaster>)> = None;
    for learning_rate in [1e-4, 1e-3, 1e-2] {
        let d_linear = create::<dyn Forecaster>("forecaster/d_linear", sizes.clone())?;
        let options = quiet(FitOptions::ltsf_linear(32, learning_rate));
        let fitted = fit(&d_linear, data, &options)?;
        let loss = fitted.validation[fitted.best];
        if best.as_ref().is_none_or(|(least, _)| loss < *least) {
            best = Some((loss, d_linear));
        }
        if fitted.interrupted {
            break;
        }
    }
    if let Some((_, d_linear)) = best {
        backtests.push(("DLinear".to_owned(), backtest(&d_linear, data, part)?));
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
