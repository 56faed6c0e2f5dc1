//! Lists the templates of plugins: a file in `src/plugin/template`, named as its kind.

use std::{env, fmt::Write, fs, io, path::Path};

const FOLDER: &str = "src/plugin/template";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={FOLDER}");
    let mut files: Vec<_> = fs::read_dir(fs::canonicalize(FOLDER)?)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut table = String::from("&[\n");
    for file in files {
        let path = file.path();
        let kind = path.file_stem().unwrap_or_default().to_string_lossy();
        writeln!(
            table,
            "    Template {{ kind: {kind:?}, source: include_str!({path:?}) }},"
        )
        .map_err(io::Error::other)?;
    }
    table += "]\n";
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("templates.rs"), table)
}
