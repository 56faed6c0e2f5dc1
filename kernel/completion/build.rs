//! Makes the index that completion has of the SDK and of candle: their sources, read when the kernel is built.

use std::{
    env,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

#[path = "../sdk/crates.rs"]
mod crates;
#[path = "src/expand.rs"]
mod expand;
#[path = "src/source.rs"]
mod source;

use expand::Macros;
use source::{Modules, read, read_with};

/// The crates from elsewhere that a cell can name, and what they call each other.
const FOREIGN: [(&str, &str); 2] = [("candle-core", "candle_core"), ("candle-nn", "candle_nn")];

/// candle-nn calls candle-core so.
const ALIAS: (&str, &str) = ("candle", "pub use candle_core::*;");

/// Folders of candle that have no name that a cell could use.
const BACKENDS: [&str; 4] = ["cuda_backend", "metal_backend", "cpu_backend", "cpu"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/source.rs");
    println!("cargo::rerun-if-changed=src/expand.rs");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    let mut modules = Modules::new();
    for (name, folder) in crates::made_of(Path::new("../sdk"), Path::new("../.."))? {
        println!(
            "cargo::rerun-if-changed={}",
            folder.join("Cargo.toml").display()
        );
        println!("cargo::rerun-if-changed={}", folder.join("src").display());
        let folder = folder.join("src");
        let mut shared = Macros::default();
        macros_of(&folder, &mut shared)?;
        list(&folder, &name, &shared, &mut modules)?;
    }
    for (name, folder) in foreign()? {
        list(&folder, name, &Macros::default(), &mut modules)?;
    }
    let (alias, text) = ALIAS;
    read(alias, text, false, &mut modules);
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    let file = fs::File::create(Path::new(&out).join("index.json"))?;
    serde_json::to_writer(io::BufWriter::new(file), &modules).map_err(io::Error::other)
}

/// Where the sources of the crates from elsewhere are, by the names that sources give them; cargo tells.
fn foreign() -> io::Result<Vec<(&'static str, PathBuf)>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--manifest-path", "../../Cargo.toml"])
        .output()?;
    let described: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|_| {
        io::Error::other(format!(
            "cargo does not describe the workspace: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    })?;
    let packages = described["packages"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    FOREIGN
        .iter()
        .map(|&(package, name)| {
            let found = packages
                .iter()
                .find(|known| known["name"] == package)
                .and_then(|known| known["manifest_path"].as_str())
                .ok_or_else(|| io::Error::other(format!("cargo knows no package {package}")))?;
            let folder = Path::new(found).with_file_name("src");
            Ok((name, folder))
        })
        .collect()
}

/// Adds the macros of all files of a crate, which any of them may call.
fn macros_of(folder: &Path, shared: &mut Macros) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            macros_of(&path, shared)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            if text.contains("macro_rules!")
                && let Ok(file) = syn::parse_file(&text)
            {
                shared.add(Macros::of(&file.items, &text));
            }
        }
    }
    Ok(())
}

/// Adds the files of a module's folder, each with the path of its module.
fn list(folder: &Path, module: &str, shared: &Macros, modules: &mut Modules) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let child = format!("{module}::{name}");
        if path.is_dir() {
            if !BACKENDS.contains(&name.as_ref()) {
                list(&path, &child, shared, modules)?;
            }
        } else if path.ends_with("tests.rs") {
            // Tests in a file of their own have no public names.
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = match name.as_ref() {
                "lib" | "mod" => module,
                _ => &child,
            };
            let text = fs::read_to_string(&path)?;
            if let Some((before, after)) = text.split_once(KINDS) {
                kinds(before, after, module, modules)?;
                continue;
            }
            let macros = ["\nops! {\n", "\nkind! {\n"];
            match macros.iter().find_map(|opening| text.split_once(opening)) {
                // Items in a macro are items here, which is what is read of the text.
                Some((before, after)) => {
                    let text = format!("{before}\n{}", after.replacen("\n}\n", "\n", 1));
                    read_with(module, &text, false, shared, modules);
                }
                None => read_with(module, &text, false, shared, modules),
            }
        }
    }
    Ok(())
}

/// Where the list of kinds begins: lines `module::Trait,`.
const KINDS: &str = "\ndeclare::kinds! {\n";

/// Adds the module with the list of kinds, and what the macro makes of the list: modules, and each trait for its slot.
fn kinds(before: &str, after: &str, module: &str, modules: &mut Modules) -> io::Result<()> {
    let Some((list, after)) = after.split_once("\n}\n") else {
        return Err(io::Error::other("the list of kinds has no end"));
    };
    let (mut files, mut traits) = (String::new(), String::new());
    for line in list.lines() {
        let path = line.trim().trim_end_matches(',');
        if let Some((file, name)) = path.split_once("::") {
            writeln!(
                files,
                "pub use {file}::*;\nimpl {name} for crate::slot::Slot<dyn {name}> {{}}"
            )
            .map_err(io::Error::other)?;
            writeln!(traits, "pub use super::{name};").map_err(io::Error::other)?;
        }
    }
    let own = format!("{before}\npub mod names {{}}\npub mod traits {{}}\n{files}{after}");
    for (module, text) in [
        (module.to_owned(), own),
        (format!("{module}::names"), "pub use super::*;".to_owned()),
        (format!("{module}::traits"), traits),
    ] {
        read(&module, &text, false, modules);
    }
    Ok(())
}
