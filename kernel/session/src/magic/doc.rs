//! `:doc`: all that is known about a name.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use serde_json::json;

use super::{
    Call, Entry, Run,
    support::{display, plain_bundle},
};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &[":doc"],
        usage: "NAME",
        summary: "what is known about a name: definition, type, documentation",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Later(|call| Box::pin(show_documentation(call))),
}];

async fn show_documentation(call: &mut Call<'_>) -> Result<(), CellError> {
    let name = call.argument;
    let completer = call.session.shared.completer.clone();
    completer.note(&call.session.engine);
    let found = completer
        .inspect(&call.session.shared.runtime(), name, name.len())
        .await;
    let Some(markdown) = found else {
        return Err(CellError::plain(
            "MagicError",
            format!("nothing is known about `{name}`; {}", completer.describe()),
        ));
    };
    let mut bundle = plain_bundle(&markdown);
    bundle
        .data
        .insert("text/markdown".to_owned(), json!(markdown));
    display(call.events, bundle);
    Ok(())
}
