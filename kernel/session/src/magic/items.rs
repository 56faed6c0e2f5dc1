//! `%items`: the items that cells have defined.

use patchbay_contract::CellError;
use patchbay_engine::{
    Engine,
    magic::{Argument, Magic},
};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%items"],
        usage: "",
        summary: "the functions, types and imports that later cells can use",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: None,
    },
    prepare: None,
    run: Run::Now(items),
}];

fn items(call: &mut Call<'_>) -> Result<(), CellError> {
    call.print(&item_list(&call.session.engine));
    Ok(())
}

fn item_list(engine: &Engine) -> String {
    let mut text = String::new();
    for item in &engine.items {
        let first = item
            .text()
            .lines()
            .find(|line| !line.trim_start().starts_with("//"))
            .unwrap_or_default();
        let aside = match engine.aside.get(&item.id) {
            Some(aside) => format!(" (set aside: {})", aside.reason),
            None => String::new(),
        };
        text.push_str(&format!("[{}] {first}{aside}\n", item.source.cell));
    }
    if text.is_empty() {
        "no items\n".to_owned()
    } else {
        text
    }
}
