//! `:last_compile_dir`: the folder of the session's files.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &[":last_compile_dir"],
        usage: "",
        summary: "the folder of this session's compiled cells",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(show),
}];

fn show(call: &mut Call<'_>) -> Result<(), CellError> {
    call.print(&format!("{}\n", call.session.builder.scratch().display()));
    Ok(())
}
