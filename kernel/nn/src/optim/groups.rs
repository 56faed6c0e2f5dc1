//! Parameters in groups by patterns of their names, for fine-tuning.

use std::{collections::BTreeMap, fmt};

use candle_core::{Result, Var, bail};
use patchbay_cell::pattern::matches;
use patchbay_protocol::MimeBundle;
use patchbay_show::{Show, Table, show, tensor::number};

use super::ParameterGroup;
use crate::Network;

/// Puts a network's parameters into groups by patterns of their names: what is frozen, how fast the rest learns, and what decays.
///
/// In a pattern `*` stands for any text, dots included. Rules are applied in their order, so that a later one has the last word.
/// As the last expression of a cell it is a table.
///
/// ```
/// # use patchbay::prelude::*;
/// let varmap = VarMap::new();
/// let vb = nn::builder(&varmap, DType::F32, &device());
/// let net = nn::seq()
///     .add_named("encoder", nn::linear(4, 8, vb.pp("encoder"))?)
///     .add_named("norm", nn::layer_norm(8, 1e-5, vb.pp("norm"))?)
///     .add_named("head", nn::linear(8, 2, vb.pp("head"))?);
/// let groups = nn::ParameterGroups::of(&net)
///     .freeze("encoder.*")
///     .learning_rate_scale("head.*", 10.0)
///     .no_decay_for_norms_and_biases();
/// let optimizer = nn::AdamW::with_groups(groups, nn::ParamsAdamW { lr: 1e-4, weight_decay: 0.05, ..Default::default() });
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ParameterGroups {
    parameters: Vec<Parameter>,
    /// Patterns that no name has.
    unmatched: Vec<String>,
    fault: Option<String>,
}

#[derive(Clone, Debug)]
struct Parameter {
    name: String,
    var: Var,
    is_frozen: bool,
    learning_rate_scale: f64,
    weight_decay: Option<f64>,
}

impl ParameterGroups {
    /// Begins with the parameters of a network, all trained with the optimizer's settings.
    pub fn of(network: &dyn Network) -> ParameterGroups {
        ParameterGroups::of_named(network.named_parameters())
    }

    /// Begins with variables and their names, those of a slot for instance: `slot.named_parameters()`.
    pub fn of_named(named: Vec<(String, Var)>) -> ParameterGroups {
        let parameters = named.into_iter().map(|(name, var)| Parameter {
            name,
            var,
            is_frozen: false,
            learning_rate_scale: 1.0,
            weight_decay: None,
        });
        ParameterGroups {
            parameters: parameters.collect(),
            unmatched: Vec::new(),
            fault: None,
        }
    }

    /// Leaves the parameters of this pattern out of the groups, so that the optimizer does not change them.
    ///
    /// Their gradients are still computed where other parameters' gradients need them.
    #[must_use]
    pub fn freeze(self, pattern: &str) -> ParameterGroups {
        self.each(pattern, |parameter| parameter.is_frozen = true)
    }

    /// Takes the parameters of this pattern in again.
    #[must_use]
    pub fn unfreeze(self, pattern: &str) -> ParameterGroups {
        self.each(pattern, |parameter| parameter.is_frozen = false)
    }

    /// Multiplies the learning rate of the parameters of this pattern with `scale`.
    #[must_use]
    pub fn learning_rate_scale(self, pattern: &str, scale: f64) -> ParameterGroups {
        self.each(pattern, |parameter| parameter.learning_rate_scale *= scale)
    }

    /// Sets the weight decay of the parameters of this pattern.
    #[must_use]
    pub fn weight_decay(self, pattern: &str, decay: f64) -> ParameterGroups {
        self.each(pattern, |parameter| parameter.weight_decay = Some(decay))
    }

    /// Sets the weight decay of biases and of all parameters with at most one dimension, such as those of norms, to 0, as timm
    /// does.
    #[must_use]
    pub fn no_decay_for_norms_and_biases(mut self) -> ParameterGroups {
        for parameter in &mut self.parameters {
            if parameter.var.rank() <= 1 || parameter.name.ends_with("bias") {
                parameter.weight_decay = Some(0.0);
            }
        }
        self
    }

    /// Multiplies the learning rate of each layer with `decay` for each layer above it: layer-wise learning-rate decay (Clark et
    /// al. 2020, ELECTRA; Bao et al. 2022, BEiT).
    ///
    /// The layer of a parameter is the first number in its name (`blocks.3.attn.weight`). What has none stands below all layers
    /// where its name has `embed`, `cls_token`, `patch` or `stem`, and else above them, as in timm.
    #[must_use]
    pub fn layer_decay(mut self, decay: f64) -> ParameterGroups {
        let index = |name: &str| name.split('.').find_map(|part| part.parse::<usize>().ok());
        let count = self
            .parameters
            .iter()
            .filter_map(|parameter| index(&parameter.name))
            .max()
            .map_or(0, |last| last + 1);
        if count == 0 {
            self.fault.get_or_insert_with(|| {
                "layer_decay: no parameter's name has a number, so that the layers cannot be told: use learning_rate_scale(\"PATTERN\", ..)"
                    .to_owned()
            });
        }
        for parameter in &mut self.parameters {
            let is_below = ["embed", "cls_token", "patch", "stem"]
                .iter()
                .any(|part| parameter.name.contains(part));
            let layer = match index(&parameter.name) {
                Some(index) => index + 1,
                None if is_below => 0,
                None => count + 1,
            };
            parameter.learning_rate_scale *= decay.powi((count + 1 - layer) as i32);
        }
        self
    }

    /// Returns the groups for an optimizer: `nn::AdamW::with_groups(groups, settings)`.
    ///
    /// # Errors
    ///
    /// Fails where a pattern is that of no parameter, and where all are frozen.
    pub fn groups(&self) -> Result<Vec<ParameterGroup>> {
        if let Some(fault) = &self.fault {
            bail!("{fault}")
        }
        if let Some(pattern) = self.unmatched.first() {
            let names: Vec<&str> = self.parameters.iter().map(|p| p.name.as_str()).collect();
            bail!(
                "no parameter's name is like {pattern:?}; there are {}{}",
                names[..names.len().min(12)].join(", "),
                if names.len() > 12 { ", .." } else { "" }
            )
        }
        let mut groups: BTreeMap<(u64, Option<u64>), ParameterGroup> = BTreeMap::new();
        for parameter in self.parameters.iter().filter(|p| !p.is_frozen) {
            let key = (
                parameter.learning_rate_scale.to_bits(),
                parameter.weight_decay.map(f64::to_bits),
            );
            let group = groups.entry(key).or_insert_with(|| ParameterGroup {
                vars: Vec::new(),
                learning_rate_scale: parameter.learning_rate_scale,
                weight_decay: parameter.weight_decay,
            });
            group.vars.push(parameter.var.clone());
        }
        if groups.is_empty() {
            bail!(
                "all {} parameters are frozen: nothing would be trained",
                self.parameters.len()
            )
        }
        Ok(groups.into_values().collect())
    }

    fn each(mut self, pattern: &str, mut change: impl FnMut(&mut Parameter)) -> ParameterGroups {
        let mut found = false;
        for parameter in &mut self.parameters {
            if matches(pattern, &parameter.name) {
                found = true;
                change(parameter);
            }
        }
        if !found {
            self.unmatched.push(pattern.to_owned());
        }
        self
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["parameter", "shape", "learning rate", "weight decay"]);
        for parameter in &self.parameters {
            let (rate, decay) = match parameter.is_frozen {
                true => ("frozen".to_owned(), String::new()),
                false => (
                    format!("x {}", number(parameter.learning_rate_scale)),
                    parameter
                        .weight_decay
                        .map_or("the optimizer's".to_owned(), number),
                ),
            };
            table.push([
                parameter.name.clone(),
                format!("{:?}", parameter.var.dims()),
                rate,
                decay,
            ]);
        }
        table
    }
}

/// What an optimizer takes as groups: a list of [`ParameterGroup`], or [`ParameterGroups`], whose mistake is one of the first step.
pub trait IntoGroups {
    /// Returns the groups, or what is wrong with them.
    fn into_groups(self) -> std::result::Result<Vec<ParameterGroup>, String>;
}

impl IntoGroups for Vec<ParameterGroup> {
    fn into_groups(self) -> std::result::Result<Vec<ParameterGroup>, String> {
        Ok(self)
    }
}

impl IntoGroups for &ParameterGroups {
    fn into_groups(self) -> std::result::Result<Vec<ParameterGroup>, String> {
        self.groups().map_err(|error| error.to_string())
    }
}

impl IntoGroups for ParameterGroups {
    fn into_groups(self) -> std::result::Result<Vec<ParameterGroup>, String> {
        (&self).into_groups()
    }
}

impl fmt::Display for ParameterGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(f)
    }
}

impl Show for ParameterGroups {
    fn show(&self) -> MimeBundle {
        show::bundle(self.to_string(), "text/html", self.table().to_html())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    fn groups() -> ParameterGroups {
        let names = [
            ("patch_embed.weight", 2),
            ("blocks.0.weight", 2),
            ("blocks.0.bias", 1),
            ("blocks.11.norm.weight", 1),
            ("head.weight", 2),
        ];
        let named = names.map(|(name, rank)| {
            let shape = vec![2; rank];
            (
                name.to_owned(),
                Var::zeros(shape, DType::F32, &Device::Cpu).unwrap(),
            )
        });
        ParameterGroups::of_named(named.into())
    }

    fn of(groups: &ParameterGroups, name: &str) -> (f64, Option<f64>) {
        let found = groups.parameters.iter().find(|p| p.name == name).unwrap();
        (found.learning_rate_scale, found.weight_decay)
    }

    #[test]
    fn later_rules_have_the_last_word_and_the_rest_is_grouped() {
        let groups = groups()
            .no_decay_for_norms_and_biases()
            .freeze("blocks.*")
            .unfreeze("blocks.11.*")
            .learning_rate_scale("head.*", 10.0);
        let made = groups.groups().unwrap();
        let counts: Vec<usize> = made.iter().map(|group| group.vars.len()).collect();
        // patch_embed; blocks.11.norm without decay; head.
        assert_eq!(counts, [1, 1, 1]);
        assert_eq!(of(&groups, "blocks.0.bias"), (1.0, Some(0.0)));
        assert_eq!(of(&groups, "head.weight"), (10.0, None));
        assert!(groups.to_string().contains("frozen"), "{groups}");
    }

    #[test]
    fn layers_decay_from_the_top() {
        let groups = groups().layer_decay(0.5);
        let scale = |name| of(&groups, name).0;
        assert_eq!(scale("head.weight"), 1.0);
        assert_eq!(scale("blocks.11.norm.weight"), 0.5);
        assert_eq!(scale("blocks.0.weight"), 0.5f64.powi(12));
        assert_eq!(scale("patch_embed.weight"), 0.5f64.powi(13));
    }

    #[test]
    fn what_cannot_be_meant_is_an_error() {
        let text = groups().freeze("block.*").groups().unwrap_err().to_string();
        assert!(
            text.contains("\"block.*\"") && text.contains("blocks.0.weight"),
            "{text}"
        );
        let text = groups().freeze("*").groups().unwrap_err().to_string();
        assert!(text.contains("all 5 parameters are frozen"), "{text}");
        let named = vec![(
            "w".to_owned(),
            Var::zeros(2, DType::F32, &Device::Cpu).unwrap(),
        )];
        let text = ParameterGroups::of_named(named).layer_decay(0.5).groups();
        assert!(text.unwrap_err().to_string().contains("has a number"));
    }
}
