//! Yes or no, and one of several.

use patchbay_protocol::MimeBundle;
use serde_json::json;

use super::model::Model;
use crate::Show;

/// Yes or no; see [`checkbox`]. Clones are the same box.
#[derive(Clone)]
pub struct Checkbox {
    model: Model,
    label: String,
}

/// A box that is ticked or not.
pub fn checkbox(label: impl Into<String>, ticked: bool) -> Checkbox {
    let label = label.into();
    let state = json!({ "description": label, "value": ticked, "indent": false });
    Checkbox {
        model: Model::control("Checkbox", "CheckboxStyle", state),
        label,
    }
}

impl Checkbox {
    /// Whether it is ticked now, also in the middle of a running cell.
    pub fn get(&self) -> bool {
        self.model.get("value").as_bool().unwrap_or(false)
    }

    /// Ticks or clears it.
    pub fn set(&self, ticked: bool) {
        self.model.set("value", json!(ticked));
    }

    /// Calls `observer` whenever the user ticks or clears it, on a thread beside the running cell.
    pub fn on_change(self, mut observer: impl FnMut(bool) + Send + 'static) -> Checkbox {
        self.model.observe(move |value| {
            if let Some(value) = value.as_bool() {
                observer(value);
            }
        });
        self
    }
}

impl Show for Checkbox {
    fn show(&self) -> MimeBundle {
        let mark = if self.get() { "x" } else { " " };
        self.model.view(format!("[{mark}] {}", self.label))
    }
}

/// One of several; see [`dropdown`]. Clones are the same list.
#[derive(Clone)]
pub struct Dropdown {
    model: Model,
    label: String,
    options: Vec<String>,
}

/// A list of which one is chosen, the first at first.
pub fn dropdown(
    label: impl Into<String>,
    options: impl IntoIterator<Item = impl Into<String>>,
) -> Dropdown {
    let label = label.into();
    let options: Vec<String> = options.into_iter().map(Into::into).collect();
    let index = if options.is_empty() {
        json!(null)
    } else {
        json!(0)
    };
    let state = json!({ "description": label, "_options_labels": options, "index": index });
    Dropdown {
        model: Model::control("Dropdown", "DescriptionStyle", state),
        label,
        options,
    }
}

impl Dropdown {
    /// Returns the present choice, also in the middle of a running cell; empty where there is no choice.
    pub fn get(&self) -> String {
        self.chosen(self.model.get("index").as_u64())
    }

    /// Chooses an option. Does nothing where there is no such option.
    pub fn set(&self, option: &str) {
        if let Some(index) = self.options.iter().position(|known| known == option) {
            self.model.set("index", json!(index));
        }
    }

    /// Calls `observer` whenever the user chooses, on a thread beside the running cell.
    pub fn on_change(self, mut observer: impl FnMut(&str) + Send + 'static) -> Dropdown {
        let options = self.options.clone();
        self.model.observe(move |index| {
            let index = index.as_u64().and_then(|index| usize::try_from(index).ok());
            if let Some(option) = index.and_then(|index| options.get(index)) {
                observer(option);
            }
        });
        self
    }

    fn chosen(&self, index: Option<u64>) -> String {
        index
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| self.options.get(index))
            .cloned()
            .unwrap_or_default()
    }
}

impl Show for Dropdown {
    fn show(&self) -> MimeBundle {
        self.model.view(format!("{}: {}", self.label, self.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_and_set() {
        let list = dropdown("loss", ["focal", "dice"]);
        assert_eq!(list.get(), "focal");
        list.set("dice");
        list.set("missing");
        assert_eq!(list.get(), "dice");
        assert_eq!(dropdown("none", Vec::<String>::new()).get(), "");
        let tick = checkbox("train", true);
        tick.set(false);
        assert!(!tick.get());
    }
}
