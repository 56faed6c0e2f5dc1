//! `%%bash` and `%%sh`: a cell of a shell.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use patchbay_protocol::Command;

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[
    Entry {
        magic: Magic {
            names: &["%%bash"],
            usage: "",
            summary: "run the cell in bash",
            argument: Argument::Text,
            changes_programs: false,
            is_listed: true,
            evcxr: None,
        },
        prepare: None,
        run: Run::Later(|call| Box::pin(run_by(call, "bash"))),
    },
    Entry {
        magic: Magic {
            names: &["%%sh", "%%system"],
            usage: "",
            summary: "run the cell in sh",
            argument: Argument::Text,
            changes_programs: false,
            is_listed: true,
            evcxr: None,
        },
        prepare: None,
        run: Run::Later(|call| Box::pin(run_by(call, "sh"))),
    },
];

async fn run_by(call: &mut Call<'_>, shell: &str) -> Result<(), CellError> {
    if !call.argument.is_empty() {
        return Err(CellError::plain(
            "MagicError",
            format!(
                "%%{shell} takes no argument, found `{}`; write the commands in the lines below it",
                call.argument
            ),
        ));
    }
    let command = format!("{shell} -c {}", quoted(call.body));
    let run = |id| Command::Shell { id, command };
    call.session.succeed(run, call.events).await
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_word() {
        assert_eq!(quoted("echo 'a b'"), r"'echo '\''a b'\'''");
    }
}
