//! Reads requests from stdin and answers on stdout.

use std::{
    fs::File,
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use anyhow::Context;
use patchbay_evcxr_protocol::{Completions, End, Event, Request, line};

use crate::{
    analyzer::Analyzer,
    engine::{Engine, Interrupter},
};

/// Where events go.
#[derive(Clone)]
pub struct Outbox(Arc<Mutex<File>>);

impl Outbox {
    /// Sends an event. Where the host has gone, the process is about to end.
    pub fn send(&self, event: &Event) {
        match line(event) {
            Ok(text) => {
                let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = file.write_all(text.as_bytes());
            }
            Err(error) => eprintln!("patchbay-evcxr: an event could not be written: {error}"),
        }
    }
}

/// Waits for the user's answers.
#[derive(Clone)]
pub struct Asker(Arc<Mutex<Receiver<Option<String>>>>);

impl Asker {
    /// The answer to the input request that was sent; `None` where nobody can be asked.
    pub fn ask(&self) -> Option<String> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.recv().ok().flatten()
    }
}

/// Serves until stdin ends.
pub fn run() -> ExitCode {
    let outbox = match take_stdout() {
        Ok(outbox) => outbox,
        Err(error) => {
            eprintln!("patchbay-evcxr: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let (answers, answered) = mpsc::channel();
    let asker = Asker(Arc::new(Mutex::new(answered)));
    let interrupter: Arc<Mutex<Option<Interrupter>>> = Arc::default();
    let cells = worker({
        let (outbox, interrupter) = (outbox.clone(), interrupter.clone());
        move |requests| run_cells(&requests, &outbox, &asker, &interrupter)
    });
    let questions = worker({
        let outbox = outbox.clone();
        move |requests| answer_questions(&requests, &outbox)
    });
    for text in io::stdin().lock().lines() {
        let Ok(text) = text else { break };
        let request = match serde_json::from_str::<Request>(&text) {
            Ok(request) => request,
            Err(error) => {
                eprintln!("patchbay-evcxr: not a request: {error}: {text}");
                continue;
            }
        };
        // A worker that has gone has told why.
        match request {
            Request::Interrupt => {
                let interrupter = interrupter.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(interrupter) = &*interrupter {
                    interrupter.interrupt();
                }
            }
            Request::InputReply { value } => drop(answers.send(value)),
            Request::Evaluate { .. }
            | Request::CompleteInSession { .. }
            | Request::InspectInSession { .. } => drop(cells.send(request)),
            Request::Open { .. } | Request::Complete { .. } | Request::Inspect { .. } => {
                drop(questions.send(request));
            }
        }
    }
    if let Some(interrupter) = &*interrupter.lock().unwrap_or_else(PoisonError::into_inner) {
        interrupter.interrupt();
    }
    ExitCode::SUCCESS
}

/// Keeps stdout for events; what a library prints goes to stderr from here on.
fn take_stdout() -> anyhow::Result<Outbox> {
    let events = rustix::io::dup(io::stdout()).context("stdout is closed")?;
    rustix::stdio::dup2_stdout(io::stderr()).context("stderr is closed")?;
    Ok(Outbox(Arc::new(Mutex::new(File::from(events)))))
}

fn worker(body: impl FnOnce(Receiver<Request>) + Send + 'static) -> Sender<Request> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || body(receiver));
    sender
}

fn run_cells(
    requests: &Receiver<Request>,
    outbox: &Outbox,
    asker: &Asker,
    interrupter: &Mutex<Option<Interrupter>>,
) {
    let mut engine: Option<Engine> = None;
    while let Ok(request) = requests.recv() {
        if engine.is_none() {
            match Engine::start(outbox, asker.clone()) {
                Ok(started) => {
                    *interrupter.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(started.interrupter());
                    engine = Some(started);
                }
                Err(error) => {
                    refuse(&request, outbox, &format!("{error:#}"));
                    continue;
                }
            }
        }
        let Some(engine) = &mut engine else { continue };
        match request {
            Request::Evaluate { id, code } => {
                let end = engine.evaluate(&code);
                outbox.send(&Event::Evaluated { id, end });
            }
            Request::CompleteInSession { id, code, cursor } => {
                let completions = engine.complete(&code, cursor).unwrap_or(Completions {
                    start: cursor,
                    end: cursor,
                    items: Vec::new(),
                });
                outbox.send(&Event::Completed { id, completions });
            }
            Request::InspectInSession { id, code, cursor } => {
                let markdown = engine.inspect(&code, cursor).unwrap_or_default();
                outbox.send(&Event::Inspected { id, markdown });
            }
            _ => {}
        }
    }
}

/// Answers a request that evcxr cannot, because it does not start.
fn refuse(request: &Request, outbox: &Outbox, message: &str) {
    outbox.send(&match request {
        Request::CompleteInSession { id, cursor, .. } => Event::Completed {
            id: *id,
            completions: Completions {
                start: *cursor,
                end: *cursor,
                items: Vec::new(),
            },
        },
        Request::InspectInSession { id, .. } => Event::Inspected {
            id: *id,
            markdown: None,
        },
        Request::Evaluate { id, .. } => Event::Evaluated {
            id: *id,
            end: End::EngineError {
                message: message.to_owned(),
            },
        },
        _ => return,
    });
}

fn answer_questions(requests: &Receiver<Request>, outbox: &Outbox) {
    let mut analyzer: Option<Analyzer> = None;
    while let Ok(request) = requests.recv() {
        match request {
            Request::Open {
                id,
                package,
                background,
                text,
                cursor,
            } => {
                let problem = match Analyzer::open(&package, background) {
                    Ok(mut opened) => {
                        // The first look is the slow one.
                        let _ = opened.complete(&text, cursor);
                        analyzer = Some(opened);
                        None
                    }
                    Err(error) => Some(format!("{error:#}")),
                };
                outbox.send(&Event::Opened { id, problem });
            }
            Request::Complete { id, text, cursor } => {
                let found = analyzer
                    .as_mut()
                    .and_then(|analyzer| analyzer.complete(&text, cursor).ok());
                let completions = found.unwrap_or(Completions {
                    start: cursor,
                    end: cursor,
                    items: Vec::new(),
                });
                outbox.send(&Event::Completed { id, completions });
            }
            Request::Inspect { id, text, cursor } => {
                let markdown = analyzer
                    .as_mut()
                    .and_then(|analyzer| analyzer.inspect(&text, cursor).ok().flatten());
                outbox.send(&Event::Inspected { id, markdown });
            }
            _ => {}
        }
    }
}
