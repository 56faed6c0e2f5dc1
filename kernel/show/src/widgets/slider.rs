//! A number between two others.

use patchbay_protocol::MimeBundle;
use serde_json::json;

use super::model::Model;
use crate::Show;

/// A slider for a number; see [`slider`]. Clones are the same slider.
#[derive(Clone)]
pub struct Slider {
    model: Model,
    label: String,
    scale: Scale,
}

#[derive(Clone, Copy, PartialEq)]
enum Scale {
    Linear,
    Logarithmic,
}

/// A slider from `min` to `max`, in a hundred steps, at `min` unless [`Slider::value`] says otherwise.
///
/// Bounds that are no numbers, and an empty range, become the range from 0 to 1: a slider always exists.
pub fn slider(label: impl Into<String>, min: f64, max: f64) -> Slider {
    let (min, max) = if min < max && (max - min).is_finite() {
        (min, max)
    } else {
        (0.0, 1.0)
    };
    linear(label.into(), min, max)
}

fn linear(label: String, min: f64, max: f64) -> Slider {
    let state = json!({
        "description": label, "min": min, "max": max, "step": (max - min) / 100.0, "value": min,
        "readout_format": ".4g", "continuous_update": true,
    });
    Slider {
        model: Model::control("FloatSlider", "SliderStyle", state),
        label,
        scale: Scale::Linear,
    }
}

impl Slider {
    /// Equal distances on the slider are equal factors, as suits a learning rate. Has no effect where the range reaches
    /// zero or below.
    pub fn logarithmic(self) -> Slider {
        let (min, max) = (self.number("min"), self.number("max"));
        if min <= 0.0 || self.scale == Scale::Logarithmic {
            return self;
        }
        let value = self.get();
        let (low, high) = (min.log10(), max.log10());
        let state = json!({
            "description": self.label, "base": 10.0, "min": low, "max": high, "step": (high - low) / 100.0,
            "value": value, "readout_format": ".3g", "continuous_update": true,
        });
        Slider {
            model: Model::control("FloatLogSlider", "SliderStyle", state),
            scale: Scale::Logarithmic,
            ..self
        }
    }

    /// How far apart the values are that it can take (of a logarithmic one: their exponents of ten).
    pub fn step(self, step: f64) -> Slider {
        if step > 0.0 {
            self.model.set("step", json!(step));
        }
        self
    }

    /// Where it stands at first.
    pub fn value(self, value: f64) -> Slider {
        self.set(value);
        self
    }

    /// The value now, also in the middle of a running cell.
    pub fn get(&self) -> f64 {
        self.number("value")
    }

    /// Moves it, within its range.
    pub fn set(&self, value: f64) {
        let (mut min, mut max) = (self.number("min"), self.number("max"));
        if self.scale == Scale::Logarithmic {
            (min, max) = (10f64.powf(min), 10f64.powf(max));
        }
        if value.is_finite() {
            self.model.set("value", json!(value.clamp(min, max)));
        }
    }

    /// Calls `observer` whenever the user moves it, on a thread beside the running cell.
    pub fn on_change(self, mut observer: impl FnMut(f64) + Send + 'static) -> Slider {
        self.model.observe(move |value| {
            if let Some(value) = value.as_f64() {
                observer(value);
            }
        });
        self
    }

    fn number(&self, key: &str) -> f64 {
        self.model.get(key).as_f64().unwrap_or(f64::NAN)
    }
}

impl Show for Slider {
    fn show(&self) -> MimeBundle {
        self.model.view(format!("{}: {}", self.label, self.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_the_range() {
        let linear = slider("x", 2.0, 4.0);
        assert_eq!(linear.get(), 2.0);
        linear.set(9.0);
        assert_eq!(linear.get(), 4.0);
        linear.set(f64::NAN);
        assert_eq!(linear.get(), 4.0);
        let rate = slider("rate", 1e-4, 1e-1).value(1e-2).logarithmic();
        assert_eq!(rate.get(), 1e-2);
        rate.set(1.0);
        assert!((rate.get() - 0.1).abs() < 1e-12);
        assert_eq!(slider("wrong", 3.0, 1.0).value(0.5).get(), 0.5);
        assert_eq!(slider("x", -1.0, 1.0).logarithmic().get(), -1.0);
    }
}
