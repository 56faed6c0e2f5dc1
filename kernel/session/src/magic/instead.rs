//! evcxr's commands that have nothing to do here: each is answered by a line that says what Patchbay does instead.

use patchbay_contract::CellError;

use super::{
    Call, Entry, Run,
    support::{answer, summary_of},
};

pub(super) const MAGICS: &[Entry] = &[
    answer(
        &[":preserve_vars_on_panic"],
        "variables always survive a panic, an error and an interrupt",
        Run::Now(|call| say(call, ":preserve_vars_on_panic")),
    ),
    answer(
        &[":sccache"],
        "crates are built once and kept for all notebooks; sccache is not used",
        Run::Now(|call| say(call, ":sccache")),
    ),
    answer(
        &[":linker"],
        "cells are linked by the toolchain's own linker without a C compiler around it, where that works; there is nothing to set",
        Run::Now(|call| say(call, ":linker")),
    ),
    answer(
        &[":codegen_backend"],
        "cells are compiled by LLVM, as the SDK is; %opt says how hard they are optimized",
        Run::Now(|call| say(call, ":codegen_backend")),
    ),
    answer(
        &[":toolchain"],
        "cells are compiled by the toolchain that built the SDK, because a dynamic library fits no other; %version shows it",
        Run::Now(|call| say(call, ":toolchain")),
    ),
    answer(
        &[":allow_static_linking"],
        "crates are always linked dynamically, so that a process has each of them once",
        Run::Now(|call| say(call, ":allow_static_linking")),
    ),
    answer(
        &[":fmt"],
        "a value is shown as a picture or a table where it has one, else by Debug; print another form with println!",
        Run::Now(|call| say(call, ":fmt")),
    ),
    answer(
        &[":efmt"],
        "an error of `?` is shown by Display, with the errors behind it and the line of the cell",
        Run::Now(|call| say(call, ":efmt")),
    ),
    answer(
        &[":types"],
        "a result is shown without its type; :type NAME shows a variable's, %who those of all",
        Run::Now(|call| say(call, ":types")),
    ),
    answer(
        &[":time_passes"],
        ":timing tells how long cells take, %%time how much of it was compiling",
        Run::Now(|call| say(call, ":time_passes")),
    ),
    answer(
        &[":internal_debug"],
        "there is nothing to switch on; the kernel's log is its stderr",
        Run::Now(|call| say(call, ":internal_debug")),
    ),
    answer(
        &[":load_config"],
        "there is no startup file, so that a notebook runs the same everywhere; put what it needs into its first cell",
        Run::Now(|call| say(call, ":load_config")),
    ),
];

fn say(call: &mut Call<'_>, name: &str) -> Result<(), CellError> {
    call.print(&format!("{name}: {}\n", summary_of(name)));
    Ok(())
}
