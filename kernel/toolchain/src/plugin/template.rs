//! `patchbay plugin new`: a plugin crate that builds and tests with one command.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::Sdk;

/// The first line of the cargo configuration that this module writes and may write again.
const GENERATED: &str =
    "# Written by `patchbay plugin`: where this crate finds the SDK. Not for version control.";

/// A kind for which there is a template.
struct Template {
    kind: &'static str,
    source: &'static str,
}

/// The files of the folder `template`, by their names.
const TEMPLATES: &[Template] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The kinds of which `patchbay plugin new` makes crates.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().map(|template| template.kind)
}

/// Makes the folder of a plugin crate. `path` is the folder; its last part is the crate's name.
///
/// # Errors
///
/// Fails where the folder exists, the name is no crate's name, or there is no template of the kind.
pub fn create(sdk: &Sdk, path: &Path, kind: &str) -> Result<PathBuf> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !is_name {
        bail!(
            "a plugin's name begins with a small letter and has small letters, digits and underscores: my_losses; got `{name}`"
        );
    }
    let Some(template) = TEMPLATES.iter().find(|template| template.kind == kind) else {
        bail!(
            "there is no template of kind `{kind}`; there are: {}",
            kinds().collect::<Vec<_>>().join(", ")
        );
    };
    if path.exists() {
        bail!(
            "{} exists; choose another name or remove it",
            path.display()
        );
    }
    let write = |file: &str, text: &str| {
        let file = path.join(file);
        fs::create_dir_all(file.parent().unwrap_or(path))
            .and_then(|()| fs::write(&file, text))
            .with_context(|| format!("cannot write {}", file.display()))
    };
    write(
        "Cargo.toml",
        &format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\n\
             crate-type = [\"cdylib\", \"rlib\"]\n\
             doctest = false\n\n\
             # The SDK is not listed: .cargo/config.toml says where it is. What the SDK contains (candle, serde,\n\
             # plotters) is used through it, as patchbay::candle; a second copy would not fit.\n[dependencies]\n\n\
             # Not part of a workspace around this folder.\n[workspace]\n\n\
             [profile.release]\nopt-level = 2\n"
        ),
    )?;
    write("src/lib.rs", &template.source.replace("my_name", name))?;
    write(".gitignore", "/target\n/.cargo/config.toml\n")?;
    write(".cargo/config.toml", &configuration(sdk))?;
    Ok(path.to_owned())
}

/// Writes the cargo configuration again where this module wrote it and the SDK is another one since.
/// Returns whether the crate has such a configuration.
pub(super) fn refresh(sdk: &Sdk, folder: &Path) -> Result<bool> {
    let file = folder.join(".cargo/config.toml");
    let Ok(text) = fs::read_to_string(&file) else {
        return Ok(false);
    };
    if !text.starts_with(GENERATED) {
        return Ok(false);
    }
    let wanted = configuration(sdk);
    if text != wanted {
        fs::write(&file, wanted).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(true)
}

fn configuration(sdk: &Sdk) -> String {
    let flags: Vec<String> = sdk
        .flags()
        .iter()
        .map(|flag| format!("    {:?},\n", flag.to_string_lossy()))
        .collect();
    format!(
        "{GENERATED}\n[build]\nrustc = {:?}\nrustflags = [\n{}]\n",
        sdk.rustc.to_string_lossy(),
        flags.concat()
    )
}

#[cfg(test)]
mod tests {
    use patchbay_engine::kinds::KINDS;

    use super::*;

    #[test]
    fn every_kind_has_a_template() {
        assert!(KINDS.len() > 5, "{KINDS:?}");
        for kind in KINDS {
            assert!(
                kinds().any(|known| known == kind.name),
                "`patchbay plugin new --kind {0}` has nothing to write: add kernel/toolchain/src/plugin/template/{0}.rs, a \
                 component with its sample and its tests",
                kind.name
            );
        }
        for template in TEMPLATES {
            assert!(
                KINDS.iter().any(|kind| kind.name == template.kind),
                "there is no kind {}",
                template.kind
            );
            assert!(
                template
                    .source
                    .contains("patchbay::test_components!(crate);"),
                "{}: the template does not try its sample",
                template.kind
            );
        }
    }
}
