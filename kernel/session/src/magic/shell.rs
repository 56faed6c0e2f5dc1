//! `!COMMAND`: a shell command.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use patchbay_protocol::Command;

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["!"],
        usage: "COMMAND",
        summary: "run a shell command; a line is Rust instead if it is an expression of known names (!flag && !done), or has a call, a macro or a path in it (!v.is_empty()); `! name` with a space is always a command",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Later(|call| Box::pin(shell(call))),
}];

async fn shell(call: &mut Call<'_>) -> Result<(), CellError> {
    let command = call.argument.to_owned();
    let run = |id| Command::Shell { id, command };
    call.session.succeed(run, call.events).await
}
