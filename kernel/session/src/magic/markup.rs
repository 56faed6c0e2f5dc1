//! `%%html`, `%%markdown`, `%%latex`, `%%svg`: a cell that is shown as what it is written in.

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};
use serde_json::json;

use super::{
    Call, Entry, Run,
    support::{display, plain_bundle},
};

pub(super) const MAGICS: &[Entry] = &[
    markup(
        &["%%html", "%%HTML"],
        "show the cell as HTML",
        Run::Now(|call| show(call, "text/html")),
    ),
    markup(
        &["%%markdown"],
        "show the cell as Markdown",
        Run::Now(|call| show(call, "text/markdown")),
    ),
    markup(
        &["%%latex"],
        "show the cell as LaTeX",
        Run::Now(|call| show(call, "text/latex")),
    ),
    markup(
        &["%%svg", "%%SVG"],
        "show the cell as an SVG picture",
        Run::Now(|call| show(call, "image/svg+xml")),
    ),
];

const fn markup(names: &'static [&'static str], summary: &'static str, run: Run) -> Entry {
    Entry {
        magic: Magic {
            names,
            usage: "",
            summary,
            argument: Argument::Text,
            changes_programs: false,
            is_listed: true,
            evcxr: None,
        },
        prepare: None,
        run,
    }
}

fn show(call: &mut Call<'_>, mime: &str) -> Result<(), CellError> {
    let mut bundle = plain_bundle(call.body);
    bundle.data.insert(mime.to_owned(), json!(call.body));
    display(call.events, bundle);
    Ok(())
}
