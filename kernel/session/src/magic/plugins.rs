//! `%plugins`: the components that there are.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use patchbay_protocol::question::ListComponents;

use super::{Call, Entry, Run, support::display};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%plugins"],
        usage: "[PATTERN]",
        summary: "the components that there are; describe one with plugin::describe(\"loss/focal\")?",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Later(|call| Box::pin(list(call))),
}];

async fn list(call: &mut Call<'_>) -> Result<(), CellError> {
    let pattern = if call.argument.is_empty() {
        "*"
    } else {
        call.argument
    };
    let pattern = pattern.to_owned();
    let answer = call.session.ask_plugins(ListComponents { pattern }).await?;
    display(call.events, answer.bundle);
    Ok(())
}
