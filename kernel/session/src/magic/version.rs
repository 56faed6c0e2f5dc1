//! `%version`: what runs here.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%version"],
        usage: "",
        summary: "the versions of Patchbay and of the compiler",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: Some("version"),
    },
    prepare: None,
    run: Run::Now(version),
}];

fn version(call: &mut Call<'_>) -> Result<(), CellError> {
    let compiler = &call.session.builder.compiler;
    call.print(&format!(
        "patchbay {}\nSDK build {}\ncompiler {}\n",
        env!("CARGO_PKG_VERSION"),
        compiler.build_id,
        compiler.rustc.display()
    ));
    Ok(())
}
