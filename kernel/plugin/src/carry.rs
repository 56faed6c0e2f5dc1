//! Carries tensors and state over when one component takes the place of another.

use std::{collections::BTreeMap, fmt};

use patchbay_protocol::MimeBundle;

use super::{Error, store::NamedVar};
use patchbay_show::show::{Show, plain_text};

/// Which tensors a swap takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carry {
    /// Those with equal name and shape; refuse the swap if a trained one would be lost.
    #[default]
    All,
    /// Those with equal name and shape; drop the others.
    Matching,
    /// None.
    Fresh,
}

/// Report of a swap.
#[derive(Clone, PartialEq, Eq)]
pub struct SwapReport {
    /// `id gN` of the component that was replaced, N being the plugin's generation.
    pub from: String,
    /// `id gN` of the component that took its place.
    pub to: String,
    /// Tensors that were taken over.
    pub kept: Vec<String>,
    /// Tensors that are newly initialized.
    pub fresh: Vec<String>,
    /// Tensors of the old component that the new one has no place for.
    pub dropped: Vec<String>,
    /// Name, old shape, new shape: in both, but not alike; newly initialized.
    pub mismatched: Vec<(String, String, String)>,
    /// Keys of the state that the new component took over (see `Component::restore`).
    pub state: Vec<String>,
}

impl SwapReport {
    /// Whether any tensor was concerned.
    pub fn has_tensors(&self) -> bool {
        !(self.kept.is_empty()
            && self.fresh.is_empty()
            && self.dropped.is_empty()
            && self.mismatched.is_empty())
    }

    /// Tells what becomes of an optimizer that was made from the slot's variables before the swap.
    pub fn optimizer(&self) -> &'static str {
        let renewed = !self.fresh.is_empty() || !self.mismatched.is_empty();
        match (self.kept.is_empty(), renewed) {
            (true, false) => "not concerned",
            (false, false) => "kept: it goes on with the same variables and moments",
            (false, true) => {
                "kept for the kept variables; it does not know the fresh ones: \
                 make it again from slot.trainable() to train them"
            }
            (true, true) => "void: make it again from slot.trainable()",
        }
    }

    pub(crate) fn compare(from: String, to: String, old: &[NamedVar], new: &[NamedVar]) -> Self {
        let old: BTreeMap<&str, &NamedVar> = old
            .iter()
            .map(|named| (named.name.as_str(), named))
            .collect();
        let new: BTreeMap<&str, &NamedVar> = new
            .iter()
            .map(|named| (named.name.as_str(), named))
            .collect();
        let mut report = SwapReport {
            from,
            to,
            kept: Vec::new(),
            fresh: Vec::new(),
            dropped: Vec::new(),
            mismatched: Vec::new(),
            state: Vec::new(),
        };
        for (&name, named) in &new {
            match old.get(name) {
                None => report.fresh.push(name.to_owned()),
                Some(before) if before.var.id() == named.var.id() => {
                    report.kept.push(name.to_owned())
                }
                Some(before) if alike(before) == alike(named) => {
                    report.fresh.push(name.to_owned());
                    report.dropped.push(name.to_owned());
                }
                Some(before) => {
                    report
                        .mismatched
                        .push((name.to_owned(), alike(before), alike(named)))
                }
            }
        }
        report.dropped.extend(
            old.keys()
                .filter(|name| !new.contains_key(*name))
                .map(|&name| name.to_owned()),
        );
        report
    }

    /// Refuses to lose trained tensors.
    pub(crate) fn refuse_loss(&self, old: &[NamedVar]) -> Result<(), Error> {
        let lost: Vec<String> = old
            .iter()
            .filter(|named| named.trainable)
            .filter_map(|named| {
                let name = &named.name;
                let mismatch = self
                    .mismatched
                    .iter()
                    .find(|(mismatched, ..)| mismatched == name);
                match mismatch {
                    Some((_, old, new)) => Some(format!("{name} ({old}, there {new})")),
                    None => self
                        .dropped
                        .contains(name)
                        .then(|| format!("{name} ({})", alike(named))),
                }
            })
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        Err(Error::new(format!(
            "{} does not take the place of {}: it has no place for {} trained tensor(s): {}. Nothing was \
             changed. To drop them: slot.swap_with(id, config, Carry::Matching), or Carry::Fresh to start anew",
            self.to,
            self.from,
            lost.len(),
            shorten(&lost)
        )))
    }
}

/// Returns the text that must be equal for a tensor to be carried.
fn alike(named: &NamedVar) -> String {
    format!("{:?} {}", named.var.dims(), named.var.dtype().as_str())
}

/// At most eight names.
fn shorten(names: &[String]) -> String {
    match names.len() {
        0..=8 => names.join(", "),
        count => format!("{}, ... ({} more)", names[..8].join(", "), count - 8),
    }
}

impl fmt::Display for SwapReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} -> {}", self.from, self.to)?;
        if self.has_tensors() {
            let mismatched: Vec<String> = self
                .mismatched
                .iter()
                .map(|(name, old, new)| format!("{name} {old} -> {new}"))
                .collect();
            for (what, names) in [
                ("kept", &self.kept),
                ("fresh", &self.fresh),
                ("dropped", &self.dropped),
                ("mismatched", &mismatched),
            ] {
                write!(
                    formatter,
                    "\n  {what:<11}{:>4}  {}",
                    names.len(),
                    shorten(names)
                )?;
            }
            write!(formatter, "\n  optimizer state: {}", self.optimizer())?;
        }
        if !self.state.is_empty() {
            write!(formatter, "\n  state carried: {}", self.state.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for SwapReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Show for SwapReport {
    fn show(&self) -> MimeBundle {
        plain_text(self.to_string())
    }
}
