//! `:dep`: crates for the cells that follow.

use std::{sync::Arc, time::Instant};

use patchbay_protocol::MimeBundle;
use serde_json::json;
use tokio::sync::mpsc;

use super::{CellError, Session, SessionEvent, StreamName, error, magic::describe_seconds};
use crate::dependency::{Progress, Request};

impl Session {
    /// Makes a crate usable by the cells that follow.
    pub(super) async fn add_dependency(
        &mut self,
        argument: &str,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let failed = |error: anyhow::Error| {
            let text = format!("{error:#}");
            CellError {
                name: "DependencyError".to_owned(),
                value: text.lines().next().unwrap_or_default().to_owned(),
                traceback: text.lines().map(str::to_owned).collect(),
            }
        };
        let request = Request::parse(argument, &self.config.working_directory).map_err(failed)?;
        let mut requests = self.requests.clone();
        requests.retain(|known| known.name != request.name);
        requests.push(request.clone());
        let shared = self.shared.clone();
        let interrupted = shared.interrupted.notified();
        tokio::pin!(interrupted);
        interrupted.as_mut().enable();
        if shared.is_interrupted() {
            return Err(given_up());
        }
        self.workplace.restore().map_err(failed)?;
        let mut bar = Bar::new(&request.name, events);
        let bundle = tokio::select! {
            bundle = self.config.dependencies.provide(&requests, |progress| bar.show(&progress)) => bundle,
            () = interrupted => {
                bar.end("given up");
                return Err(given_up());
            }
        };
        let bundle = bundle.map_err(|error| {
            bar.end("failed");
            failed(error)
        })?;
        let answer = bundle
            .answers
            .iter()
            .find(|(name, _)| *name == request.name)
            .map_or_else(|| request.name.clone(), |(_, answer)| answer.clone());
        bar.end("built");
        let _ = events.send(SessionEvent::Stream {
            name: StreamName::Stdout,
            text: format!("{answer}\n"),
        });
        let mut compiler = self.builder.compiler.clone();
        self.kept
            .bundles
            .insert(Request::key(&requests), bundle.clone());
        compiler.bundle = bundle;
        self.ahead = None;
        self.builder.abandon_all();
        self.builder = Arc::new(self.builder.with_compiler(compiler));
        self.shared.completer.crates_change(&requests);
        self.requests = requests;
        Ok(())
    }
}

fn given_up() -> CellError {
    error::plain(
        "Interrupted",
        "the build was interrupted; what was finished of it is kept for the next time",
    )
}

/// A line that says how far a build is. It appears with the first crate that is built.
struct Bar<'a> {
    name: &'a str,
    start: Instant,
    display_id: Option<String>,
    events: &'a mpsc::UnboundedSender<SessionEvent>,
}

impl<'a> Bar<'a> {
    fn new(name: &'a str, events: &'a mpsc::UnboundedSender<SessionEvent>) -> Bar<'a> {
        Bar {
            name,
            start: Instant::now(),
            display_id: None,
            events,
        }
    }

    fn show(&mut self, progress: &Progress) {
        let Progress { last, done, total } = progress;
        let seconds = describe_seconds(self.start.elapsed().as_secs_f64());
        let text = format!("{}: {done} of {total} crates, {last}, {seconds}", self.name);
        let html = format!(
            "<progress max=\"{total}\" value=\"{done}\" style=\"width:16em;vertical-align:middle\"></progress> \
             <code>{text}</code>"
        );
        self.draw(&text, Some(&html));
    }

    /// Replaces the line, if there is one, by what came of it.
    fn end(&mut self, outcome: &str) {
        if self.display_id.is_some() {
            let seconds = describe_seconds(self.start.elapsed().as_secs_f64());
            self.draw(&format!("{}: {outcome} in {seconds}", self.name), None);
        }
    }

    fn draw(&mut self, text: &str, html: Option<&str>) {
        let mut bundle = MimeBundle::default();
        bundle.data.insert("text/plain".to_owned(), json!(text));
        if let Some(html) = html {
            bundle.data.insert("text/html".to_owned(), json!(html));
        }
        let update = self.display_id.is_some();
        let display_id = self
            .display_id
            .get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
        let _ = self.events.send(SessionEvent::Display {
            bundle,
            display_id: Some(display_id.clone()),
            update,
        });
    }
}
