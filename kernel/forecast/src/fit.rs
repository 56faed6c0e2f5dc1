//! Fitting of any forecaster: in closed form where it can, else step by step until validation stops improving.

use std::time::Instant;

use candle_core::bail;
use patchbay_protocol::MimeBundle;

use super::{
    Dataset, FitOptions, Fitted, Part, loss::loss_over, options::BATCH, scales::DataScales,
    trainer::Trainer,
};
use patchbay_plugin::{Fit, Forecaster, Slot};
use patchbay_show::{Result, Show, Table, show, tensor::number};

/// Fits a forecaster to the training part and chooses on the validation part when to stop.
///
/// The forecaster keeps the scales, covariates and step of the data, so that it can forecast other data and be saved.
/// Values that were interpolated have no part in a loss; a fit in closed form takes windows whose future was measured.
///
/// The weights are those of the epoch that did best on the validation part, after an interrupt or an error, too. A
/// forecaster that begins with a fit in closed form ([`Fit::Refine`]) keeps that start unless training improves on it
/// by more than one standard error of the difference over blocks of validation windows that begin within a horizon.
///
/// # Errors
///
/// Fails where an option makes no sense, a part is too short for a window, a component fails, or a loss is not
/// finite, naming the step.
pub fn fit(model: &Slot<dyn Forecaster>, data: &Dataset, options: &FitOptions) -> Result<Fitted> {
    let start = Instant::now();
    let names: Vec<String> = model
        .variables()
        .into_iter()
        .map(|named| named.name)
        .collect();
    options.check(&names)?;
    let quantiles = model.quantiles();
    if let Some(loss) = options.loss.as_ref().filter(|_| !quantiles.is_empty()) {
        bail!(
            "FitOptions: loss is {}, but the forecaster has the quantiles {quantiles:?}, which are trained by the \
             pinball loss: leave out one of the two",
            loss.provenance().id
        );
    }
    let (lookback, horizon) = (model.lookback(), model.horizon());
    let train = data.windows(Part::Train, lookback, horizon)?;
    let validation = data.windows(Part::Validation, lookback, horizon)?;
    let trained_before = DataScales::of_model(model)?;
    let (closed, share) = train.for_closed_form();
    let (held_out, held_out_share) = validation.for_closed_form();
    let kind = model.fit(&mut closed.batches(BATCH))?;
    model.select(&mut held_out.batches(BATCH))?;
    if kind != Fit::ByGradient && share.max(held_out_share) > 0.0 {
        println!(
            "{}: too few windows have a future that was measured entirely, so its fit in closed form takes interpolated \
             values for true ones, {:.1} % of them; a shorter horizon has more such windows",
            model.provenance().id,
            100.0 * share.max(held_out_share)
        );
    }
    let scales = DataScales::of(data);
    if kind == Fit::ByGradient
        && let Some(before) = trained_before.filter(|before| **before != scales)
    {
        println!(
            "{}: it was fitted in the scales of other data (series {}) and goes on from those weights in the scales of these; \
             data.with_scales_of(&model)? keeps its own",
            model.provenance().id,
            before.names.join(", ")
        );
    }
    scales.note(model);
    let mut fitted = Fitted {
        train: Vec::new(),
        validation: Vec::new(),
        best: 0,
        seconds: 0.0,
        loading: 0.0,
        steps: 0,
        interrupted: false,
        closed_form: kind == Fit::Done,
    };
    if kind == Fit::Done {
        let loss = loss_over(model, &validation, options.loss.as_ref(), &quantiles)?;
        fitted.validation.push(loss);
    } else {
        Trainer {
            model,
            options,
            train,
            validation,
            quantiles,
            refines: kind == Fit::Refine,
        }
        .run(&mut fitted)?;
    }
    fitted.seconds = start.elapsed().as_secs_f64();
    Ok(fitted)
}

impl Fitted {
    fn table(&self) -> Table {
        let mut table = Table::new(["epoch", "train", "validation", "kept"]);
        for (epoch, &validation) in self.validation.iter().enumerate() {
            let train = match epoch.checked_sub(1) {
                Some(index) => self
                    .train
                    .get(index)
                    .map_or_else(String::new, |&x| number(x)),
                None => String::new(),
            };
            let kept = if epoch == self.best { "kept" } else { "" };
            table.push([
                epoch.to_string(),
                train,
                number(validation),
                kept.to_owned(),
            ]);
        }
        table
    }

    fn summary(&self) -> String {
        let end = if self.interrupted {
            ", interrupted"
        } else {
            ""
        };
        if self.closed_form {
            return format!("fitted in closed form in {:.1} s", self.seconds);
        }
        format!(
            "{} steps in {:.1} s, {:.1}% of them for loading windows{end}",
            self.steps,
            self.seconds,
            100.0 * self.loading / self.seconds.max(1e-9)
        )
    }
}

impl Show for Fitted {
    fn show(&self) -> MimeBundle {
        show::bundle(
            format!("{}\n{}", self.summary(), self.table()),
            "text/html",
            format!("<div>{}</div>{}", self.summary(), self.table().to_html()),
        )
    }
}
