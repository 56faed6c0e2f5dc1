//! evcxr's commands that are not magics of Patchbay's own: each is done, or answered by one line that says what
//! Patchbay does instead.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    CellError, Session, SessionEvent, build::BuildError, error, included::Included, magic::print,
};
use crate::engine::{compile::CompileError, diagnostics::Diagnostic, directive::Directive};

/// Commands that need not do anything here.
const INSTEAD: [(&str, &str); 12] = [
    (
        "preserve_vars_on_panic",
        "variables always survive a panic, an error and an interrupt",
    ),
    (
        "sccache",
        "crates are built once and kept for all notebooks; sccache is not used",
    ),
    (
        "linker",
        "cells are linked by the toolchain's own linker without a C compiler around it, where that works; there is nothing to set",
    ),
    (
        "codegen_backend",
        "cells are compiled by LLVM, as the SDK is; %opt says how hard they are optimised",
    ),
    (
        "toolchain",
        "cells are compiled by the toolchain that built the SDK, because a dynamic library fits no other; %version shows it",
    ),
    (
        "allow_static_linking",
        "crates are always linked dynamically, so that a process has each of them once",
    ),
    (
        "fmt",
        "a value is shown as a picture or a table where it has one, else by Debug; print another form with println!",
    ),
    (
        "efmt",
        "an error of `?` is shown by Display, with the errors behind it and the line of the cell",
    ),
    (
        "types",
        "a result is shown without its type; :type NAME shows a variable's, %who those of all",
    ),
    (
        "time_passes",
        ":timing tells how long cells take, %%time how much of it was compiling",
    ),
    (
        "internal_debug",
        "there is nothing to switch on; the kernel's log is its stderr",
    ),
    (
        "load_config",
        "there is no startup file, so that a notebook runs the same everywhere; put what it needs into its first cell",
    ),
];

/// Commands that do something.
const DONE: [&str; 10] = [
    "offline",
    "build_env",
    "show_deps",
    "explain",
    "last_error_json",
    "last_compile_dir",
    "restart",
    "quit",
    "clear_cache",
    "cache",
];

/// Whether there is such a command.
pub(super) fn exists(name: &str) -> bool {
    DONE.contains(&name) || INSTEAD.iter().any(|(known, _)| *known == name)
}

/// The names of the commands that only say what is done instead, for the help.
pub(super) fn answered() -> impl Iterator<Item = &'static str> {
    INSTEAD.iter().map(|(name, _)| *name)
}

/// What the commands ask about later.
#[derive(Default)]
pub(super) struct EvcxrState {
    /// The errors of the last cell that did not compile.
    last_errors: Mutex<Vec<Diagnostic>>,
    pub(super) included: Included,
}

impl EvcxrState {
    /// Remembers why a cell did not compile.
    pub(super) fn note_errors(&self, errors: &[&Diagnostic]) {
        *self
            .last_errors
            .lock()
            .unwrap_or_else(PoisonError::into_inner) =
            errors.iter().map(|error| (*error).clone()).collect();
    }

    fn last_errors(&self) -> Result<Vec<Diagnostic>, CellError> {
        let errors = self
            .last_errors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if errors.is_empty() {
            return Err(error::plain(
                "MagicError",
                "no cell has failed to compile yet, so there is nothing to explain",
            ));
        }
        Ok(errors)
    }
}

type Events = mpsc::UnboundedSender<SessionEvent>;

impl Session {
    /// Runs one of evcxr's commands, which exists.
    pub(super) async fn run_evcxr_command(
        &mut self,
        directive: &Directive,
        events: &Events,
        payload: &mut Vec<Value>,
    ) -> Result<(), CellError> {
        let argument = directive.argument.as_str();
        if let Some((name, instead)) = INSTEAD.iter().find(|(known, _)| *known == directive.name) {
            print(events, &format!(":{name}: {instead}\n"));
            return Ok(());
        }
        match directive.name.as_str() {
            "offline" => {
                let offline = switch(":offline", argument, self.crates.settings.offline)?;
                self.crates.settings.offline = offline;
                let state = if offline {
                    "on: cargo uses what has been downloaded"
                } else {
                    "off"
                };
                print(events, &format!("offline: {state}\n"));
            }
            "build_env" => self.set_build_environment(argument, events)?,
            "show_deps" => {
                let lines = self.crates.requests.iter().map(|request| {
                    let answer = self.builder.compiler.bundle.answer(&request.name);
                    format!(
                        ":dep {}  // {}\n",
                        request.text,
                        answer.unwrap_or(&request.name)
                    )
                });
                let text: String = lines.collect();
                let none = "no crates were asked for; :dep NAME brings one\n";
                print(events, if text.is_empty() { none } else { &text });
            }
            "explain" => {
                let text = self.explain().await?;
                print(events, &text);
            }
            "last_error_json" => {
                for diagnostic in self.evcxr.last_errors()? {
                    let text = serde_json::to_string(&diagnostic)
                        .map_err(|error| error::plain("MagicError", error.to_string()))?;
                    print(events, &format!("{text}\n"));
                }
            }
            "last_compile_dir" => {
                print(events, &format!("{}\n", self.builder.scratch().display()));
            }
            "restart" => {
                self.shared.runtime().kill();
                self.replace_runtime("restarted by :restart", events)?;
                print(
                    events,
                    "the process of the cells was started anew: variables are gone, functions, types and crates are there\n",
                );
            }
            "quit" => {
                payload.push(json!({ "source": "ask_exit", "keepkernel": false }));
                print(events, "the front end is asked to end this kernel\n");
            }
            _ => {
                let clears = directive.name == "clear_cache" || argument == "clear";
                let argument = if clears { "clear" } else { argument };
                match argument.parse::<u64>() {
                    Ok(megabytes) => self.bound_cache(megabytes, events),
                    Err(_) => self.cache(argument, events)?,
                }
            }
        }
        Ok(())
    }

    /// `:cache MEGABYTES`; 0 switches the cache off for this session.
    fn bound_cache(&mut self, megabytes: u64, events: &Events) {
        let cache = match megabytes {
            0 => None,
            _ => {
                let cache = self.builder.cache().or(self.config.cache.as_ref());
                cache.map(|cache| cache.bounded(megabytes.saturating_mul(1 << 20)))
            }
        };
        let text = match &cache {
            None => "cache: off for this session; what is in it stays\n".to_owned(),
            Some(cache) => {
                cache.evict();
                format!("cache: at most {} MiB\n", cache.most_bytes() >> 20)
            }
        };
        print(events, &text);
        self.ahead = None;
        self.builder.abandon_all();
        self.builder = Arc::new(self.builder.with_cache(cache));
    }

    fn set_build_environment(&mut self, argument: &str, events: &Events) -> Result<(), CellError> {
        let Some((name, value)) = argument
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()))
            .filter(|(name, _)| !name.is_empty())
        else {
            return Err(error::plain(
                "MagicError",
                format!(":build_env takes NAME=VALUE, not `{argument}`"),
            ));
        };
        let pair = (name.to_owned(), value.to_owned());
        let settings = &mut self.crates.settings;
        settings.environment.retain(|(known, _)| known != name);
        settings.environment.push(pair);
        let mut compiler = self.builder.compiler.clone();
        compiler.environment.clone_from(&settings.environment);
        self.use_compiler(compiler);
        print(
            events,
            &format!("{name}={value} when cells and crates are compiled\n"),
        );
        Ok(())
    }

    /// rustc's explanations of the last errors.
    async fn explain(&self) -> Result<String, CellError> {
        let mut codes: Vec<String> = Vec::new();
        let errors = self.evcxr.last_errors()?;
        for code in errors.iter().filter_map(|error| error.code.as_ref()) {
            if !codes.contains(&code.code) {
                codes.push(code.code.clone());
            }
        }
        let mut text = String::new();
        for code in &codes {
            let output = tokio::process::Command::new(&self.builder.compiler.rustc)
                .args(["--explain", code])
                .output()
                .await
                .map_err(|error| {
                    self.no_compiler(&BuildError::NoCompiler(CompileError::NotStarted(error)))
                })?;
            text.push_str(&String::from_utf8_lossy(&output.stdout));
        }
        if text.is_empty() {
            let message = errors.first().map_or("", |error| &error.message);
            text = format!("rustc has no explanation for: {message}\n");
        }
        Ok(text)
    }
}

/// Reads `0`, `1`, `on` or `off`; nothing turns the switch over.
fn switch(command: &str, argument: &str, before: bool) -> Result<bool, CellError> {
    match argument {
        "" => Ok(!before),
        "1" | "on" | "true" => Ok(true),
        "0" | "off" | "false" => Ok(false),
        other => Err(error::plain(
            "MagicError",
            format!("{command} takes 0 or 1, not `{other}`"),
        )),
    }
}
