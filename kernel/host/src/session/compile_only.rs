//! Compiling cells without running them: a later cell needs the types of an earlier one's variables,
//! not their values.

use std::path::PathBuf;

use tokio::sync::mpsc;

use super::{
    CellError, CellReply, CellRequest, Session, SessionEvent, error, variables::after_success,
};
use crate::{
    compiled::Kept,
    engine::{
        directive::{self, Directive, Part, Timing},
        program::Source,
    },
    plugin::{self, Sdk},
};

impl Session {
    /// Compiles a cell into the cache. What the cell would show is not shown.
    pub async fn compile_only(
        &mut self,
        request: CellRequest,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> CellReply {
        self.cell = request.execution_count;
        CellReply {
            error: self.compile_parts(&request.code, events).await.err(),
            ..CellReply::default()
        }
    }

    /// What was made for the notebook beside the cells in the cache.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    async fn compile_parts(
        &mut self,
        code: &str,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let (magic, parts) = directive::split(code, &directive::names_of(&self.engine));
        let mut repeated = false;
        match magic {
            Some(magic) if magic.name == "plugin" => {
                let body = code.split_once('\n').map_or("", |(_, body)| body);
                return self
                    .compile_plugin_cell(&magic.argument, body)
                    .await
                    .map(drop);
            }
            Some(magic) => repeated = magic.name == "timeit",
            None => {}
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
                    let timing = if repeated { Timing::Repeated } else { timing };
                    let source = Source {
                        text,
                        cell: self.cell,
                        first_line,
                    };
                    let (job, compiled) =
                        self.compile(&source, timing, Some(index) == last).await?;
                    self.compile_executor().await?;
                    if timing != Timing::Repeated {
                        after_success(&mut self.engine, &job, &compiled);
                    }
                }
                Part::Directive(directive) => self.prepare_directive(&directive, events).await?,
            }
        }
        Ok(())
    }

    /// Does what changes later programs, and makes what cannot be made later.
    async fn prepare_directive(
        &mut self,
        directive: &Directive,
        events: &mpsc::UnboundedSender<SessionEvent>,
    ) -> Result<(), CellError> {
        let argument = directive.argument.as_str();
        match directive.name.as_str() {
            "opt" => self.set_level(argument, events),
            "reset" | "clear" => {
                self.engine.clear();
                Ok(())
            }
            "dep" => self.add_dependency(argument, events).await,
            // The folder may be one that a cell makes.
            "cd" => {
                let _ = self.change_directory(argument, events).await;
                Ok(())
            }
            "offline" | "build_env" => {
                self.run_evcxr_command(directive, events, &mut Vec::new())
                    .await
            }
            "plugin" => {
                let library = self.build_plugin_source(argument).await?;
                self.kept.plugins.insert(argument.to_owned(), library);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn build_plugin_source(&self, path: &str) -> Result<PathBuf, CellError> {
        let path = self.config.working_directory.join(path);
        self.workplace
            .restore()
            .map_err(|error| error::plain("StartError", format!("{error:#}")))?;
        let sdk = Sdk::from(&self.builder.compiler);
        plugin::build(&sdk, &path, &self.builder.scratch().join("plugins"))
            .await
            .map(|built| built.library)
            .map_err(|error| error::plain("PluginError", format!("{}: {error:#}", path.display())))
    }
}
