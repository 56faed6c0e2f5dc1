//! Which variables of a model learn, and which do not.

use std::collections::HashMap;

use candle_core::{Result, Tensor, TensorId, Var, backprop::GradStore};
use candle_nn::VarMap;
use patchbay_protocol::MimeBundle;

use patchbay_ops::sum_of_squares;
use patchbay_show::{
    Show, Table,
    tensor::{Statistics, number},
};

/// Outcome for a variable's gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GradientState {
    /// A gradient arrives, and it is finite.
    Fine,
    /// There is none: no tracked path leads from the loss to the variable.
    Missing,
    /// All values are zero.
    Zero,
    /// Some values are not numbers.
    Nan,
    /// Some values are infinite.
    Infinite,
}

impl GradientState {
    fn text(self) -> &'static str {
        match self {
            GradientState::Fine => "fine",
            GradientState::Missing => "no gradient",
            GradientState::Zero => "zero",
            GradientState::Nan => "NaN",
            GradientState::Infinite => "infinite",
        }
    }
}

/// A line of an [`Audit`].
#[derive(Clone, Debug)]
pub struct Finding {
    /// The parameter's name.
    pub name: String,
    /// The parameter's shape.
    pub shape: Vec<usize>,
    /// Outcome for its gradient.
    pub state: GradientState,
    /// The Euclidean norm of the gradient; NaN where there is none.
    pub norm: f64,
    /// The same of the variable.
    pub value_norm: f64,
    /// How far the variable lies from the loss: 0 is used last. `None` where no path leads to it.
    pub depth: Option<usize>,
}

/// Findings of [`audit`], those nearest to the loss first; shown as a table.
#[derive(Clone, Debug)]
pub struct Audit {
    /// A finding for each parameter.
    pub findings: Vec<Finding>,
}

/// Looks at the gradient of each variable of `model` after `let grads = loss.backward()?`.
///
/// A variable without a gradient is behind an op that cuts gradients, was detached, or is not used. Where values
/// stop being finite, the first bad variable from the loss on and its neighbor say between which layers that is.
///
/// # Errors
///
/// Fails where gradients cannot be brought to the CPU.
pub fn audit(loss: &Tensor, grads: &GradStore, model: &VarMap) -> Result<Audit> {
    let variables = model
        .data()
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let order: HashMap<TensorId, usize> = loss
        .sorted_nodes()
        .iter()
        .enumerate()
        .map(|(index, node)| (node.id(), index))
        .collect();
    let mut findings = variables
        .iter()
        .map(|(name, var)| finding(name, var, grads, order.get(&var.id()).copied()))
        .collect::<Result<Vec<_>>>()?;
    findings.sort_by_key(|finding| (finding.depth.is_none(), finding.depth, finding.name.clone()));
    Ok(Audit { findings })
}

fn finding(name: &str, var: &Var, grads: &GradStore, depth: Option<usize>) -> Result<Finding> {
    let (state, norm) = match grads.get(var) {
        None => (GradientState::Missing, f64::NAN),
        Some(grad) => {
            let statistics = Statistics::of(grad)?;
            let state = if statistics.nan > 0 {
                GradientState::Nan
            } else if statistics.infinite > 0 {
                GradientState::Infinite
            } else if statistics.min == 0.0 && statistics.max == 0.0 {
                GradientState::Zero
            } else {
                GradientState::Fine
            };
            (state, sum_of_squares(&[grad])?.sqrt())
        }
    };
    Ok(Finding {
        name: name.to_owned(),
        shape: var.dims().to_vec(),
        state,
        norm,
        value_norm: sum_of_squares(&[var.as_tensor()])?.sqrt(),
        depth,
    })
}

impl Audit {
    /// Whether every variable has a finite gradient that is not zero.
    pub fn is_fine(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.state == GradientState::Fine)
    }

    /// The variables in another state than [`GradientState::Fine`].
    pub fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.state != GradientState::Fine)
    }

    /// Between which variables the gradient stops being finite, seen from the loss.
    fn origin(&self) -> Option<String> {
        let bad = |finding: &Finding| {
            matches!(finding.state, GradientState::Nan | GradientState::Infinite)
        };
        let first = self
            .findings
            .iter()
            .position(|finding| finding.depth.is_some() && bad(finding))?;
        let name = &self.findings[first].name;
        Some(
            match first
                .checked_sub(1)
                .map(|before| &self.findings[before].name)
            {
                Some(before) => {
                    format!("from the loss on, {before} is the last that is finite; {name} is not")
                }
                None => format!(
                    "already {name}, the nearest to the loss, is not finite: look at the loss itself"
                ),
            },
        )
    }

    fn summary(&self) -> String {
        let count = |state| {
            self.findings
                .iter()
                .filter(|finding| finding.state == state)
                .count()
        };
        let states = [
            GradientState::Fine,
            GradientState::Missing,
            GradientState::Zero,
            GradientState::Nan,
            GradientState::Infinite,
        ];
        let mut parts: Vec<String> = states
            .into_iter()
            .filter(|&state| count(state) > 0)
            .map(|state| format!("{} {}", count(state), state.text()))
            .collect();
        parts.extend(self.origin());
        format!("{} variables: {}", self.findings.len(), parts.join(", "))
    }

    fn table(&self) -> Table {
        let mut table = Table::new([
            "variable",
            "shape",
            "gradient",
            "norm",
            "norm of the variable",
        ]);
        for finding in &self.findings {
            table.push([
                finding.name.clone(),
                format!("{:?}", finding.shape),
                finding.state.text().to_owned(),
                if finding.norm.is_nan() {
                    String::new()
                } else {
                    number(finding.norm)
                },
                number(finding.value_norm),
            ]);
        }
        table
    }
}

impl std::fmt::Display for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}", self.summary(), self.table())
    }
}

impl Show for Audit {
    fn show(&self) -> MimeBundle {
        let html = format!(
            "<div>{}</div>{}",
            patchbay_show::table::escape(&self.summary()),
            self.table().to_html()
        );
        patchbay_show::show::bundle(self.to_string(), "text/html", html)
    }
}
