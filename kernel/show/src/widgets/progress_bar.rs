//! A bar that fills.

use patchbay_protocol::MimeBundle;
use serde_json::json;

use super::model::Model;
use crate::Show;

/// A bar that fills as [`ProgressBar::set`] says; see [`progress_bar`]. Clones are the same bar.
///
/// For loops there is [`crate::progress()`], which needs no widgets.
#[derive(Clone)]
pub struct ProgressBar {
    model: Model,
    label: String,
    total: f64,
}

/// An empty bar that is full at `total`.
pub fn progress_bar(label: impl Into<String>, total: f64) -> ProgressBar {
    let label = label.into();
    let total = if total > 0.0 && total.is_finite() {
        total
    } else {
        1.0
    };
    let state =
        json!({ "description": label, "min": 0.0, "max": total, "value": 0.0, "bar_style": "" });
    ProgressBar {
        model: Model::control("FloatProgress", "ProgressStyle", state),
        label,
        total,
    }
}

impl ProgressBar {
    /// Fills it so far; a full one is green.
    pub fn set(&self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.model.set("value", json!(value.clamp(0.0, self.total)));
        let style = if value >= self.total { "success" } else { "" };
        self.model.set("bar_style", json!(style));
    }

    /// How far it is filled.
    pub fn get(&self) -> f64 {
        self.model.get("value").as_f64().unwrap_or(0.0)
    }
}

impl Show for ProgressBar {
    fn show(&self) -> MimeBundle {
        self.model
            .view(format!("{}: {} of {}", self.label, self.get(), self.total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_more_than_full() {
        let bar = progress_bar("epochs", 4.0);
        bar.set(9.0);
        assert_eq!(
            (bar.get(), bar.model.get("bar_style")),
            (4.0, json!("success"))
        );
        bar.set(1.0);
        bar.set(f64::NAN);
        assert_eq!((bar.get(), bar.model.get("bar_style")), (1.0, json!("")));
    }
}
