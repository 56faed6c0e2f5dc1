//! `:build_env`: environment variables of the compiler.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &[":build_env"],
        usage: "NAME=VALUE",
        summary: "an environment variable for compiling cells and crates",
        argument: Argument::Words,
        changes_programs: true,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(set),
}];

fn set(call: &mut Call<'_>) -> Result<(), CellError> {
    let Some((name, value)) = call
        .argument
        .split_once('=')
        .map(|(name, value)| (name.trim(), value.trim()))
        .filter(|(name, _)| !name.is_empty())
    else {
        return Err(CellError::plain(
            "MagicError",
            format!(":build_env takes NAME=VALUE, not `{}`", call.argument),
        ));
    };
    let session = &mut *call.session;
    let settings = &mut session.crates.settings;
    settings.environment.retain(|(known, _)| known != name);
    settings
        .environment
        .push((name.to_owned(), value.to_owned()));
    let mut compiler = session.builder.compiler.clone();
    compiler.environment.clone_from(&settings.environment);
    session.use_compiler(compiler);
    call.print(&format!(
        "{name}={value} when cells and crates are compiled\n"
    ));
    Ok(())
}
