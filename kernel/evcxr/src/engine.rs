//! The evcxr engine: an `evcxr::CommandContext` whose outputs and errors are those of a Jupyter kernel.
//!
//! evcxr reports neither a panic nor an error by `?` to its caller, and gathers what a cell shows into
//! one content a type. Both come here as lines of the relay and the SDK, in order.

use std::{
    cell::Cell,
    env,
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, anyhow};
use crossbeam_channel::{Receiver, Select};
use evcxr::{CommandContext, Error, EvalCallbacks, EvalContext, EvalOutputs};
use patchbay_evcxr_protocol::{Completion, Completions, End, Event, StreamName};
use patchbay_protocol::{Failure, LINE_PREFIX, LINES_VARIABLE, MimeBundle, Output};
use serde_json::json;

use crate::{
    lines::{RELAY_PREFIX, Relayed},
    report,
    serve::{Asker, Outbox},
};

/// A session of evcxr.
pub struct Engine {
    context: CommandContext,
    lines: Arc<Lines>,
    asker: Asker,
    interrupted: Arc<AtomicBool>,
}

/// Ends the process that runs cells, from another thread.
#[derive(Clone)]
pub struct Interrupter {
    process: Arc<Mutex<std::process::Child>>,
    interrupted: Arc<AtomicBool>,
}

impl Interrupter {
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // A process that has ended by itself needs no end.
        let _ = process.kill();
    }
}

impl Engine {
    /// Starts evcxr and its process for cells.
    ///
    /// # Errors
    ///
    /// Fails where evcxr finds no cargo or its first program does not run.
    pub fn start(outbox: &Outbox, asker: Asker) -> Result<Engine> {
        let program = env::current_exe().context("the path of the running program is not known")?;
        let mut command = Command::new(program);
        command.env(LINES_VARIABLE, "1");
        let (context, outputs) = EvalContext::with_subprocess_command(command)
            .map_err(|error| anyhow!("evcxr does not start: {error}"))?;
        let lines = Arc::new(Lines {
            stdout: outputs.stdout,
            stderr: outputs.stderr,
            outbox: outbox.clone(),
            state: Mutex::default(),
        });
        let reader = lines.clone();
        thread::spawn(move || while reader.wait_and_pass() {});
        Ok(Engine {
            context: CommandContext::with_eval_context(context),
            lines,
            asker,
            interrupted: Arc::default(),
        })
    }

    pub fn interrupter(&self) -> Interrupter {
        Interrupter {
            process: self.context.process_handle(),
            interrupted: self.interrupted.clone(),
        }
    }

    /// Runs a cell.
    pub fn evaluate(&mut self, code: &str) -> End {
        self.interrupted.store(false, Ordering::SeqCst);
        self.lines.state().failure = None;
        let (lines, asker) = (self.lines.clone(), self.asker.clone());
        let read_input = |_| {
            lines.pass();
            match asker.ask() {
                Some(text) => format!("+{}", text.replace('\n', " ")),
                None => "-".to_owned(),
            }
        };
        let mut callbacks = EvalCallbacks {
            input_reader: &read_input,
        };
        let result = self.context.execute_with_callbacks(code, &mut callbacks);
        self.lines.pass();
        match result {
            Ok(outputs) => {
                self.lines.show(&outputs);
                match self.lines.state().failure.take() {
                    Some(failure) => End::Failed { failure },
                    None => End::Ok,
                }
            }
            Err(Error::CompilationErrors(errors)) => report::compile_error(code, &errors),
            Err(Error::SubprocessTerminated(_)) if self.interrupted.load(Ordering::SeqCst) => {
                End::ProcessEnded {
                    cause: "interrupted".to_owned(),
                }
            }
            Err(Error::SubprocessTerminated(text)) => End::ProcessEnded {
                cause: how_it_ended(&text),
            },
            Err(error) => {
                let message = error.to_string();
                End::CompileError {
                    rendered: message.clone(),
                    message: message.lines().next().unwrap_or_default().to_owned(),
                }
            }
        }
    }

    pub fn complete(&mut self, code: &str, cursor: usize) -> Result<Completions> {
        let found = self.context.completions(code, cursor)?;
        Ok(Completions {
            start: found.start_offset,
            end: found.end_offset,
            items: found
                .completions
                .into_iter()
                .map(|item| Completion {
                    text: item.code,
                    kind: item.kind.to_owned(),
                    signature: String::new(),
                })
                .collect(),
        })
    }

    /// What is known about the name at a place, as Markdown.
    pub fn inspect(&mut self, code: &str, cursor: usize) -> Result<Option<String>> {
        let end = code[cursor..]
            .find(|character: char| character != '_' && !character.is_alphanumeric())
            .map_or(code.len(), |length| cursor + length);
        let (text, _html) = self.context.hover_at(code, end)?;
        Ok((text != "No documentation found").then_some(text))
    }
}

/// evcxr's words about the end of a process, with the signal that the relay's status stands for.
fn how_it_ended(text: &str) -> String {
    let code = text
        .rsplit("exit status: ")
        .next()
        .and_then(|number| number.trim().parse::<i32>().ok());
    match code {
        Some(code) if code > 128 => format!("signal {} ended it", code - 128),
        Some(code) => format!("it exited with status {code}"),
        None => text.trim().to_owned(),
    }
}

/// The lines that the process for cells prints, passed on in order by whoever comes first: the reader's
/// thread while a cell runs, the engine's at its end.
struct Lines {
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    outbox: Outbox,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What ended the running cell.
    failure: Option<Failure>,
}

impl Lines {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and passes them on. Returns whether more can come.
    fn wait_and_pass(&self) -> bool {
        let mut select = Select::new();
        select.recv(&self.stdout);
        select.recv(&self.stderr);
        select.ready();
        self.pass()
    }

    /// Passes on what is there. Returns whether more can come.
    fn pass(&self) -> bool {
        let mut state = self.state();
        let open = Cell::new(true);
        let next = |receiver: &Receiver<String>| match receiver.try_recv() {
            Ok(line) => Some(line),
            Err(crossbeam_channel::TryRecvError::Empty) => None,
            Err(crossbeam_channel::TryRecvError::Disconnected) => {
                open.set(false);
                None
            }
        };
        while let Some(line) = next(&self.stdout) {
            self.handle(&line, &mut state);
        }
        while let Some(line) = next(&self.stderr) {
            self.stream(StreamName::Stderr, line + "\n");
        }
        open.get()
    }

    fn handle(&self, line: &str, state: &mut State) {
        let relayed = line.strip_prefix(RELAY_PREFIX);
        if let Some(relayed) = relayed.and_then(|text| serde_json::from_str(text).ok()) {
            match relayed {
                Relayed::Stream { stderr, text } => {
                    let name = if stderr {
                        StreamName::Stderr
                    } else {
                        StreamName::Stdout
                    };
                    self.stream(name, text);
                }
                Relayed::Failed { failure } => state.failure = Some(failure),
                Relayed::Panic { .. } => {}
            }
            return;
        }
        let event = line.strip_prefix(LINE_PREFIX);
        match event.and_then(|text| serde_json::from_str(text).ok()) {
            Some(patchbay_protocol::Event::Output { output, .. }) => {
                self.outbox.send(&Event::Output { output });
            }
            Some(patchbay_protocol::Event::InputRequest { prompt, password }) => {
                self.outbox.send(&Event::InputRequest { prompt, password });
            }
            Some(patchbay_protocol::Event::Comm(message)) => {
                self.outbox.send(&Event::Comm { message });
            }
            Some(_) => {}
            None => self.stream(StreamName::Stdout, format!("{line}\n")),
        }
    }

    fn stream(&self, name: StreamName, text: String) {
        self.outbox.send(&Event::Stream { name, text });
    }

    /// Shows what evcxr has gathered for the end of a cell.
    fn show(&self, outputs: &EvalOutputs) {
        if outputs.is_empty() {
            return;
        }
        let mut bundle = MimeBundle::default();
        for (mime, content) in &outputs.content_by_mime_type {
            let content = content.strip_suffix('\n').unwrap_or(content);
            bundle.data.insert(mime.clone(), json!(content));
        }
        // Front ends without HTML show at least what sort of thing it is.
        if !bundle.data.contains_key("text/plain") {
            let mime = bundle.data.keys().next().cloned().unwrap_or_default();
            bundle
                .data
                .insert("text/plain".to_owned(), json!(format!("({mime})")));
        }
        self.outbox.send(&Event::Output {
            output: Output::Result { bundle },
        });
        if let Some(duration) = outputs.timing {
            self.stream(
                StreamName::Stdout,
                format!("Took {} ms\n", duration.as_millis()),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_process_is_told_by_status_or_signal() {
        let end =
            |status: &str| how_it_ended(&format!("Subprocess terminated with status: {status}"));
        assert_eq!(end("exit status: 3"), "it exited with status 3");
        assert_eq!(end("exit status: 134"), "signal 6 ended it");
    }
}
