//! Magics of IPython's that have another name or no meaning here: each fails with a line that says what to write.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[
    answer(
        &["%pip", "%conda", "%mamba", "%uv"],
        "a crate is added by :dep NAME = \"VERSION\"; a tool of Python is installed by !python3 -m pip install NAME",
        Run::Now(|call| refuse(call, 0)),
    ),
    answer(
        &["%matplotlib", "%pylab", "%config"],
        "plots are shown where they are drawn, there is nothing to set: plot::line(&x).draw()?",
        Run::Now(|call| refuse(call, 1)),
    ),
    answer(
        &["%load_ext", "%reload_ext"],
        "components are loaded by %plugin, and again whenever they change after %autoreload on",
        Run::Now(|call| refuse(call, 2)),
    ),
    answer(
        &["%run"],
        "a file's text is put into the cell by %load FILE; a notebook runs in a terminal: patchbay run NOTEBOOK",
        Run::Now(|call| refuse(call, 3)),
    ),
    answer(
        &["%pinfo", "%pdoc", "%psource"],
        "what is known about a name is shown by :doc NAME, or NAME?",
        Run::Now(|call| refuse(call, 4)),
    ),
    answer(
        &["%ls", "%pwd", "%cat", "%mkdir"],
        "a shell's command has ! before it: !ls, !pwd",
        Run::Now(|call| refuse(call, 5)),
    ),
];

const fn answer(names: &'static [&'static str], summary: &'static str, run: Run) -> Entry {
    Entry {
        magic: Magic {
            names,
            usage: "",
            summary,
            argument: Argument::Words,
            changes_programs: false,
            is_listed: false,
            evcxr: None,
        },
        prepare: None,
        run,
    }
}

/// Fails with the answer at a place of the list: what was asked for has not been done.
fn refuse(_: &mut Call<'_>, index: usize) -> Result<(), CellError> {
    let answer = MAGICS.get(index).map(|entry| &entry.magic);
    let (name, summary) = answer.map_or(("", ""), |magic| (magic.names[0], magic.summary));
    Err(CellError::plain(
        "MagicError",
        format!("{name} is IPython's: {summary}"),
    ))
}
