//! `%help`: all magics.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use serde_json::json;

use super::{Call, Entry, Run, entries};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%help", ":help", "%lsmagic"],
        usage: "",
        summary: "this list",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: Some("help"),
    },
    prepare: None,
    run: Run::Now(help),
}];

fn help(call: &mut Call<'_>) -> Result<(), CellError> {
    call.payload.push(json!({
        "source": "page",
        "data": { "text/plain": text() },
        "start": 0,
    }));
    Ok(())
}

fn text() -> String {
    let magics = || {
        entries()
            .map(|entry| &entry.magic)
            .filter(|magic| magic.is_listed)
    };
    let usage = |magic: &Magic| {
        let separator = if magic.names == ["!"] { "" } else { " " };
        let usage = format!("{}{separator}{}", magic.names.join(", "), magic.usage);
        usage.trim_end().to_owned()
    };
    let width = magics()
        .map(|magic| usage(magic).chars().count())
        .max()
        .unwrap_or(0);
    let lines = magics().map(|magic| format!("{:width$}  {}\n", usage(magic), magic.summary));
    let answers: Vec<&str> = entries()
        .filter(|entry| !entry.magic.is_listed)
        .filter_map(|entry| entry.magic.names.first().copied())
        .filter(|name| name.starts_with(':'))
        .collect();
    lines
        .chain([format!(
            "\nevcxr's other commands say what Patchbay does instead: {}\n",
            answers.join(", ")
        )])
        .collect()
}
