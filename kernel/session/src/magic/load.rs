//! `%load`: a file's text for the cell.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use serde_json::json;

use super::{Call, Entry, Run, support::expand_home};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%load"],
        usage: "FILE",
        summary: "put a file's text into the cell; from Rust: set_next_input(text), into a new cell below",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(load),
}];

/// Adds the payload that replaces the cell by the file's text.
fn load(call: &mut Call<'_>) -> Result<(), CellError> {
    let failed = |message: String| CellError::plain("MagicError", message);
    let argument = call.argument;
    if argument.is_empty() {
        return Err(failed("%load FILE: the file is missing".to_owned()));
    }
    let path = call.session.folder().join(expand_home(argument));
    let text = std::fs::read_to_string(&path)
        .map_err(|error| failed(format!("{} cannot be read: {error}", path.display())))?;
    call.payload.push(json!({
        "source": "set_next_input",
        "text": format!("// %load {argument}\n{text}"),
        "replace": true,
    }));
    Ok(())
}
