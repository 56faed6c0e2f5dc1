//! `:dep`: crates for the cells that follow.

use std::{path::PathBuf, sync::Arc, time::Instant};

use patchbay_protocol::{Command, LineMap, MimeBundle};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    EngineSession,
    builder::Job,
    parsed::parse_chunk,
    say::{describe_seconds, print_note},
};
use patchbay_contract::{CellError, SessionEvent, StreamName};
use patchbay_engine::{
    Engine,
    directive::Timing,
    plan::{ENTRY, Level},
    program::Source,
};
use patchbay_toolchain::dependency::{Bundle, InUse, Progress, Request, merged};

impl EngineSession {
    /// Makes crates usable by the cells that follow.
    pub(crate) async fn add_dependency(
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
        // Paths are relative to where the cells are, which `%cd` changes.
        let folder = self.folder();
        let new = Request::parse(argument, &folder).map_err(failed)?;
        let requests = merged(&self.crates.requests, &new);
        let shared = self.shared.clone();
        let interrupted = shared.interrupted.notified();
        tokio::pin!(interrupted);
        interrupted.as_mut().enable();
        if shared.is_interrupted() {
            return Err(given_up());
        }
        self.workplace.restore().map_err(failed)?;
        let names: Vec<&str> = new.iter().map(|request| request.name.as_str()).collect();
        let title = names.join(", ");
        let mut bar = Bar::new(&title, events);
        let before = self.builder.compiler.bundle.clone();
        let bundle = tokio::select! {
            bundle = self.config.dependencies.provide(
                &before,
                &self.crates.requests,
                &new,
                &self.crates.in_use,
                &self.crates.settings,
                |progress| bar.show(&progress),
            ) => bundle,
            () = interrupted => {
                bar.end("given up");
                return Err(given_up());
            }
        };
        let bundle = bundle.map_err(|error| {
            bar.end("failed");
            failed(error)
        })?;
        bar.end("built");
        for request in &new {
            let answer = bundle.answer(&request.name).unwrap_or(&request.name);
            let _ = events.send(SessionEvent::Stream {
                name: StreamName::Stdout,
                text: format!("{answer}\n"),
            });
        }
        self.drop_variables_of_replaced(&before, &bundle, events)
            .await?;
        self.kept
            .bundles
            .insert(Request::key(&requests), bundle.clone());
        let mut compiler = self.builder.compiler.clone();
        compiler.bundle = bundle;
        self.use_compiler(compiler);
        self.shared.completer.crates_change(&requests);
        self.crates.requests = requests;
        Ok(())
    }

    /// Drops the variables whose types are of a crate that is another one now.
    async fn drop_variables_of_replaced(
        &mut self,
        before: &Bundle,
        after: &Bundle,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let replaced = before.externs.iter().filter(|(name, file)| {
            let now = after.externs.iter().find(|(known, _)| known == name);
            now.is_some_and(|(_, now)| now != file)
        });
        let mut gone = Vec::new();
        for (name, _) in replaced {
            let of_crate = self
                .engine
                .variables
                .iter()
                .filter(|(_, variable)| variable.type_names.contains(name))
                .map(|(variable, _)| variable.clone());
            gone.extend(of_crate.map(|variable| (variable, name.clone())));
        }
        for (variable, name) in &gone {
            let why = format!("the crate `{name}` of its type was loaded again, as it is now");
            print_note(
                events,
                &format!("note: `{variable}` was dropped, because {why}\n"),
            );
            self.engine.lose(variable, why);
        }
        if !gone.is_empty() {
            let names = gone.into_iter().map(|(variable, _)| variable).collect();
            self.command(|id| Command::DropVariables { id, names }, events)
                .await?;
        }
        Ok(())
    }

    /// Sees to it that a chunk that is about to run finds what its crates need, and notes that they are in use.
    pub(crate) async fn prepare_crates(
        &mut self,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let Some(library) = self.compile_executor().await? else {
            return Ok(());
        };
        let outcome = self
            .command(
                |id| Command::Run {
                    id,
                    library,
                    symbol: ENTRY.to_owned(),
                    // Nothing in it can panic at a place of the user's.
                    line_map: LineMap::default(),
                },
                events,
            )
            .await?;
        match &outcome.failure {
            Some(failure) => Err(CellError::plain(
                "DependencyError",
                format!("tokio's runtime does not start: {}", failure.message),
            )),
            None => Ok(()),
        }
    }

    /// Notes that crates are in use, and compiles the program that hands tokio's runtime to the SDK; `None` where
    /// there is no tokio or its runtime is there.
    pub(crate) async fn compile_executor(&mut self) -> Result<Option<PathBuf>, CellError> {
        let bundle = &self.builder.compiler.bundle;
        if self.crates.in_use.bundle != *bundle {
            self.crates.in_use = InUse {
                bundle: bundle.clone(),
                requests: self.crates.requests.clone(),
            };
        }
        let Some(tokio) = bundle.newest("tokio") else {
            return Ok(None);
        };
        if self.crates.executor.as_ref() == Some(&tokio.file) || !tokio.features.contains("rt") {
            return Ok(None);
        }
        let file = tokio.file.clone();
        let text = if tokio.features.contains("rt-multi-thread") {
            MANY_THREADS
        } else {
            ONE_THREAD
        };
        let mut compiler = self.builder.compiler.clone();
        compiler.bundle.externs.retain(|(name, _)| name != "tokio");
        compiler
            .bundle
            .externs
            .push(("tokio".to_owned(), file.clone()));
        let failed = |why: &str| {
            CellError::plain(
                "DependencyError",
                format!("tokio's runtime cannot be used: {why}"),
            )
        };
        let chunk = parse_chunk(text, false, &Engine::default())
            .map_err(|error| failed(&error.to_string()))?;
        let job = Arc::new(Job {
            engine: Arc::new(Engine::default()),
            chunk: Arc::new(chunk),
            source: Source {
                text: text.into(),
                cell: 0,
                first_line: 0,
            },
            level: Level::Fixed(0),
            timing: Timing::No,
        });
        let builder = Arc::new(self.builder.with_compiler(compiler));
        let compiled = builder
            .build(&job)
            .await
            .map_err(|_| failed("the program that starts it does not compile"))?;
        self.crates.executor = Some(file);
        Ok(Some(compiled.library))
    }

    /// Compiles with another compiler from here on.
    pub(crate) fn use_compiler(&mut self, compiler: patchbay_engine::compile::Compiler) {
        self.ahead = None;
        self.builder.abandon_all();
        self.builder = Arc::new(self.builder.with_compiler(compiler));
    }
}

/// Hands a runtime with threads of its own to the SDK. It stays entered on the thread of the cells, so that
/// `tokio::spawn` works without `.await`, too.
const MANY_THREADS: &str = "{
    let runtime = ::tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let runtime: &'static ::tokio::runtime::Runtime = ::std::boxed::Box::leak(::std::boxed::Box::new(runtime));
    ::std::mem::forget(runtime.enter());
    ::patchbay::executor::set_executor(::std::boxed::Box::new(move |future| runtime.block_on(future)));
}";

/// The same where tokio was built without such runtimes: one thread drives it, also between cells.
const ONE_THREAD: &str = "{
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let runtime: &'static ::tokio::runtime::Runtime = ::std::boxed::Box::leak(::std::boxed::Box::new(runtime));
    ::std::mem::forget(runtime.enter());
    ::std::thread::Builder::new()
        .name(\"tokio\".to_owned())
        .spawn(move || runtime.block_on(::std::future::pending::<()>()))?;
    let handle = runtime.handle().clone();
    ::patchbay::executor::set_executor(::std::boxed::Box::new(move |future| handle.block_on(future)));
}";

fn given_up() -> CellError {
    CellError::plain(
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
        if *total == 0 {
            self.draw(&format!("{}: {last}", self.name), None);
            return;
        }
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
