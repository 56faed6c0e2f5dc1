//! `%reset`: a session without variables and items.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use patchbay_protocol::Command;

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%reset", ":clear"],
        usage: "",
        summary: "forget all variables and items",
        argument: Argument::Words,
        changes_programs: true,
        is_listed: true,
        evcxr: Some("clear"),
    },
    prepare: Some(Run::Now(forget)),
    run: Run::Later(|call| Box::pin(reset(call))),
}];

async fn reset(call: &mut Call<'_>) -> Result<(), CellError> {
    let names: Vec<String> = call.session.engine.variables.keys().cloned().collect();
    let count = names.len();
    call.session.engine.clear();
    let drop = |id| Command::DropVariables { id, names };
    call.session.succeed(drop, call.events).await?;
    let plural = if count == 1 { "" } else { "s" };
    call.print(&format!("forgot {count} variable{plural} and all items\n"));
    Ok(())
}

fn forget(call: &mut Call<'_>) -> Result<(), CellError> {
    call.session.engine.clear();
    Ok(())
}
