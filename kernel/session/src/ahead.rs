//! Compiling queued cells while an earlier one runs.
//!
//! The types of a cell's variables are known once it has compiled, so the next cell can be compiled
//! before it has run. What is compiled ahead goes where every compiled cell goes; a cell that turns
//! out differently, because the one before it failed, say, is a miss and is compiled as usual.
//!
//! One task looks at each waiting cell once. It goes on as long as cells turn out to be what it took them for
//! ([`Ahead::foresaw`]), so that a queue of any length is read once, not once a cell.

use parking_lot::{Mutex, MutexGuard};
use std::{collections::VecDeque, sync::Arc};

use tokio::task::AbortHandle;

use crate::{
    builder::{Builder, Job},
    defined::after_success,
    parsed::parse_chunk,
    upcoming::{Position, Upcoming},
};
use patchbay_engine::{
    Engine,
    directive::{self, Part, Timing},
    magic::Magics,
    plan::Level,
    program::Source,
};

/// A compile ahead that ends when this is dropped. Compiles that are under way go on.
pub struct Ahead {
    task: AbortHandle,
    foreseen: Foreseen,
}

/// What was compiled ahead, in order: the number of each cell, and the key of its last program.
type Foreseen = Arc<Mutex<VecDeque<(u32, String)>>>;

impl Drop for Ahead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock_foreseen(foreseen: &Foreseen) -> MutexGuard<'_, VecDeque<(u32, String)>> {
    foreseen.lock()
}

impl Ahead {
    /// Compiles the upcoming cells, one after the other, from the state that the running cell will
    /// leave if it succeeds.
    pub fn start(
        builder: Arc<Builder>,
        upcoming: Arc<Upcoming>,
        engine: Engine,
        magics: Magics,
        level: Level,
        cell: u32,
    ) -> Ahead {
        let foreseen = Foreseen::default();
        let noted = foreseen.clone();
        // The cell that runs has gone from the front by now; those behind it may go before the task begins.
        let first = upcoming.lock().gone;
        let task = tokio::spawn(async move {
            let mut engine = engine;
            for position in first.. {
                let code = loop {
                    let arrived = upcoming.arrived.notified();
                    match upcoming.at(position) {
                        Position::Cell(code) => break code,
                        Position::NotYet => arrived.await,
                        Position::Gone => return,
                    }
                };
                let number =
                    cell.saturating_add(u32::try_from(position - first + 1).unwrap_or(u32::MAX));
                let Some(key) = compile(&builder, &code, &mut engine, magics, level, number).await
                else {
                    return;
                };
                lock_foreseen(&noted).push_back((number, key));
                // Cells that are found compiled give no other pause, in which this could be given up.
                tokio::task::yield_now().await;
            }
        });
        Ahead {
            task: task.abort_handle(),
            foreseen,
        }
    }

    /// Whether a cell that runs now is what it was taken for, so that what comes after it stands on the state that was
    /// foreseen, and need not be looked at again.
    pub fn foresaw(&self, cell: u32, key: &str) -> bool {
        let mut foreseen = lock_foreseen(&self.foreseen);
        while let Some((number, known)) = foreseen.pop_front() {
            if number == cell {
                // Where it has come to its end and all that it saw has run, there may be more to see.
                return known == key && !(foreseen.is_empty() && self.task.is_finished());
            }
        }
        false
    }
}

/// Compiles one cell, and returns the key of its last program; `None` where what comes after it cannot be known.
async fn compile(
    builder: &Arc<Builder>,
    code: &str,
    engine: &mut Engine,
    magics: Magics,
    level: Level,
    cell: u32,
) -> Option<String> {
    let mut key = String::new();
    let (magic, parts) = directive::split(code, magics, &directive::names_of(engine));
    if magic.is_some_and(|magic| {
        magics
            .of_cell(&magic.name)
            .is_none_or(|magic| magic.changes_programs)
    }) {
        return None;
    }
    let last = parts
        .iter()
        .rposition(|part| matches!(part, Part::Rust { .. }));
    for (index, part) in parts.into_iter().enumerate() {
        match part {
            Part::Rust {
                text,
                first_line,
                timing,
            } => {
                let shows = Some(index) == last;
                let chunk = parse_chunk(&text, shows, engine).ok()?;
                if chunk.refused.is_some() {
                    return None;
                }
                let source = Source {
                    text,
                    cell,
                    first_line,
                };
                let job = Arc::new(Job {
                    engine: Arc::new(engine.clone()),
                    chunk: Arc::new(chunk),
                    source,
                    level,
                    timing,
                });
                let compiled = builder.build(&job).await.ok()?;
                key.clone_from(&compiled.key);
                if timing != Timing::Repeated {
                    after_success(engine, &job, &compiled);
                }
            }
            // These change what later programs are made of.
            Part::Directive(directive)
                if magics
                    .of_line(&directive.name)
                    .is_none_or(|magic| magic.changes_programs) =>
            {
                return None;
            }
            Part::Directive(_) => {}
        }
    }
    Some(key)
}
