//! What became of each tensor.

use std::fmt;

use patchbay_protocol::MimeBundle;

use patchbay_show::{
    show::{self, Show},
    table::{self, Table},
};

/// What became of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The component has it and the file has not, or only one of another shape.
    Missing,
    /// The file has it and the component has not.
    Unexpected,
    /// Both have it, in shapes that do not fit.
    Mismatch,
    /// Taken over after a change, which is named: joined, interpolated, bands adapted.
    Converted,
    /// Known not to be taken over, for the reason given: heads, decoders, other networks, integers.
    LeftOut,
    /// Taken over as it is.
    Loaded,
}

impl State {
    const ALL: [State; 6] = [
        State::Loaded,
        State::Converted,
        State::LeftOut,
        State::Missing,
        State::Unexpected,
        State::Mismatch,
    ];

    fn name(self) -> &'static str {
        match self {
            State::Missing => "missing",
            State::Unexpected => "unexpected",
            State::Mismatch => "shape mismatch",
            State::Converted => "converted",
            State::LeftOut => "left out",
            State::Loaded => "loaded",
        }
    }
}

/// What became of the tensors of a file and of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// State, name in the component (in the file, where the component has none), and what is to be said.
    pub rows: Vec<(State, String, String)>,
    /// What is to be said of the whole file: which of its state dicts was read, what was taken off all names.
    pub notes: Vec<String>,
}

impl Report {
    /// How many tensors are in this state.
    pub fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.0 == state).count()
    }

    /// Whether nothing is missing, unexpected or of another shape.
    pub fn is_complete(&self) -> bool {
        [State::Missing, State::Unexpected, State::Mismatch]
            .into_iter()
            .all(|state| self.count(state) == 0)
    }

    pub(super) fn push(
        &mut self,
        state: State,
        name: impl Into<String>,
        detail: impl Into<String>,
    ) {
        self.rows.push((state, name.into(), detail.into()));
    }

    pub(super) fn sort(&mut self) {
        self.rows.sort();
    }

    /// `loaded 150, converted 2, missing 0, ...`.
    pub fn summary(&self) -> String {
        let counts: Vec<String> = State::ALL
            .into_iter()
            .map(|state| format!("{} {}", state.name(), self.count(state)))
            .collect();
        counts.join(", ")
    }

    /// One row a tensor, those that were simply loaded left out and, of each other state, at most `most`.
    fn table(&self, most: usize) -> Table {
        let mut table = Table::new(["state", "tensor", ""]);
        for state in State::ALL.into_iter().skip(1) {
            let rows: Vec<_> = self.rows.iter().filter(|row| row.0 == state).collect();
            for (_, name, detail) in rows.iter().take(most) {
                table.push([state.name(), name, detail]);
            }
            if rows.len() > most {
                let rest = format!("... {} more", rows.len() - most);
                table.push([state.name(), &rest, ""]);
            }
        }
        table
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.summary())?;
        for note in &self.notes {
            write!(formatter, "\n{note}")?;
        }
        match self.count(State::Loaded) == self.rows.len() {
            true => Ok(()),
            false => write!(formatter, "\n{}", self.table(8)),
        }
    }
}

impl Show for Report {
    fn show(&self) -> MimeBundle {
        let table = self.table(20);
        let lines: Vec<String> = std::iter::once(self.summary())
            .chain(self.notes.iter().cloned())
            .collect();
        let escaped: Vec<String> = lines.iter().map(|line| table::escape(line)).collect();
        show::bundle(
            format!("{}\n{table}", lines.join("\n")),
            "text/html",
            format!("<p>{}</p>{}", escaped.join("<br>"), table.to_html()),
        )
    }
}
