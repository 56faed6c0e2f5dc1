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

/// The hash of the compiler's flags and the optimisation profile.
pub const FLAGS: &str = env!("PATCHBAY_FLAGS");

/// The hash of the features and versions of all dependencies (manifests and lock file).
pub const FEATURES: &str = env!("PATCHBAY_FEATURES");

/// The hash of the sources of the SDK.
pub const SOURCES: &str = env!("PATCHBAY_SOURCES");

/// The version of candle.
pub const CANDLE: &str = env!("PATCHBAY_CANDLE");

/// Whether kernels for CUDA are built in.
pub const CUDA: &str = env!("PATCHBAY_CUDA");

const DESCRIPTION: &str = concat!(
    r#"{"build_id":""#,
    env!("PATCHBAY_BUILD_ID"),
    r#"","compiler":""#,
    env!("PATCHBAY_COMPILER"),
    r#"","target":""#,
    env!("PATCHBAY_TARGET"),
    r#"","flags":""#,
    env!("PATCHBAY_FLAGS"),
    r#"","features":""#,
    env!("PATCHBAY_FEATURES"),
    r#"","sources":""#,
    env!("PATCHBAY_SOURCES"),
    r#"","candle":""#,
    env!("PATCHBAY_CANDLE"),
    r#"","cuda":"#,
    env!("PATCHBAY_CUDA"),
    "}"
);

/// The same facts as JSON in an ELF section, where they are read without loading the library.
///
/// It is public so that the linker, which drops sections that nothing refers to, keeps it.
// SAFETY: the section holds plain bytes, and no code gives that name a meaning at load time.
#[used]
#[unsafe(link_section = ".patchbay")]
pub static SECTION: [u8; DESCRIPTION.len()] = {
    let mut bytes = [0; DESCRIPTION.len()];
    bytes.copy_from_slice(DESCRIPTION.as_bytes());
    bytes
};
