//! `%cd`: the working folder.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use patchbay_protocol::Command;

use super::{Call, Entry, Run, support::expand_home};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%cd"],
        usage: "FOLDER",
        summary: "change the working folder, to which a path in :dep is relative; include_str!, mod x; and their like stay relative to the notebook's folder",
        argument: Argument::Words,
        changes_programs: true,
        is_listed: true,
        evcxr: None,
    },
    prepare: Some(Run::Later(|call| Box::pin(try_to_change_directory(call)))),
    run: Run::Later(|call| Box::pin(change_directory(call))),
}];

async fn change_directory(call: &mut Call<'_>) -> Result<(), CellError> {
    let path = expand_home(call.argument);
    let change = |id| Command::ChangeDirectory { id, path };
    call.session.succeed(change, call.events).await
}

/// The folder may be one that a cell makes.
async fn try_to_change_directory(call: &mut Call<'_>) -> Result<(), CellError> {
    let _ = change_directory(call).await;
    Ok(())
}
