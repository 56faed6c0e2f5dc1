//! `:dep`: crates for the cells that follow.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &[":dep"],
        usage: "NAME = \"VERSION\"",
        summary: "a crate for the cells that follow; also { version, features, path, git } as in Cargo.toml, :dep ../crate for one in a folder, :dep { a = \"1\", b = \"2\" } for several; what is loaded stays as it is",
        argument: Argument::Manifest,
        changes_programs: true,
        is_listed: true,
        evcxr: Some("dep"),
    },
    prepare: None,
    run: Run::Later(|call| Box::pin(add(call))),
}];

async fn add(call: &mut Call<'_>) -> Result<(), CellError> {
    call.session
        .add_dependency(call.argument, call.events)
        .await
}
