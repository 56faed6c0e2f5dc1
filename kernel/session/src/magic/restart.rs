//! `:restart`: a new process for the cells.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &[":restart"],
        usage: "",
        summary: "start the process of the cells anew: variables go, functions, types and crates stay",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(restart),
}];

fn restart(call: &mut Call<'_>) -> Result<(), CellError> {
    call.session.shared.runtime().kill();
    call.session
        .replace_runtime("restarted by :restart", call.events)?;
    call.print(
        "the process of the cells was started anew: variables are gone, functions, types and crates are there\n",
    );
    Ok(())
}
