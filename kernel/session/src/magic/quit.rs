//! `:quit`: the end of the kernel.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use serde_json::json;

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &[":quit"],
        usage: "",
        summary: "ask the front end to end this kernel",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(quit),
}];

fn quit(call: &mut Call<'_>) -> Result<(), CellError> {
    call.payload
        .push(json!({ "source": "ask_exit", "keepkernel": false }));
    call.print("the front end is asked to end this kernel\n");
    Ok(())
}
