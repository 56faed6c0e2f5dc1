//! `%%writefile`: a cell as a file.

use std::{fs::OpenOptions, io::Write};

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run, support::expand_home};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%%writefile", "%%file"],
        usage: "[-a] FILE",
        summary: "write the cell into a file of the notebook's folder, with -a at its end",
        argument: Argument::Text,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(write),
}];

fn write(call: &mut Call<'_>) -> Result<(), CellError> {
    let failed = |message: String| CellError::plain("MagicError", message);
    let argument = call.argument;
    let option = argument
        .strip_prefix("--append")
        .or_else(|| argument.strip_prefix("-a"))
        .filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
    let (appends, name) = match option {
        Some(rest) => (true, rest.trim()),
        None => (false, argument),
    };
    let name = ['"', '\'']
        .iter()
        .find_map(|&quote| name.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(name);
    if name.is_empty() {
        return Err(failed(
            "%%writefile FILE: the file is missing; write its name behind, as in: %%writefile notes.txt"
                .to_owned(),
        ));
    }
    if name.starts_with('-') {
        return Err(failed(format!(
            "%%writefile [-a] FILE: there is no option `{name}`; a file of that name is written as ./{name}"
        )));
    }
    let path = call.session.folder().join(expand_home(name));
    let is_there = path.exists();
    let mut options = OpenOptions::new();
    options.create(true);
    match appends {
        true => options.append(true),
        false => options.write(true).truncate(true),
    };
    options
        .open(&path)
        .and_then(|mut file| file.write_all(call.body.as_bytes()))
        .map_err(|error| failed(format!("{} cannot be written: {error}", path.display())))?;
    let done = match (is_there, appends) {
        (true, true) => "Appending to",
        (true, false) => "Overwriting",
        (false, _) => "Writing",
    };
    call.print(&format!("{done} {name}\n"));
    Ok(())
}
