//! `%time` and `%%time`: how long a statement or a cell takes.

use patchbay_engine::{
    directive::Timing,
    magic::{Argument, Magic},
};

use super::{Call, Entry, Run, describe_seconds, support};

pub(super) const MAGICS: &[Entry] = &[
    Entry {
        magic: Magic {
            names: &["%time"],
            usage: "STATEMENT",
            summary: "run a statement and print how long it took",
            argument: Argument::Statement(Timing::Once),
            changes_programs: false,
            is_listed: true,
            evcxr: Some("time"),
        },
        prepare: None,
        run: Run::Now(|_| Err(support::wants_statement("time"))),
    },
    Entry {
        magic: Magic {
            names: &["%%time"],
            usage: "",
            summary: "the same for the whole cell, with the time to compile it",
            argument: Argument::Words,
            changes_programs: false,
            is_listed: true,
            evcxr: Some("time"),
        },
        prepare: None,
        run: Run::Cell(tell_times),
    },
];

fn tell_times(call: &mut Call<'_>) {
    let seconds = |nanoseconds: u64| describe_seconds(nanoseconds as f64 / 1e9);
    let timings = &call.session.timings;
    let source = if timings.cached {
        ", from the cache"
    } else {
        ""
    };
    call.print(&format!(
        "Wall time: {} (compiled in {}{source})\n",
        seconds(timings.load_nanoseconds + timings.run_nanoseconds),
        seconds(timings.compile_nanoseconds),
    ));
}
