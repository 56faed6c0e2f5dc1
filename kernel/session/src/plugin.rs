//! Plugins that a notebook makes: `%%plugin kind/name`.

use std::{path::PathBuf, sync::Arc};

use patchbay_protocol::{Ask, question::LoadPlugin};
use tokio::sync::mpsc;

use crate::{EngineSession, builder::BuildError};
use patchbay_contract::{CellError, SessionEvent, StreamName};
use patchbay_engine::{
    cache::{Cache, Record},
    compile::CompileError,
    diagnostics, error,
    lessons::Lessons,
    plan::{self, Plan},
    plugin_cell,
    program::Source,
};

impl EngineSession {
    /// Compiles the body of a `%%plugin` cell, optimized, and registers its components.
    pub(crate) async fn run_plugin_cell(
        &mut self,
        id: &str,
        body: &str,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let library = self.compile_plugin_cell(id, body).await?;
        let text = self.load_plugin(&format!("%%plugin {id}"), library).await?;
        let _ = events.send(SessionEvent::Stream {
            name: StreamName::Stdout,
            text: format!("{text}\n"),
        });
        Ok(())
    }

    /// Compiles the body of a `%%plugin` cell.
    pub(crate) async fn compile_plugin_cell(
        &mut self,
        id: &str,
        body: &str,
    ) -> Result<PathBuf, CellError> {
        let is_id = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|character| character == '_' || character.is_alphanumeric())
        };
        if !id
            .split_once('/')
            .is_some_and(|(kind, name)| is_id(kind) && is_id(name))
        {
            return Err(CellError::plain(
                "MagicError",
                format!(
                    "%%plugin wants the id of a component, kind/name, not `{id}`: %%plugin loss/mine"
                ),
            ));
        }
        let source = Source {
            text: Arc::from(body),
            cell: self.cell,
            first_line: 1,
        };
        let program = plugin_cell::program(id, &source).map_err(|missing| match missing.range {
            Some(range) => error::in_cell(&source, range, &missing.message),
            None => CellError::plain("PluginError", missing.message),
        })?;
        let crate_name = format!("plugin_{}", id.replace('/', "_"));
        let plan = plan::plan_plugin(program, crate_name, format!("cell %%plugin {id}"));
        self.build_plugin(&plan).await
    }

    /// Builds and loads the plugin in a folder or a source file: `%plugin PATH`.
    pub(crate) async fn load_plugin_source(
        &mut self,
        path: &str,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        if let Some(library) = self.config.plugins.get(path).cloned() {
            let text = self.load_plugin(path, library).await?;
            let _ = events.send(SessionEvent::Stream {
                name: StreamName::Stdout,
                text: format!("{text}\n"),
            });
            return Ok(());
        }
        let path = self.config.working_directory.join(path);
        if !path.exists() {
            return Err(CellError::plain(
                "PluginError",
                format!(
                    "there is no {}; a new plugin is made with: patchbay plugin new NAME",
                    path.display()
                ),
            ));
        }
        let text = self
            .autoreload
            .load(&path)
            .await
            .map_err(|message| CellError::plain("PluginError", message))?;
        let _ = events.send(SessionEvent::Stream {
            name: StreamName::Stdout,
            text: format!("{text}\n"),
        });
        Ok(())
    }

    /// `%autoreload on|off`.
    pub(crate) async fn set_autoreload(
        &mut self,
        argument: &str,
    ) -> Result<&'static str, CellError> {
        match argument {
            "on" => self.autoreload.switch_on(self.runtime.sink()).await,
            "off" => self.autoreload.switch_off(),
            "" => {}
            other => {
                return Err(CellError::plain(
                    "MagicError",
                    format!("%autoreload takes on or off, not `{other}`"),
                ));
            }
        }
        Ok(if self.autoreload.is_on() {
            "plugins loaded with %plugin are built again when their source is saved"
        } else {
            "plugins are built again when you say so: %plugin PATH"
        })
    }

    /// Compiles a plugin's program, or finds it compiled.
    async fn build_plugin(&mut self, plan: &Plan) -> Result<PathBuf, CellError> {
        let key = Cache::key(&self.builder.compiler, plan);
        if let Some((library, _)) = self.builder.cache().and_then(|cache| cache.get(&key)) {
            return Ok(library);
        }
        self.timings.cached = false;
        let output = self.builder.next_library();
        let start = std::time::Instant::now();
        let compilation = self
            .builder
            .call_compiler(plan, &output)
            .await
            .map_err(|error| self.no_compiler(&error))?;
        self.timings.compile_nanoseconds +=
            u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if !compilation.succeeded {
            return Err(self.compile_error(
                &compilation.diagnostics,
                plan,
                &compilation.other_output,
            ));
        }
        // Without it the runtime does not load a plugin.
        patchbay_files::seal_file(&output).map_err(|error| {
            let error = CompileError::not_written(self.builder.scratch(), error);
            self.no_compiler(&BuildError::NoCompiler(error))
        })?;
        let record = Record {
            has_library: true,
            types: Vec::new(),
            lessons: Lessons::default(),
            programs: 1,
            warnings: compilation
                .diagnostics
                .into_iter()
                .filter(diagnostics::Diagnostic::is_error)
                .collect(),
            files: Vec::new(),
        };
        let kept = self
            .builder
            .cache()
            // A program that includes a file is another one once that has changed.
            .filter(|_| compilation.files.is_empty())
            .and_then(|cache| cache.put(&key, Some(&output), record).ok());
        Ok(kept.unwrap_or(output))
    }

    /// Loads a plugin into the runtime; a new runtime will load it again.
    async fn load_plugin(&mut self, source: &str, library: PathBuf) -> Result<String, CellError> {
        let answer = self
            .ask_plugins(LoadPlugin {
                path: library.clone(),
            })
            .await?;
        self.shared.remember_plugin(source, library);
        Ok(answer.text.trim_end().to_owned())
    }

    /// Asks the registry of plugins.
    pub(crate) async fn ask_plugins<Q: Ask>(&self, question: Q) -> Result<Q::Answer, CellError> {
        self.runtime
            .sender()
            .ask(question)
            .await
            .map_err(|message| CellError::plain("PluginError", message))
    }
}
