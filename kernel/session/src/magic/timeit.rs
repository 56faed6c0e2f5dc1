//! `%timeit` and `%%timeit`: the mean and spread of many runs.

use patchbay_engine::{
    directive::Timing,
    magic::{Argument, Magic},
};

use super::{Entry, Run, support};

pub(super) const MAGICS: &[Entry] = &[
    Entry {
        magic: Magic {
            names: &["%timeit"],
            usage: "EXPRESSION",
            summary: "run an expression many times; mean and spread of its time",
            argument: Argument::Statement(Timing::Repeated),
            changes_programs: false,
            is_listed: true,
            evcxr: None,
        },
        prepare: None,
        run: Run::Now(|_| Err(support::wants_statement("timeit"))),
    },
    Entry {
        magic: Magic {
            names: &["%%timeit"],
            usage: "",
            summary: "the same for each piece of Rust in the cell",
            argument: Argument::Statement(Timing::Repeated),
            changes_programs: true,
            is_listed: true,
            evcxr: None,
        },
        prepare: None,
        run: Run::Cell(|_| ()),
    },
];
