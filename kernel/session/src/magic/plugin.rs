//! `%%plugin` and `%plugin`: components made in a cell, a folder or a file.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[
    Entry {
        magic: Magic {
            names: &["%%plugin"],
            usage: "KIND/NAME",
            summary: "make the cell a plugin: compiled optimized, registered, live in all slots that hold it",
            argument: Argument::Words,
            changes_programs: true,
            is_listed: true,
            evcxr: None,
        },
        prepare: Some(Run::Later(|call| Box::pin(compile_cell(call)))),
        run: Run::Later(|call| Box::pin(run_cell(call))),
    },
    Entry {
        magic: Magic {
            names: &["%plugin"],
            usage: "PATH",
            summary: "build and load the plugin in a folder or a source file",
            argument: Argument::Words,
            changes_programs: true,
            is_listed: true,
            evcxr: None,
        },
        prepare: Some(Run::Later(|call| Box::pin(build_source(call)))),
        run: Run::Later(|call| Box::pin(load_source(call))),
    },
];

async fn run_cell(call: &mut Call<'_>) -> Result<(), CellError> {
    call.session
        .run_plugin_cell(call.argument, call.body, call.events)
        .await
}

async fn compile_cell(call: &mut Call<'_>) -> Result<(), CellError> {
    let compiled = call
        .session
        .compile_plugin_cell(call.argument, call.body)
        .await;
    compiled.map(drop)
}

async fn load_source(call: &mut Call<'_>) -> Result<(), CellError> {
    call.session
        .load_plugin_source(call.argument, call.events)
        .await
}

async fn build_source(call: &mut Call<'_>) -> Result<(), CellError> {
    let library = call.session.build_plugin_source(call.argument).await?;
    call.session
        .kept
        .plugins
        .insert(call.argument.to_owned(), library);
    Ok(())
}
