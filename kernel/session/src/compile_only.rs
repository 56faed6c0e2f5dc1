//! Compiling cells without running them: a later cell needs the types of an earlier one's variables,
//! not their values.

use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::Kept;
use crate::{EngineSession, defined::after_success, magic};
use patchbay_contract::{CellError, CellReply, CellRequest, SessionEvent};
use patchbay_engine::{
    directive::{self, Part, Timing},
    program::Source,
};
use patchbay_toolchain::plugin::{self, Sdk};

impl EngineSession {
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
        let (magic, parts) =
            directive::split(code, self.magics, &directive::names_of(&self.engine));
        let mut cell_timing = None;
        if let Some(magic) = &magic {
            if self.prepare_cell_magic(magic, code, events).await? {
                return Ok(());
            }
            cell_timing = magic::timing_of_cell(magic);
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
                    let timing = cell_timing.unwrap_or(timing);
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

    /// Builds the plugin in a folder or a source file.
    pub(crate) async fn build_plugin_source(&self, path: &str) -> Result<PathBuf, CellError> {
        let path = self.config.working_directory.join(path);
        self.workplace
            .restore()
            .map_err(|error| CellError::plain("StartError", format!("{error:#}")))?;
        let sdk = Sdk::from(&self.builder.compiler);
        plugin::build(&sdk, &path, &self.builder.scratch().join("plugins"))
            .await
            .map(|built| built.library)
            .map_err(|error| {
                CellError::plain("PluginError", format!("{}: {error:#}", path.display()))
            })
    }
}
