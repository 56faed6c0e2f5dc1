//! The magics: `%who`, `%time`, `!ls` and their like. A magic is a file here and its name in the list below.
//!
//! The table of all of them is what execution, help, completion, the reader of cells, `patchbay build` and the evcxr engine go
//! by. A magic says whether later programs depend on it, so that a build neither runs what it need not nor passes over what it
//! must.

mod support;

use std::sync::LazyLock;

use patchbay_contract::{Answer, CellError, SessionEvent};
use patchbay_engine::{
    directive::{CellMagic, Directive, Timing},
    magic::{Argument, Magic, Magics},
};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    EngineSession,
    say::{describe_seconds, print},
};

/// Declares the modules of the magics and the table of what they export.
macro_rules! magics {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// All magics, in the order of the help.
        const TABLE: &[&[Entry]] = &[$($name::MAGICS),*];
    };
}

magics! {
    who,
    time,
    timeit,
    opt,
    env,
    cd,
    shell,
    load,
    script,
    writefile,
    markup,
    reset,
    cache,
    items,
    type_of,
    doc,
    timing,
    completion,
    version,
    plugin,
    autoreload,
    plugins,
    dep,
    show_deps,
    offline,
    build_env,
    explain,
    restart,
    last_compile_dir,
    quit,
    help,
    instead,
    python,
}

type Events = mpsc::UnboundedSender<SessionEvent>;

/// A magic and what it does.
pub(crate) struct Entry {
    magic: Magic,
    /// What `patchbay build` does in place of running it, of a magic that changes programs.
    prepare: Option<Run>,
    run: Run,
}

/// A function of a magic.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    Now(fn(&mut Call<'_>) -> Result<(), CellError>),
    Later(for<'a, 's> fn(&'a mut Call<'s>) -> Answer<'a, Result<(), CellError>>),
    /// Runs the cell behind a `%%name` as it stands, in the timing of its argument, and then this.
    Cell(fn(&mut Call<'_>)),
}

/// A call of a magic.
pub(crate) struct Call<'s> {
    session: &'s mut EngineSession,
    argument: &'s str,
    /// The text of the cell behind a `%%name`.
    body: &'s str,
    events: &'s Events,
    payload: &'s mut Vec<Value>,
}

impl Run {
    async fn call(self, call: &mut Call<'_>) -> Result<(), CellError> {
        match self {
            Run::Now(run) => run(call),
            Run::Later(run) => run(call).await,
            Run::Cell(_) => Ok(()),
        }
    }
}

/// What is left to do of a cell behind a `%%name`.
pub(crate) enum Rest {
    Nothing,
    /// Its parts are to be run, in this timing if there is one; then [`EngineSession::end_cell_magic`].
    Parts {
        timing: Option<Timing>,
        end: fn(&mut Call<'_>),
    },
}

/// Returns the magics, for whoever reads or completes cells.
pub const fn magics() -> Magics {
    static ALL: LazyLock<Vec<&'static Magic>> =
        LazyLock::new(|| entries().map(|entry| &entry.magic).collect());
    Magics(|| &ALL)
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().copied().flatten()
}

fn of_line(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.magic.is_of_line(name))
}

fn of_cell(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.magic.is_of_cell(name))
}

/// Returns how the Rust behind this `%%name` is timed; `None` where that is as without.
pub(crate) fn timing_of_cell(magic: &CellMagic) -> Option<Timing> {
    match of_cell(&magic.name)?.magic.argument {
        Argument::Statement(timing) => Some(timing),
        Argument::Words | Argument::Manifest | Argument::Text => None,
    }
}

impl EngineSession {
    /// Runs the magic of a cell that begins with `%%name`.
    pub(crate) async fn run_cell_magic(
        &mut self,
        magic: &CellMagic,
        code: &str,
        events: &Events,
        payload: &mut Vec<Value>,
    ) -> Result<Rest, CellError> {
        let entry = of_cell(&magic.name).ok_or_else(|| unknown("%%", &magic.name))?;
        if let Run::Cell(end) = entry.run {
            let timing = timing_of_cell(magic);
            return Ok(Rest::Parts { timing, end });
        }
        let mut call = Call::new(self, &magic.argument, code, events, payload);
        entry.run.call(&mut call).await?;
        Ok(Rest::Nothing)
    }

    /// Does what a magic does once its cell has run.
    pub(crate) fn end_cell_magic(
        &mut self,
        end: fn(&mut Call<'_>),
        events: &Events,
        payload: &mut Vec<Value>,
    ) {
        end(&mut Call::new(self, "", "", events, payload));
    }

    /// Does for `patchbay build` what a `%%name` does in place of compiling its cell. Returns whether there is nothing more
    /// to do.
    pub(crate) async fn prepare_cell_magic(
        &mut self,
        magic: &CellMagic,
        code: &str,
        events: &Events,
    ) -> Result<bool, CellError> {
        let entry = of_cell(&magic.name).ok_or_else(|| unknown("%%", &magic.name))?;
        let Some(run) = entry.prepare else {
            return Ok(false);
        };
        let mut payload = Vec::new();
        let mut call = Call::new(self, &magic.argument, code, events, &mut payload);
        run.call(&mut call).await?;
        Ok(true)
    }

    /// Runs one line that is not Rust.
    pub(crate) async fn run_directive(
        &mut self,
        directive: &Directive,
        events: &Events,
        payload: &mut Vec<Value>,
    ) -> Result<(), CellError> {
        let entry = of_line(&directive.name).ok_or_else(|| unknown("%", &directive.name))?;
        self.call_line(entry.run, directive, events, payload).await
    }

    /// Does for `patchbay build` what a line changes of later programs.
    pub(crate) async fn prepare_directive(
        &mut self,
        directive: &Directive,
        events: &Events,
    ) -> Result<(), CellError> {
        let entry = of_line(&directive.name).ok_or_else(|| unknown("%", &directive.name))?;
        if !entry.magic.changes_programs {
            return Ok(());
        }
        let run = entry.prepare.unwrap_or(entry.run);
        self.call_line(run, directive, events, &mut Vec::new())
            .await
    }

    async fn call_line(
        &mut self,
        run: Run,
        directive: &Directive,
        events: &Events,
        payload: &mut Vec<Value>,
    ) -> Result<(), CellError> {
        let mut call = Call::new(self, &directive.argument, "", events, payload);
        run.call(&mut call).await
    }
}

impl<'s> Call<'s> {
    /// Returns the call of a magic. `code` is the cell whose first line has a `%%name`, and empty for a line's magic.
    fn new(
        session: &'s mut EngineSession,
        argument: &'s str,
        code: &'s str,
        events: &'s Events,
        payload: &'s mut Vec<Value>,
    ) -> Call<'s> {
        Call {
            session,
            argument,
            body: code.split_once('\n').map_or("", |(_, body)| body),
            events,
            payload,
        }
    }

    fn print(&self, text: &str) {
        print(self.events, text);
    }
}

fn unknown(sign: &str, name: &str) -> CellError {
    CellError::plain(
        "MagicError",
        format!("there is no magic `{sign}{name}`; %help lists those there are"),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_name_is_one_magic() {
        let mut known = BTreeMap::new();
        for (index, entry) in entries().enumerate() {
            let magic = &entry.magic;
            assert!(!magic.summary.is_empty(), "{magic:?}");
            for name in magic.names {
                let bare = name.trim_start_matches(['%', ':']);
                let is_of_cell = name.starts_with("%%");
                // `%opt` and `:opt` are the same.
                let other = known.insert((is_of_cell, bare), index);
                assert!(
                    other.is_none_or(|other| other == index),
                    "{name} is two magics"
                );
                let is_found = match is_of_cell {
                    true => magic.is_of_cell(bare),
                    false => magic.is_of_line(bare),
                };
                assert!(is_found, "{name}");
            }
        }
        for name in ["who", "vars", "t", "timeit", "!", "sccache", "dep"] {
            assert!(of_line(name).is_some(), "{name}");
        }
        for name in ["time", "timeit", "plugin"] {
            assert!(of_cell(name).is_some(), "{name}");
        }
    }
}
