//! `%who`: the variables.

use html_escape::encode_text;
use patchbay_contract::CellError;
use patchbay_engine::{
    Engine,
    history::Variable,
    magic::{Argument, Magic},
    types::shorten,
};
use patchbay_protocol::{MimeBundle, TensorFacts, question::MemoryOfGpu, readable_bytes};
use serde_json::json;

use super::{Call, Entry, Run, support::display};

pub(super) const MAGICS: &[Entry] = &[Entry {
    magic: Magic {
        names: &["%who", "%whos", ":vars"],
        usage: "",
        summary: "the variables: name, type, size, the cell that defined each; shape, dtype and device of tensors",
        argument: Argument::Words,
        changes_programs: false,
        is_listed: true,
        evcxr: Some("vars"),
    },
    prepare: None,
    run: Run::Later(|call| Box::pin(who(call))),
}];

async fn who(call: &mut Call<'_>) -> Result<(), CellError> {
    let gpu = call.session.shared.gpu_memory().await;
    display(
        call.events,
        variable_table(&call.session.engine, gpu.as_ref()),
    );
    Ok(())
}

/// The variables with their sizes; columns of tensors are there if there are any. `gpu` is the runtime's answer about the
/// GPU's memory.
fn variable_table(engine: &Engine, gpu: Option<&MemoryOfGpu>) -> MimeBundle {
    let mut bundle = MimeBundle::default();
    if engine.variables.is_empty() {
        bundle
            .data
            .insert("text/plain".to_owned(), json!("no variables"));
        return bundle;
    }
    let any = |bytes: fn(&Variable) -> usize| {
        engine
            .variables
            .values()
            .any(|variable| bytes(variable) > 0)
    };
    let (tensors, on_gpu) = (
        any(|variable| variable.tensor_bytes),
        any(|variable| variable.gpu_bytes),
    );
    let mut rows = vec![vec![
        "name".to_owned(),
        "type".to_owned(),
        "bytes".to_owned(),
    ]];
    for (name, variable) in &engine.variables {
        rows.push(vec![
            if variable.mutable {
                format!("mut {name}")
            } else {
                name.clone()
            },
            shorten(&variable.type_text),
            variable.bytes.to_string(),
        ]);
    }
    let mut column = |head: &str, cell: &dyn Fn(&Variable) -> String| {
        let cells = engine.variables.values().map(cell);
        for (row, cell) in rows
            .iter_mut()
            .zip([head.to_owned()].into_iter().chain(cells))
        {
            row.push(cell);
        }
    };
    if engine
        .variables
        .values()
        .any(|variable| variable.tensor.is_some())
    {
        let fact = |variable: &Variable, fact: fn(&TensorFacts) -> &String| {
            variable
                .tensor
                .as_ref()
                .map(fact)
                .cloned()
                .unwrap_or_default()
        };
        column("shape", &|variable| fact(variable, |tensor| &tensor.shape));
        column("dtype", &|variable| fact(variable, |tensor| &tensor.dtype));
        column("device", &|variable| {
            fact(variable, |tensor| &tensor.device)
        });
    }
    if tensors {
        column("tensors", &|variable| size(variable.tensor_bytes));
    }
    if on_gpu {
        column("on GPU", &|variable| size(variable.gpu_bytes));
    }
    column("cell", &|variable| format!("[{}]", variable.cell));
    let footer = gpu.map(|gpu| {
        format!(
            "{}: {} of {} taken",
            gpu.name,
            size(gpu.used),
            size(gpu.total)
        )
    });
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let text: Vec<String> = rows.iter().map(line).chain(footer.clone()).collect();
    let html_row = |row: &Vec<String>, tag: &str| {
        let cells = row.iter().map(|cell| {
            format!(
                "<{tag} style=\"text-align:left\">{}</{tag}>",
                encode_text(cell)
            )
        });
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let body: String = rows[1..].iter().map(|row| html_row(row, "td")).collect();
    let caption = footer.map_or_else(String::new, |text| {
        format!(
            "<caption style=\"caption-side:bottom;text-align:left\">{}</caption>",
            encode_text(&text)
        )
    });
    let html = format!(
        "<table>{caption}<thead>{}</thead><tbody>{body}</tbody></table>",
        html_row(&rows[0], "th")
    );
    bundle
        .data
        .insert("text/plain".to_owned(), json!(text.join("\n")));
    bundle.data.insert("text/html".to_owned(), json!(html));
    bundle
}

/// Bytes for people; nothing for none.
fn size(bytes: usize) -> String {
    match bytes {
        0 => String::new(),
        _ => readable_bytes(bytes),
    }
}
