//! Magics of IPython's that have another name or no meaning here: each fails with a line that says what to write.

use patchbay_contract::CellError;

use super::{
    Entry, Run,
    support::{answer, summary_of},
};

pub(super) const MAGICS: &[Entry] = &[
    answer(
        &["%pip", "%conda", "%mamba", "%uv"],
        "a crate is added by :dep NAME = \"VERSION\"; a tool of Python is installed by !python3 -m pip install NAME",
        Run::Now(|_| refuse("%pip")),
    ),
    answer(
        &["%matplotlib", "%pylab", "%config"],
        "plots are shown where they are drawn, there is nothing to set: plot::line(&x).draw()?",
        Run::Now(|_| refuse("%matplotlib")),
    ),
    answer(
        &["%load_ext", "%reload_ext"],
        "components are loaded by %plugin, and again whenever they change after %autoreload on",
        Run::Now(|_| refuse("%load_ext")),
    ),
    answer(
        &["%run"],
        "a file's text is put into the cell by %load FILE; a notebook runs in a terminal: patchbay run NOTEBOOK",
        Run::Now(|_| refuse("%run")),
    ),
    answer(
        &["%pinfo", "%pdoc", "%psource"],
        "what is known about a name is shown by :doc NAME, or NAME?",
        Run::Now(|_| refuse("%pinfo")),
    ),
    answer(
        &["%ls", "%pwd", "%cat", "%mkdir"],
        "a shell's command has ! before it: !ls, !pwd",
        Run::Now(|_| refuse("%ls")),
    ),
];

/// Fails with the answer: what was asked for has not been done.
fn refuse(name: &str) -> Result<(), CellError> {
    Err(CellError::plain(
        "MagicError",
        format!("{name} is IPython's: {}", summary_of(name)),
    ))
}
