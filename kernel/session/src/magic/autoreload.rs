//! `%autoreload`: plugins that are built again when their source is saved.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%autoreload"],
        usage: "[on|off]",
        summary: "build and load such plugins again whenever their source is saved",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Later(|call| Box::pin(autoreload(call))),
}];

async fn autoreload(call: &mut Call<'_>) -> Result<(), CellError> {
    let state = call.session.set_autoreload(call.argument).await?;
    call.print(&format!("{state}\n"));
    Ok(())
}
