//! `:offline`: crates from what has been downloaded.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &[":offline"],
        usage: "[0|1]",
        summary: "let :dep use what has been downloaded only",
        argument: Argument::Words,
        changes_programs: true,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(set_offline),
}];

/// Without an argument the switch is turned over.
fn set_offline(call: &mut Call<'_>) -> Result<(), CellError> {
    let settings = &mut call.session.crates.settings;
    settings.offline = match call.argument {
        "" => !settings.offline,
        "1" | "on" | "true" => true,
        "0" | "off" | "false" => false,
        other => {
            return Err(CellError::plain(
                "MagicError",
                format!(":offline takes 0 or 1, not `{other}`"),
            ));
        }
    };
    let state = if settings.offline {
        "on: cargo uses what has been downloaded"
    } else {
        "off"
    };
    call.print(&format!("offline: {state}\n"));
    Ok(())
}
