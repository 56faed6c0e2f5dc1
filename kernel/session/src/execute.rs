//! Executing a cell.

use std::{sync::Arc, time::Instant};

use patchbay_contract::{
    Answer, CellError, CellReply, CellRequest, Control, Session, SessionEvent, Timings, panics,
};
use patchbay_engine::directive::{self, CellMagic, Part};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    EngineSession, SessionConfig, chunk,
    control::EngineControl,
    magic::{self, Rest},
    say::{print_note, tell_time},
};

impl Session for EngineSession {
    fn control(&self) -> Arc<dyn Control> {
        Arc::new(EngineControl {
            shared: self.shared.clone(),
            magics: self.magics,
        })
    }

    /// Compiles and runs a cell.
    fn execute<'a>(
        &'a mut self,
        request: CellRequest,
        events: &'a mpsc::UnboundedSender<SessionEvent>,
    ) -> Answer<'a, CellReply> {
        Box::pin(self.execute_cell(request, events))
    }

    /// Returns what the runtime says before the first cell, comm messages for instance.
    fn take_early_events(&mut self) -> Option<mpsc::UnboundedReceiver<SessionEvent>> {
        self.early.take()
    }
}

impl EngineSession {
    /// Starts the runtime process. Returns before the runtime is up; the first cell waits for it.
    ///
    /// # Errors
    ///
    /// Fails where the runtime cannot be started or there is no folder for the session's files.
    pub async fn start(config: SessionConfig) -> anyhow::Result<EngineSession> {
        EngineSession::open(config, magic::magics()).await
    }

    /// Compiles and runs a cell, sending what it shows to `events` before it returns. A cell that comes to its end after
    /// an interrupt has failed like one that was stopped, so that what waits does not run.
    async fn execute_cell(
        &mut self,
        request: CellRequest,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> CellReply {
        self.cell = request.execution_count;
        self.timings = Timings {
            cached: true,
            ..Timings::default()
        };
        self.shared.set_running(true);
        self.shared.upcoming.begin(&request.code);
        self.shared.completer.cell_begins();
        let start = Instant::now();
        let executed = panics::caught(self.execute_parts(request, events)).await;
        let mut reply = executed.unwrap_or_else(|what| CellReply {
            error: Some(CellError::plain(panics::NAME, what)),
            ..CellReply::default()
        });
        self.shared.set_running(false);
        if reply.error.is_none() && self.shared.is_interrupted() {
            reply.error = Some(CellError::plain(
                "Interrupted",
                "the cell ended before the interrupt reached it; its variables are there, and cells that waited are \
                 not run",
            ));
        }
        self.shared.completer.cell_ends(&self.engine);
        self.shared.upcoming.end();
        for note in self.workplace.take_notes() {
            print_note(events, &format!("note: {note}\n"));
        }
        if self.tells_time {
            tell_time(events, start.elapsed(), self.timings.programs);
        }
        if reply.error.is_some() {
            // What waits is dropped, or stands on another state than was thought.
            self.ahead = None;
            self.builder.abandon_all();
            self.shared.upcoming.clear();
        }
        reply
    }

    async fn execute_parts(
        &mut self,
        request: CellRequest,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> CellReply {
        if let Err(error) = self.ensure_runtime(events) {
            return CellReply {
                error: Some(error),
                ..CellReply::default()
            };
        }
        self.runtime.set_sink(events.clone());
        if let Some(loading) = self.loading_again.take() {
            // A task that was aborted or panicked has loaded nothing, which its user will see.
            let _ = loading.await;
        }
        self.autoreload.settle(events).await;

        let mut payload = Vec::new();
        let (cell_magic, parts) = directive::split(
            &request.code,
            self.magics,
            &directive::names_of(&self.engine),
        );
        let result = match cell_magic {
            Some(magic) => {
                self.run_magic_and_parts(&magic, parts, &request.code, events, &mut payload)
                    .await
            }
            None => self.run_parts(parts, events, &mut payload).await,
        };
        CellReply {
            error: result.err(),
            timings: self.timings,
            payload,
        }
    }

    /// Runs the magic of a cell, and the cell if that is left.
    async fn run_magic_and_parts(
        &mut self,
        magic: &CellMagic,
        mut parts: Vec<Part>,
        code: &str,
        events: &mpsc::UnboundedSender<SessionEvent>,
        payload: &mut Vec<Value>,
    ) -> Result<(), CellError> {
        let rest = self.run_cell_magic(magic, code, events, payload).await?;
        let Rest::Parts { timing, end } = rest else {
            return Ok(());
        };
        for part in &mut parts {
            if let (Part::Rust { timing, .. }, Some(of_cell)) = (part, timing) {
                *timing = of_cell;
            }
        }
        let result = self.run_parts(parts, events, payload).await;
        self.end_cell_magic(end, events, payload);
        result
    }

    async fn run_parts(
        &mut self,
        parts: Vec<Part>,
        events: &mpsc::UnboundedSender<SessionEvent>,
        payload: &mut Vec<Value>,
    ) -> Result<(), CellError> {
        let last_rust = parts
            .iter()
            .rposition(|part| matches!(part, Part::Rust { .. }));
        for (index, part) in parts.into_iter().enumerate() {
            if self.shared.is_interrupted() {
                return Err(chunk::interrupted_before());
            }
            match part {
                Part::Rust {
                    text,
                    first_line,
                    timing,
                } => {
                    // Only the last expression of a cell is its result.
                    let shows = Some(index) == last_rust;
                    self.run_chunk(text, first_line, timing, shows, events)
                        .await?;
                }
                Part::Directive(directive) => {
                    self.run_directive(&directive, events, payload).await?
                }
            }
        }
        Ok(())
    }
}
