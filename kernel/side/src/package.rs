//! The Cargo packages that stand for a notebook: one for rust-analyzer, one for evcxr.
//!
//! Neither compiles a dependency. rust-analyzer reads the SDK's sources by path; evcxr's programs are
//! linked against the SDK's library, which a stub crate re-exports, while its rust-analyzer sees the
//! sources behind `cfg(rust_analyzer)`. Both use the lock file that the SDK was built with, so that
//! nothing is fetched.

use std::{fs, io, path::Path};

use super::SideConfig;
use patchbay_toolchain::dependency::Request;

/// Crates of the SDK that a cell can name, as packages.
const PACKAGES: [&str; 7] = [
    "candle-core",
    "candle-nn",
    "plotters",
    "schemars",
    "safetensors",
    "serde",
    "serde_json",
];

/// Writes the package that rust-analyzer looks at, with the crates that `:dep` has added.
///
/// # Errors
///
/// Fails where the disk refuses.
pub fn write_for_analysis(config: &SideConfig, folder: &Path, added: &[Request]) -> io::Result<()> {
    let mut manifest = String::from(
        "[package]\nname = \"patchbay-notebook\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\n",
    );
    manifest.push_str(&format!(
        "patchbay = {{ path = {} }}\n",
        quoted(&config.sdk_sources())
    ));
    let is_added = |package: &&str| added.iter().any(|request| request.name == **package);
    for package in PACKAGES.iter().filter(|package| !is_added(package)) {
        // The features are those that the SDK asks for: another one might need a crate that is not
        // there.
        manifest.push_str(&format!(
            "{package} = {{ version = \"*\", default-features = false }}\n"
        ));
    }
    manifest.push_str(&Request::entries(added));
    patchbay_files::create_private_folders(&folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/lib.rs"), "")?;
    copy_lock(config, folder)
}

/// Writes the stub crate that gives evcxr the SDK.
///
/// # Errors
///
/// Fails where the disk refuses.
pub fn write_stub(config: &SideConfig, folder: &Path) -> io::Result<()> {
    let manifest = format!(
        "[package]\nname = \"patchbay-stub\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\nname = \"patchbay\"\n\n\
         [target.'cfg(rust_analyzer)'.dependencies]\n\
         patchbay_sdk = {{ package = \"patchbay\", path = {} }}\n",
        quoted(&config.sdk_sources())
    );
    patchbay_files::create_private_folders(&folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/lib.rs"), "pub use patchbay_sdk::*;\n")
}

/// Gives a package the SDK's lock file. Cargo takes out what the package does not need.
///
/// # Errors
///
/// Fails where the disk refuses.
pub fn copy_lock(config: &SideConfig, folder: &Path) -> io::Result<()> {
    fs::copy(
        config.repository.join("Cargo.lock"),
        folder.join("Cargo.lock"),
    )
    .map(drop)
}

/// The compiler's flags with which evcxr's programs are linked against the SDK's library.
pub fn flags(config: &SideConfig) -> Vec<String> {
    let compiler = &config.compiler;
    let mut flags = vec![
        "-Cprefer-dynamic".to_owned(),
        format!("-Ldependency={}", compiler.dependencies.display()),
        format!(
            "-Ldependency={}",
            compiler
                .library
                .parent()
                .unwrap_or(Path::new("/"))
                .display()
        ),
        "--extern".to_owned(),
        format!("patchbay_sdk={}", compiler.library.display()),
    ];
    for (name, path) in &compiler.externs {
        flags.push("--extern".to_owned());
        flags.push(format!("{name}={}", path.display()));
    }
    flags
}

/// A path as a TOML string.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_toml() {
        assert_eq!(quoted(Path::new("/a \"b\"/c\\d")), r#""/a \"b\"/c\\d""#);
    }
}
