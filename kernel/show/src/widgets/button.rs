//! Something to press.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use patchbay_protocol::MimeBundle;
use serde_json::json;

use super::model::Model;
use crate::Show;

/// A button; see [`button`]. Clones are the same button.
#[derive(Clone)]
pub struct Button {
    model: Model,
    label: String,
    clicks: Arc<AtomicUsize>,
}

/// A button with this text. A loop asks [`Button::clicks`], or [`Button::on_click`] is called.
pub fn button(label: impl Into<String>) -> Button {
    let label = label.into();
    let button = Button {
        model: Model::control("Button", "ButtonStyle", json!({ "description": label })),
        label,
        clicks: Arc::default(),
    };
    button.on_click(|| {})
}

impl Button {
    /// How often it has been pressed.
    pub fn clicks(&self) -> usize {
        self.clicks.load(Ordering::SeqCst)
    }

    /// Calls `observer` whenever it is pressed, on a thread beside the running cell.
    pub fn on_click(self, mut observer: impl FnMut() + Send + 'static) -> Button {
        let clicks = self.clicks.clone();
        self.model.observe(move |content| {
            if content["event"] == "click" {
                clicks.fetch_add(1, Ordering::SeqCst);
                observer();
            }
        });
        self
    }
}

impl Show for Button {
    fn show(&self) -> MimeBundle {
        self.model.view(format!("[{}]", self.label))
    }
}
