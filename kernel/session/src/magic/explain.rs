//! `:explain` and `:last_error_json`: more of the last compile error.

use patchbay_contract::CellError;
use patchbay_engine::{
    compile::CompileError,
    diagnostics::Diagnostic,
    magic::{Argument, Magic},
};

use super::{Call, Entry, Run};
use crate::builder::BuildError;

pub(super) const MAGICS: &[Entry] = &[
    Entry {
        magic: Magic {
            names: &[":explain"],
            usage: "",
            summary: "rustc's explanation of the last compile error",
            argument: Argument::Words,
            changes_programs: false,
            is_listed: true,
            evcxr: None,
        },
        prepare: None,
        run: Run::Later(|call| Box::pin(explain(call))),
    },
    Entry {
        magic: Magic {
            names: &[":last_error_json"],
            usage: "",
            summary: "the last compile error as rustc gave it",
            argument: Argument::Words,
            changes_programs: false,
            is_listed: true,
            evcxr: None,
        },
        prepare: None,
        run: Run::Now(last_error_json),
    },
];

fn last_errors(call: &Call<'_>) -> Result<Vec<Diagnostic>, CellError> {
    let errors = call.session.last_errors.get();
    if errors.is_empty() {
        return Err(CellError::plain(
            "MagicError",
            "no cell has failed to compile yet, so there is nothing to explain",
        ));
    }
    Ok(errors)
}

fn last_error_json(call: &mut Call<'_>) -> Result<(), CellError> {
    for diagnostic in last_errors(call)? {
        let text = serde_json::to_string(&diagnostic)
            .map_err(|error| CellError::plain("MagicError", error.to_string()))?;
        call.print(&format!("{text}\n"));
    }
    Ok(())
}

async fn explain(call: &mut Call<'_>) -> Result<(), CellError> {
    let errors = last_errors(call)?;
    let mut codes: Vec<String> = Vec::new();
    for code in errors.iter().filter_map(|error| error.code.as_ref()) {
        if !codes.contains(&code.code) {
            codes.push(code.code.clone());
        }
    }
    let mut text = String::new();
    for code in &codes {
        let output = tokio::process::Command::new(&call.session.builder.compiler.rustc)
            .args(["--explain", code])
            .output()
            .await
            .map_err(|error| {
                let error = BuildError::NoCompiler(CompileError::NotStarted(error));
                call.session.no_compiler(&error)
            })?;
        text.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    if text.is_empty() {
        let message = errors.first().map_or("", |error| &error.message);
        text = format!("rustc has no explanation for: {message}\n");
    }
    call.print(&text);
    Ok(())
}
