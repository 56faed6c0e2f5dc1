//! `%completion`: completion by rust-analyzer.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%completion"],
        usage: "[on|off]",
        summary: "completion by rust-analyzer, which takes some hundred megabytes; off frees them",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(set_completion),
}];

fn set_completion(call: &mut Call<'_>) -> Result<(), CellError> {
    let completer = &call.session.shared.completer;
    match call.argument {
        "" => {}
        "on" | "off" => completer.enable(call.argument == "on"),
        other => {
            return Err(CellError::plain(
                "MagicError",
                format!("%completion takes on or off, not `{other}`"),
            ));
        }
    }
    call.print(&format!("{}\n", completer.describe()));
    Ok(())
}
