//! `:type`: the type of a variable.

use patchbay_contract::CellError;
use patchbay_engine::{
    magic::{Argument, Magic},
    types::shorten,
};

use super::{
    Call, Entry, Run,
    support::{display, plain_bundle},
};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &[":type", ":t"],
        usage: "NAME",
        summary: "the type of a variable",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(show_type),
}];

fn show_type(call: &mut Call<'_>) -> Result<(), CellError> {
    let name = call.argument;
    let Some(variable) = call.session.engine.variables.get(name) else {
        return Err(CellError::plain(
            "MagicError",
            format!("there is no variable `{name}`; %who lists those there are"),
        ));
    };
    let text = format!("{name}: {}", shorten(&variable.type_text));
    display(call.events, plain_bundle(&text));
    Ok(())
}
