//! `%timeit` and `%%timeit`: the mean and spread of many runs.

use patchbay_contract::CellError;
use patchbay_engine::{
    directive::{Part, Timing},
    magic::{Argument, Magic},
};

use super::{Call, Changes, Entry, Run, support};

pub(super) const MAGICS: &[Entry] = &[
    Entry {
        magic: Magic {
            names: &["%timeit"],
            usage: "EXPRESSION",
            summary: "run an expression many times; mean and spread of its time",
            argument: Argument::Statement(Timing::Repeated),
            evcxr: None,
        },
        changes: Changes::Nothing,
        run: Run::Now(|_| Err(support::wants_statement("timeit"))),
    },
    Entry {
        magic: Magic {
            names: &["%%timeit"],
            usage: "",
            summary: "the same for each piece of Rust in the cell",
            argument: Argument::Statement(Timing::Repeated),
            evcxr: None,
        },
        changes: Changes::Programs,
        run: Run::Later(|call| Box::pin(timeit_cell(call))),
    },
];

async fn timeit_cell(call: &mut Call<'_>) -> Result<(), CellError> {
    let parts = std::mem::take(&mut call.parts)
        .into_iter()
        .map(|part| match part {
            Part::Rust {
                text, first_line, ..
            } => Part::Rust {
                text,
                first_line,
                timing: Timing::Repeated,
            },
            directive => directive,
        })
        .collect();
    call.session
        .run_parts(parts, call.events, call.payload)
        .await
}
