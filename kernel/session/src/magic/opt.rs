//! `%opt`: how hard cells are optimized.

use patchbay_contract::CellError;
use patchbay_engine::{
    magic::{Argument, Magic},
    plan::Level,
};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%opt", ":opt"],
        usage: "[0|1|2|3|auto]",
        summary: "how hard cells are optimized; auto decides by what a cell does",
        argument: Argument::Words,
        changes_programs: true,
        is_listed: true,
        evcxr: Some("opt"),
    },
    prepare: None,
    run: Run::Now(set_level),
}];

fn set_level(call: &mut Call<'_>) -> Result<(), CellError> {
    let before = call.session.level;
    let level = match call.argument {
        "" => before,
        "auto" => Level::Auto,
        "0" | "1" | "2" | "3" => Level::Fixed(call.argument.as_bytes()[0] - b'0'),
        other => {
            return Err(CellError::plain(
                "MagicError",
                format!("%opt takes 0, 1, 2, 3 or auto, not `{other}`"),
            ));
        }
    };
    call.session.level = level;
    let text = match level {
        Level::Auto => "auto (2 for cells with loops or functions that loop, else 0)".to_owned(),
        Level::Fixed(level) => level.to_string(),
    };
    call.print(&format!("optimization level: {text}\n"));
    Ok(())
}
