//! The magics: `%who`, `%time`, `!ls` and their like.

use std::{collections::BTreeMap, path::PathBuf};

use patchbay_protocol::{Command, Failure, FailureKind, MimeBundle, readable_bytes};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{CellError, Session, SessionEvent, StreamName, error, evcxr_commands};
use crate::engine::{
    Engine,
    directive::{CellMagic, Directive, Part, Timing},
    history::Variable,
    plan::Level,
};

/// A magic as `%help` lists it.
struct Help {
    usage: &'static str,
    summary: &'static str,
}

const HELP: [Help; 30] = [
    Help {
        usage: "%who, :vars",
        summary: "the variables: name, type, size, the cell that defined each",
    },
    Help {
        usage: "%time STATEMENT",
        summary: "run a statement and print how long it took",
    },
    Help {
        usage: "%%time",
        summary: "the same for the whole cell, with the time to compile it",
    },
    Help {
        usage: "%timeit EXPRESSION",
        summary: "run an expression many times; mean and spread of its time",
    },
    Help {
        usage: "%opt [0|1|2|3|auto], :opt",
        summary: "how hard cells are optimised; auto decides by what a cell does",
    },
    Help {
        usage: "%env [NAME[=VALUE]]",
        summary: "show or set environment variables of the process that runs cells",
    },
    Help {
        usage: "%cd FOLDER",
        summary: "change the working folder, to which a path in :dep is relative; include_str!, mod x; and their like stay \
                  relative to the notebook's folder",
    },
    Help {
        usage: "!COMMAND",
        summary: "run a shell command; a line is Rust instead if it is an expression of known names (!flag && !done), or has a \
                  call, a macro or a path in it (!v.is_empty()); `! name` with a space is always a command",
    },
    Help {
        usage: "%load FILE",
        summary: "put a file's text into the cell; from Rust: set_next_input(text), into a new cell below",
    },
    Help {
        usage: "%reset, :clear",
        summary: "forget all variables and items",
    },
    Help {
        usage: "%cache [clear|MEGABYTES], :cache, :clear_cache",
        summary: "the compiled cells on disk: how many, how large; remove them; how large they may grow, 0 for none in this session",
    },
    Help {
        usage: "%items",
        summary: "the functions, types and imports that later cells can use",
    },
    Help {
        usage: ":type NAME, :t",
        summary: "the type of a variable",
    },
    Help {
        usage: ":doc NAME",
        summary: "what is known about a name: definition, type, documentation",
    },
    Help {
        usage: ":timing",
        summary: "tell after every cell how long it took, or stop telling",
    },
    Help {
        usage: "%completion [on|off]",
        summary: "completion by rust-analyzer, which takes some hundred megabytes; off frees them",
    },
    Help {
        usage: "%version",
        summary: "the versions of Patchbay and of the compiler",
    },
    Help {
        usage: "%%plugin KIND/NAME",
        summary: "make the cell a plugin: compiled optimised, registered, live in all slots that hold it",
    },
    Help {
        usage: "%plugin PATH",
        summary: "build and load the plugin in a folder or a source file",
    },
    Help {
        usage: "%autoreload [on|off]",
        summary: "build and load such plugins again whenever their source is saved",
    },
    Help {
        usage: "%plugins [PATTERN]",
        summary: "the components that there are; describe one with plugin::describe(\"loss/focal\")?",
    },
    Help {
        usage: ":dep NAME = \"VERSION\"",
        summary: "a crate for the cells that follow; also { version, features, path, git } as in Cargo.toml, :dep ../crate for one \
                  in a folder, :dep { a = \"1\", b = \"2\" } for several; what is loaded stays as it is",
    },
    Help {
        usage: ":show_deps",
        summary: "the crates that were asked for",
    },
    Help {
        usage: ":offline [0|1]",
        summary: "let :dep use what has been downloaded only",
    },
    Help {
        usage: ":build_env NAME=VALUE",
        summary: "an environment variable for compiling cells and crates",
    },
    Help {
        usage: ":explain, :last_error_json",
        summary: "rustc's explanation of the last compile error; the error as rustc gave it",
    },
    Help {
        usage: ":restart",
        summary: "start the process of the cells anew: variables go, functions, types and crates stay",
    },
    Help {
        usage: ":last_compile_dir",
        summary: "the folder of this session's compiled cells",
    },
    Help {
        usage: ":quit",
        summary: "ask the front end to end this kernel",
    },
    Help {
        usage: "%help, :help",
        summary: "this list",
    },
];

type Events = mpsc::UnboundedSender<SessionEvent>;

impl Session {
    /// Runs a cell that begins with `%%name`.
    pub(super) async fn run_cell_magic(
        &mut self,
        magic: &CellMagic,
        parts: Vec<Part>,
        code: &str,
        events: &Events,
        payload: &mut Vec<Value>,
    ) -> Result<(), CellError> {
        match magic.name.as_str() {
            "time" => {
                let result = self.run_parts(parts, events, payload).await;
                let seconds = |nanoseconds: u64| describe_seconds(nanoseconds as f64 / 1e9);
                print(
                    events,
                    &format!(
                        "Wall time: {} (compiled in {}{})\n",
                        seconds(self.timings.load_nanoseconds + self.timings.run_nanoseconds),
                        seconds(self.timings.compile_nanoseconds),
                        if self.timings.cached {
                            ", from the cache"
                        } else {
                            ""
                        },
                    ),
                );
                result
            }
            "timeit" => {
                let parts = parts
                    .into_iter()
                    .map(|part| match part {
                        Part::Rust {
                            text, first_line, ..
                        } => Part::Rust {
                            text,
                            first_line,
                            timing: Timing::Repeated,
                        },
                        directive => directive,
                    })
                    .collect();
                self.run_parts(parts, events, payload).await
            }
            "plugin" => {
                let body = code.split_once('\n').map_or("", |(_, body)| body);
                self.run_plugin_cell(&magic.argument, body, events).await
            }
            unknown => Err(unknown_magic("%%", unknown)),
        }
    }

    /// Runs one line that is not Rust.
    pub(super) async fn run_directive(
        &mut self,
        directive: &Directive,
        events: &Events,
        payload: &mut Vec<Value>,
    ) -> Result<(), CellError> {
        let argument = directive.argument.as_str();
        match directive.name.as_str() {
            "!" => {
                let command = argument.to_owned();
                self.succeed(|id| Command::Shell { id, command }, events)
                    .await
            }
            "who" | "whos" | "vars" => {
                let gpu = self.shared.gpu_memory().await;
                display(events, variable_table(&self.engine, &gpu));
                Ok(())
            }
            "items" => {
                print(events, &item_list(&self.engine));
                Ok(())
            }
            "type" | "t" => self.show_type(argument, events),
            "doc" => self.show_documentation(argument, events).await,
            "timing" => {
                self.tells_time = !self.tells_time;
                let state = if self.tells_time { "on" } else { "off" };
                print(events, &format!("timing: {state}\n"));
                Ok(())
            }
            "completion" => self.set_completion(argument, events),
            "opt" => self.set_level(argument, events),
            "reset" | "clear" => self.reset(events).await,
            "env" => self.environment(argument, events).await,
            "cd" => self.change_directory(argument, events).await,
            "load" => {
                payload.push(self.load_text(argument)?);
                Ok(())
            }
            "dep" => self.add_dependency(argument, events).await,
            "plugin" => self.load_plugin_source(argument, events).await,
            "autoreload" => {
                let state = self.set_autoreload(argument).await?;
                print(events, &format!("{state}\n"));
                Ok(())
            }
            "plugins" => {
                let pattern = if argument.is_empty() { "*" } else { argument };
                let answer = self
                    .ask_plugins(json!({ "request": "list", "pattern": pattern }))
                    .await?;
                if let Ok(bundle) = serde_json::from_value(answer["bundle"].clone()) {
                    display(events, bundle);
                }
                Ok(())
            }
            "version" => {
                print(events, &self.version());
                Ok(())
            }
            "help" => {
                payload.push(json!({
                    "source": "page",
                    "data": { "text/plain": help_text() },
                    "start": 0,
                }));
                Ok(())
            }
            "time" | "timeit" => Err(error::plain(
                "MagicError",
                format!(
                    "%{} wants a statement on its line; for a whole cell begin it with %%{0}",
                    directive.name
                ),
            )),
            name if evcxr_commands::exists(name) => {
                self.run_evcxr_command(directive, events, payload).await
            }
            unknown => Err(unknown_magic("%", unknown)),
        }
    }

    pub(super) async fn change_directory(
        &mut self,
        argument: &str,
        events: &Events,
    ) -> Result<(), CellError> {
        let path = expand_home(argument);
        self.succeed(|id| Command::ChangeDirectory { id, path }, events)
            .await
    }

    async fn succeed(
        &mut self,
        command: impl FnOnce(u64) -> Command,
        events: &Events,
    ) -> Result<(), CellError> {
        match self.command(command, events).await?.failure {
            None => Ok(()),
            Some(Failure { kind, message, .. }) => {
                let name = match kind {
                    FailureKind::Interrupted => "Interrupted",
                    _ => "CommandError",
                };
                Err(error::plain(name, message))
            }
        }
    }

    /// `%load FILE`: the payload that replaces the cell by the file's text.
    fn load_text(&self, argument: &str) -> Result<Value, CellError> {
        let failed = |message: String| error::plain("MagicError", message);
        if argument.is_empty() {
            return Err(failed("%load FILE: the file is missing".to_owned()));
        }
        let folder = self
            .runtime
            .working_directory()
            .unwrap_or_else(|| self.config.working_directory.clone());
        let path = folder.join(expand_home(argument));
        let text = std::fs::read_to_string(&path)
            .map_err(|error| failed(format!("{} cannot be read: {error}", path.display())))?;
        Ok(json!({
            "source": "set_next_input",
            "text": format!("// %load {argument}\n{text}"),
            "replace": true,
        }))
    }

    pub(super) fn set_level(&mut self, argument: &str, events: &Events) -> Result<(), CellError> {
        self.level = match argument {
            "" => self.level,
            "auto" => Level::Auto,
            "0" | "1" | "2" | "3" => Level::Fixed(argument.as_bytes()[0] - b'0'),
            other => {
                return Err(error::plain(
                    "MagicError",
                    format!("%opt takes 0, 1, 2, 3 or auto, not `{other}`"),
                ));
            }
        };
        let text = match self.level {
            Level::Auto => {
                "auto (2 for cells with loops or functions that loop, else 0)".to_owned()
            }
            Level::Fixed(level) => level.to_string(),
        };
        print(events, &format!("optimisation level: {text}\n"));
        Ok(())
    }

    fn show_type(&self, name: &str, events: &Events) -> Result<(), CellError> {
        let Some(variable) = self.engine.variables.get(name) else {
            return Err(error::plain(
                "MagicError",
                format!("there is no variable `{name}`; %who lists those there are"),
            ));
        };
        let text = format!("{name}: {}", shorten(&variable.type_text));
        display(events, plain_bundle(&text));
        Ok(())
    }

    async fn show_documentation(&mut self, name: &str, events: &Events) -> Result<(), CellError> {
        let completer = self.shared.completer.clone();
        completer.note(&self.engine);
        let found = completer
            .inspect(&self.shared.runtime(), name, name.len())
            .await;
        let Some(markdown) = found else {
            return Err(error::plain(
                "MagicError",
                format!("nothing is known about `{name}`; {}", completer.describe()),
            ));
        };
        let mut bundle = plain_bundle(&markdown);
        bundle
            .data
            .insert("text/markdown".to_owned(), json!(markdown));
        display(events, bundle);
        Ok(())
    }

    fn set_completion(&self, argument: &str, events: &Events) -> Result<(), CellError> {
        let completer = &self.shared.completer;
        match argument {
            "" => {}
            "on" | "off" => completer.enable(argument == "on"),
            other => {
                return Err(error::plain(
                    "MagicError",
                    format!("%completion takes on or off, not `{other}`"),
                ));
            }
        }
        print(events, &format!("{}\n", completer.describe()));
        Ok(())
    }

    async fn reset(&mut self, events: &Events) -> Result<(), CellError> {
        let names: Vec<String> = self.engine.variables.keys().cloned().collect();
        let count = names.len();
        self.engine.clear();
        self.succeed(|id| Command::DropVariables { id, names }, events)
            .await?;
        print(
            events,
            &format!(
                "forgot {count} variable{} and all items\n",
                if count == 1 { "" } else { "s" }
            ),
        );
        Ok(())
    }

    async fn environment(&mut self, argument: &str, events: &Events) -> Result<(), CellError> {
        let assignment = argument
            .split_once('=')
            .or_else(|| argument.split_once(char::is_whitespace));
        match assignment {
            Some((name, value)) => {
                let name = name.trim().to_owned();
                if name.is_empty() {
                    return Err(error::plain(
                        "MagicError",
                        "%env NAME=VALUE: the name is missing",
                    ));
                }
                let value = value.trim().to_owned();
                let variables = BTreeMap::from([(name, Some(value))]);
                self.succeed(|id| Command::SetEnvironment { id, variables }, events)
                    .await
            }
            None if argument.is_empty() => {
                self.succeed(
                    |id| Command::Shell {
                        id,
                        command: "env | sort".to_owned(),
                    },
                    events,
                )
                .await
            }
            None => {
                let name: String = argument
                    .chars()
                    .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                let command = format!("printf '%s\\n' \"${{{name}-(not set)}}\"");
                self.succeed(|id| Command::Shell { id, command }, events)
                    .await
            }
        }
    }

    pub(super) fn cache(&self, argument: &str, events: &Events) -> Result<(), CellError> {
        let Some(cache) = self.builder.cache() else {
            print(events, "there is no cache: every cell is compiled\n");
            return Ok(());
        };
        match argument {
            "" | "stats" => {
                let (entries, bytes) = cache.size();
                let megabytes = bytes as f64 / 1e6;
                let folder = cache.folder().display();
                print(
                    events,
                    &format!("{entries} compiled cells, {megabytes:.1} MB in {folder}\n"),
                );
                Ok(())
            }
            "clear" => cache.clear().map_err(|error| {
                error::plain(
                    "CacheError",
                    format!("{}: {error}", cache.folder().display()),
                )
            }),
            other => Err(error::plain(
                "MagicError",
                format!(
                    "%cache takes nothing, stats, clear or a number of megabytes, not `{other}`"
                ),
            )),
        }
    }

    fn version(&self) -> String {
        format!(
            "patchbay {}\nSDK build {}\ncompiler {}\n",
            env!("CARGO_PKG_VERSION"),
            self.builder.compiler.build_id,
            self.builder.compiler.rustc.display()
        )
    }
}

/// The names of all magics with their signs, and what each does.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    HELP.iter().flat_map(|help| {
        help.usage
            .split(", ")
            .filter_map(|usage| usage.split_whitespace().next())
            .filter(|name| name.starts_with(['%', ':']))
            .map(|name| (name, help.summary))
    })
}

/// Whether a line `%name` or `:name` is a magic.
pub fn exists(name: &str) -> bool {
    const ALIASES: [&str; 1] = ["whos"];
    ALIASES.contains(&name)
        || evcxr_commands::exists(name)
        || names().any(|(known, _)| known.trim_start_matches(['%', ':']) == name)
}

/// Tells how long a cell took.
pub fn tell_time(events: &Events, duration: std::time::Duration, programs: usize) {
    let compiled = match programs {
        0 | 1 => String::new(),
        _ => format!(" ({programs} programs compiled, because of what borrows)"),
    };
    let text = format!(
        "Took {}{compiled}\n",
        describe_seconds(duration.as_secs_f64())
    );
    print(events, &text);
}

fn plain_bundle(text: &str) -> MimeBundle {
    let mut bundle = MimeBundle::default();
    bundle.data.insert("text/plain".to_owned(), json!(text));
    bundle
}

fn unknown_magic(sign: &str, name: &str) -> CellError {
    error::plain(
        "MagicError",
        format!("there is no magic `{sign}{name}`; %help lists those there are"),
    )
}

pub(super) fn print(events: &Events, text: &str) {
    let _ = events.send(SessionEvent::Stream {
        name: StreamName::Stdout,
        text: text.to_owned(),
    });
}

fn display(events: &Events, bundle: MimeBundle) {
    let _ = events.send(SessionEvent::Display {
        bundle,
        display_id: None,
        update: false,
    });
}

fn expand_home(text: &str) -> PathBuf {
    let home = std::env::home_dir().unwrap_or_default();
    match text.strip_prefix('~') {
        Some("") => home,
        None if text.is_empty() => home,
        Some(rest) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => PathBuf::from(text),
    }
}

fn help_text() -> String {
    let width = HELP
        .iter()
        .map(|help| help.usage.chars().count())
        .max()
        .unwrap_or(0);
    let own = HELP
        .iter()
        .map(|help| format!("{:width$}  {}\n", help.usage, help.summary));
    let answered: Vec<String> = evcxr_commands::answered()
        .map(|name| format!(":{name}"))
        .collect();
    own.chain([format!(
        "\nevcxr's other commands say what Patchbay does instead: {}\n",
        answered.join(", ")
    )])
    .collect()
}

/// The variables with their sizes; columns of tensors are there if there are any. `gpu` is the runtime's answer about the
/// GPU's memory.
fn variable_table(engine: &Engine, gpu: &Value) -> MimeBundle {
    let mut bundle = MimeBundle::default();
    if engine.variables.is_empty() {
        bundle
            .data
            .insert("text/plain".to_owned(), json!("no variables"));
        return bundle;
    }
    let any = |bytes: fn(&Variable) -> usize| {
        engine
            .variables
            .values()
            .any(|variable| bytes(variable) > 0)
    };
    let (tensors, on_gpu) = (
        any(|variable| variable.tensor_bytes),
        any(|variable| variable.gpu_bytes),
    );
    let mut rows = vec![vec![
        "name".to_owned(),
        "type".to_owned(),
        "bytes".to_owned(),
    ]];
    for (name, variable) in &engine.variables {
        rows.push(vec![
            if variable.mutable {
                format!("mut {name}")
            } else {
                name.clone()
            },
            shorten(&variable.type_text),
            variable.bytes.to_string(),
        ]);
    }
    let mut column = |head: &str, cell: &dyn Fn(&Variable) -> String| {
        let cells = engine.variables.values().map(cell);
        for (row, cell) in rows
            .iter_mut()
            .zip([head.to_owned()].into_iter().chain(cells))
        {
            row.push(cell);
        }
    };
    if tensors {
        column("tensors", &|variable| size(variable.tensor_bytes));
    }
    if on_gpu {
        column("on GPU", &|variable| size(variable.gpu_bytes));
    }
    column("cell", &|variable| format!("[{}]", variable.cell));
    let footer = gpu["total"].as_u64().map(|total| {
        let bytes = |number: u64| size(usize::try_from(number).unwrap_or(usize::MAX));
        format!(
            "{}: {} of {} taken",
            gpu["name"].as_str().unwrap_or("GPU"),
            bytes(gpu["used"].as_u64().unwrap_or(0)),
            bytes(total)
        )
    });
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let text: Vec<String> = rows.iter().map(line).chain(footer.clone()).collect();
    let html_row = |row: &Vec<String>, tag: &str| {
        let cells = row
            .iter()
            .map(|cell| format!("<{tag} style=\"text-align:left\">{}</{tag}>", escape(cell)));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let body: String = rows[1..].iter().map(|row| html_row(row, "td")).collect();
    let caption = footer.map_or_else(String::new, |text| {
        format!(
            "<caption style=\"caption-side:bottom;text-align:left\">{}</caption>",
            escape(&text)
        )
    });
    let html = format!(
        "<table>{caption}<thead>{}</thead><tbody>{body}</tbody></table>",
        html_row(&rows[0], "th")
    );
    bundle
        .data
        .insert("text/plain".to_owned(), json!(text.join("\n")));
    bundle.data.insert("text/html".to_owned(), json!(html));
    bundle
}

/// Bytes for people; nothing for none.
fn size(bytes: usize) -> String {
    match bytes {
        0 => String::new(),
        _ => readable_bytes(bytes),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A type without the paths of its names.
pub fn shorten(type_text: &str) -> String {
    let mut short = String::new();
    let mut word = String::new();
    let mut characters = type_text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '_' || character.is_alphanumeric() {
            word.push(character);
        } else if character == ':' && characters.peek() == Some(&':') && !word.is_empty() {
            characters.next();
            word.clear();
        } else {
            short.push_str(&word);
            word.clear();
            short.push(character);
        }
    }
    short + &word
}

fn item_list(engine: &Engine) -> String {
    let mut text = String::new();
    for item in &engine.items {
        let first = item
            .text()
            .lines()
            .find(|line| !line.trim_start().starts_with("//"))
            .unwrap_or_default();
        let aside = match engine.aside.get(&item.id) {
            Some(aside) => format!(" (set aside: {})", aside.reason),
            None => String::new(),
        };
        text.push_str(&format!("[{}] {first}{aside}\n", item.source.cell));
    }
    if text.is_empty() {
        "no items\n".to_owned()
    } else {
        text
    }
}

/// A time with three digits and a fitting unit.
pub fn describe_seconds(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magics_have_their_names() {
        let all: Vec<&str> = names().map(|(name, _)| name).collect();
        for name in ["%who", ":vars", "%%plugin", ":t", "%timeit"] {
            assert!(all.contains(&name), "{name}");
        }
    }

    #[test]
    fn types_are_shortened_to_their_names() {
        assert_eq!(
            shorten("std::collections::HashMap<std::string::String, Vec<candle_core::Tensor>>"),
            "HashMap<String, Vec<Tensor>>"
        );
        assert_eq!(shorten("&'static str"), "&'static str");
    }
}
