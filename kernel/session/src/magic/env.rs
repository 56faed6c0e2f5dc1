//! `%env`: environment variables of the process that runs cells.

use std::collections::BTreeMap;

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use patchbay_protocol::Command;

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%env"],
        usage: "[NAME[=VALUE]]",
        summary: "show or set environment variables of the process that runs cells",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: Some("env"),
    },
    prepare: None,
    run: Run::Later(|call| Box::pin(environment(call))),
}];

async fn environment(call: &mut Call<'_>) -> Result<(), CellError> {
    let argument = call.argument;
    let assignment = argument
        .split_once('=')
        .or_else(|| argument.split_once(char::is_whitespace));
    let shell = |command: String| |id| Command::Shell { id, command };
    match assignment {
        Some((name, value)) => {
            let name = name.trim().to_owned();
            if name.is_empty() {
                return Err(CellError::plain(
                    "MagicError",
                    "%env NAME=VALUE: the name is missing",
                ));
            }
            let variables = BTreeMap::from([(name, Some(value.trim().to_owned()))]);
            let set = |id| Command::SetEnvironment { id, variables };
            call.session.succeed(set, call.events).await
        }
        None if argument.is_empty() => {
            call.session
                .succeed(shell("env | sort".to_owned()), call.events)
                .await
        }
        None => {
            let name: String = argument
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let command = format!("printf '%s\\n' \"${{{name}-(not set)}}\"");
            call.session.succeed(shell(command), call.events).await
        }
    }
}
