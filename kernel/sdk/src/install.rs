//! Makes the crates of the SDK known to the lowest one when the library is loaded.

use patchbay_cell::parts::{self, Identity, Part, Sdk};

use crate::build;

static SDK: Sdk = Sdk {
    identity: Identity {
        build_id: build::BUILD_ID,
        compiler: build::COMPILER,
        target: build::TARGET,
        flags: build::FLAGS,
        features: build::FEATURES,
        sources: build::SOURCES,
    },
    parts: PARTS,
};

/// What each crate adds to every cell, the lowest first.
const PARTS: &[&Part] = &[
    &patchbay_show::part::PART,
    &patchbay_nn::part::PART,
    &patchbay_plugin::part::PART,
];

// A program that links the SDK may call anything of it first, so there is no call that could do this. The system's loader calls
// what stands in this section once, when the library (or the program that it is linked into) has been loaded.
//
// SAFETY: the section is a list of such functions, and `install` may be called before `main`: it only sets a static.
#[used]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static INSTALL: extern "C" fn() = {
    extern "C" fn install() {
        parts::install(&SDK);
    }
    install
};
