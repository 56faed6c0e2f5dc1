//! `:show_deps`: the crates that were asked for.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &[":show_deps"],
        usage: "",
        summary: "the crates that were asked for",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(show),
}];

fn show(call: &mut Call<'_>) -> Result<(), CellError> {
    let session = &call.session;
    let lines = session.crates.requests.iter().map(|request| {
        let answer = session.builder.compiler.bundle.answer(&request.name);
        let answer = answer.unwrap_or(&request.name);
        format!(":dep {}  // {answer}\n", request.text)
    });
    let text: String = lines.collect();
    let none = "no crates were asked for; :dep NAME brings one\n";
    call.print(if text.is_empty() { none } else { &text });
    Ok(())
}
