//! The identity of this build of the SDK.
//!
//! A Rust dylib fits only what was compiled against exactly it: the dynamic loader would accept a
//! plugin of an older SDK and call the wrong methods. The build id covers all that decides the
//! binary interface, part by part, so that a refusal can say which part differs.

/// The hash of all parts.
pub const BUILD_ID: &str = env!("PATCHBAY_BUILD_ID");

/// The compiler's version and commit, for instance `rustc 1.95.0 (59807616e 2026-04-14)`.
pub const COMPILER: &str = env!("PATCHBAY_COMPILER");

/// The target triple.
pub const TARGET: &str = env!("PATCHBAY_TARGET");

/// The hash of the compiler's flags and the optimization profile.
pub const FLAGS: &str = env!("PATCHBAY_FLAGS");

/// The hash of the features and versions of all dependencies (manifests and lock file).
pub const FEATURES: &str = env!("PATCHBAY_FEATURES");

/// The hash of the sources of the SDK, without comments and layout.
pub const SOURCES: &str = env!("PATCHBAY_SOURCES");

/// The version of candle.
pub const CANDLE: &str = env!("PATCHBAY_CANDLE");

/// Whether kernels for CUDA are built in.
pub const CUDA: &str = env!("PATCHBAY_CUDA");

/// The parts as JSON, in a section of the library that the host reads without loading it.
const IDENTITY: &str = concat!(
    "{\"build_id\":\"",
    env!("PATCHBAY_BUILD_ID"),
    "\",\"compiler\":\"",
    env!("PATCHBAY_COMPILER"),
    "\",\"target\":\"",
    env!("PATCHBAY_TARGET"),
    "\",\"flags\":\"",
    env!("PATCHBAY_FLAGS"),
    "\",\"features\":\"",
    env!("PATCHBAY_FEATURES"),
    "\",\"sources\":\"",
    env!("PATCHBAY_SOURCES"),
    "\",\"candle\":\"",
    env!("PATCHBAY_CANDLE"),
    "\",\"cuda\":",
    env!("PATCHBAY_CUDA"),
    "}"
);

/// The name of that section.
pub const SECTION: &str = ".patchbay.sdk";

// SAFETY: the section is the SDK's own, and nothing but these bytes goes into it.
/// The identity as it stands in the library's section.
#[used]
#[unsafe(link_section = ".patchbay.sdk")]
pub static IDENTITY_BYTES: [u8; IDENTITY.len()] = {
    let mut bytes = [0; IDENTITY.len()];
    bytes.copy_from_slice(IDENTITY.as_bytes());
    bytes
};

/// Exists under a name that only this build of the SDK exports: what refers to it is refused by the dynamic loader beside another.
#[doc(hidden)]
#[unsafe(export_name = concat!("patchbay_sdk_", env!("PATCHBAY_BUILD_ID")))]
pub static CANARY: u8 = 0;
