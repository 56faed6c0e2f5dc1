//! Gives completion the sources of the SDK, which say what it tells of the SDK.

use std::{env, fmt::Write, fs, io, path::Path};

#[path = "../sdk/crates.rs"]
mod crates;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut table = String::from("&[\n");
    for (name, folder) in crates::made_of(Path::new("../sdk"), Path::new("../.."))? {
        println!(
            "cargo::rerun-if-changed={}",
            folder.join("Cargo.toml").display()
        );
        println!("cargo::rerun-if-changed={}", folder.join("src").display());
        list(&folder.join("src"), &name, &mut table)?;
    }
    table += "]\n";
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("sdk_sources.rs"), table)
}

/// Adds the files of a module's folder, each with the path of its module.
fn list(folder: &Path, module: &str, table: &mut String) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let child = format!("{module}::{name}");
        if path.is_dir() {
            list(&path, &child, table)?;
        } else if path.ends_with("tests.rs") {
            // Tests in a file of their own have no public names.
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = match name.as_ref() {
                "lib" | "mod" => module,
                _ => &child,
            };
            let text = fs::read_to_string(&path)?;
            if let Some((before, after)) = text.split_once(KINDS) {
                kinds(before, after, module, table)?;
                continue;
            }
            let macros = ["\nops! {\n", "\nkind! {\n"];
            match macros.iter().find_map(|opening| text.split_once(opening)) {
                // Items in a macro are items here, which is what is read of the text.
                Some((before, after)) => {
                    let text = format!("{before}\n{}", after.replacen("\n}\n", "\n", 1));
                    writeln!(table, "    ({module:?}, {text:?}),")
                }
                None => writeln!(table, "    ({module:?}, include_str!({path:?})),"),
            }
            .map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// Where the list of kinds begins: lines `module::Trait,`.
const KINDS: &str = "\ndeclare::kinds! {\n";

/// Adds the module with the list of kinds, and those that the macro makes of the list.
fn kinds(before: &str, after: &str, module: &str, table: &mut String) -> io::Result<()> {
    let Some((list, after)) = after.split_once("\n}\n") else {
        return Err(io::Error::other("the list of kinds has no end"));
    };
    let (mut files, mut traits) = (String::new(), String::new());
    for line in list.lines() {
        let path = line.trim().trim_end_matches(',');
        if let Some((file, name)) = path.split_once("::") {
            writeln!(files, "pub use {file}::*;").map_err(io::Error::other)?;
            writeln!(traits, "pub use super::{name};").map_err(io::Error::other)?;
        }
    }
    let own = format!("{before}\npub mod names {{}}\npub mod traits {{}}\n{files}{after}");
    for (module, text) in [
        (module.to_owned(), own),
        (format!("{module}::names"), "pub use super::*;".to_owned()),
        (format!("{module}::traits"), traits),
    ] {
        writeln!(table, "    ({module:?}, {text:?}),").map_err(io::Error::other)?;
    }
    Ok(())
}
