//! `:timing`: how long every cell takes.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &[":timing"],
        usage: "",
        summary: "tell after every cell how long it took, or stop telling",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(switch_timing),
}];

fn switch_timing(call: &mut Call<'_>) -> Result<(), CellError> {
    let tells = !call.session.tells_time;
    call.session.tells_time = tells;
    let state = if tells { "on" } else { "off" };
    call.print(&format!("timing: {state}\n"));
    Ok(())
}
