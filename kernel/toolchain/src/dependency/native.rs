//! C libraries that crates bring, as shared libraries.
//!
//! A build script compiles C code to an archive, and rustc would put of it into the dynamic library of the
//! crates what these call, hidden from others. But a cell has generic and inlined functions of the crates in
//! it, which call the C code as well; and a second copy would have state of its own. So the whole archive
//! becomes a shared library, which the crates' library and the cells link.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// How the names of the shared libraries begin.
pub const PREFIX: &str = "patchbay_native_";

/// The extension of the files, beside a crate's, that list its shared libraries.
pub const LIST: &str = "natives";

/// A call of the compiler for a crate with archives, with the archives replaced.
pub struct Replaced {
    /// The arguments, without those about the archives.
    rest: Vec<OsString>,
    /// What the crate calls the archives.
    names: Vec<String>,
    /// The name of the shared library.
    unique: String,
    /// The shared library.
    pub library: PathBuf,
}

impl Replaced {
    /// Makes the shared library of all archives that a call of the compiler names; `None` where it names none.
    ///
    /// # Errors
    ///
    /// Fails with the linker's words.
    pub fn of(arguments: &[OsString], crate_name: &str, folder: &Path) -> Result<Option<Replaced>> {
        let text: Vec<&str> = arguments
            .iter()
            .map(|argument| argument.to_str().context("an argument is not UTF-8"))
            .collect::<Result<_>>()?;
        let folders: Vec<&Path> = text
            .iter()
            .zip(text.iter().skip(1))
            .filter(|(flag, _)| **flag == "-L")
            .filter_map(|(_, value)| match value.split_once('=') {
                Some(("native" | "all", folder)) => Some(Path::new(folder)),
                Some(("dependency" | "crate" | "framework", _)) => None,
                _ => Some(Path::new(*value)),
            })
            .collect();
        let mut rest = Vec::new();
        let (mut names, mut archives, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let mut index = 0;
        while index < text.len() {
            let (specification, count) = match text[index] {
                "-l" => (text.get(index + 1).copied(), 2),
                joined if joined.starts_with("-l") && !joined.starts_with("-link") => {
                    (joined.get(2..), 1)
                }
                _ => (None, 1),
            };
            let found = specification.map(Specification::read);
            match found
                .as_ref()
                .and_then(|found| Some((found, found.archive(&folders)?)))
            {
                Some((found, archive)) => {
                    names.push(found.name.to_owned());
                    archives.push(archive);
                }
                None => {
                    if let Some(found) = found.filter(|found| found.kind != "static") {
                        others.push(found.name.to_owned());
                    }
                    rest.extend_from_slice(
                        &arguments[index..index + count.min(text.len() - index)],
                    );
                }
            }
            index += count;
        }
        if archives.is_empty() {
            return Ok(None);
        }
        let below = libraries_below(&text);
        let mut hasher = Sha256::new();
        for archive in &archives {
            let content = fs::read(archive).with_context(|| format!("{}", archive.display()))?;
            hasher.update((content.len() as u64).to_le_bytes());
            hasher.update(content);
        }
        for other in below.iter().map(|path| path.to_string_lossy()) {
            hasher.update(other.as_bytes());
        }
        let hash: String = hasher.finalize()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let unique = format!("{PREFIX}{crate_name}_{hash}");
        let library = folder.join(format!("lib{unique}.so"));
        if !library.is_file() {
            link(&library, &archives, &folders, &others, &below)?;
        }
        rest.push("-L".into());
        rest.push(format!("native={}", folder.display()).into());
        Ok(Some(Replaced {
            rest,
            names,
            unique,
            library,
        }))
    }

    /// The names that the crate's sources give in `#[link(name = "…")]`.
    pub fn names_in_sources(&self) -> Vec<String> {
        let folders = ["CARGO_MANIFEST_DIR", "OUT_DIR"]
            .into_iter()
            .filter_map(env::var_os);
        let mut found = Vec::new();
        for folder in folders {
            note_links(Path::new(&folder), &self.names, &mut found, 0);
        }
        found
    }

    /// The arguments for the compiler. A library that the sources name must keep its name there.
    pub fn arguments(&self, in_sources: &[String]) -> Vec<OsString> {
        let mut arguments = self.rest.clone();
        let mut renamed = false;
        for name in self.names.iter().filter(|name| in_sources.contains(name)) {
            renamed = true;
            arguments.push("-l".into());
            arguments.push(format!("dylib={name}:{}", self.unique).into());
        }
        if !renamed {
            arguments.push("-l".into());
            arguments.push(format!("dylib={}", self.unique).into());
        }
        arguments
    }
}

/// What follows `-l`: `kind:modifiers=name:rename`.
struct Specification<'a> {
    kind: &'a str,
    name: &'a str,
}

impl<'a> Specification<'a> {
    fn read(text: &'a str) -> Specification<'a> {
        let (kind, name) = text.split_once('=').unwrap_or(("", text));
        let kind = kind.split(':').next().unwrap_or(kind);
        // A renamed library is searched for under its second name.
        let name = name.split_once(':').map_or(name, |(_, renamed)| renamed);
        Specification { kind, name }
    }

    /// The archive that would be linked.
    fn archive(&self, folders: &[&Path]) -> Option<PathBuf> {
        let find = |file: String| {
            folders
                .iter()
                .map(|folder| folder.join(&file))
                .find(|path| path.is_file())
        };
        let shared = || find(format!("lib{}.so", self.name));
        if self.kind != "static" && (!["", "dylib"].contains(&self.kind) || shared().is_some()) {
            return None;
        }
        find(format!("lib{}.a", self.name)).or_else(|| find(self.name.to_owned()))
    }
}

/// The shared libraries of the crates that this one stands on.
fn libraries_below(arguments: &[&str]) -> Vec<PathBuf> {
    let mut libraries = Vec::new();
    for argument in arguments {
        let Some((_, file)) = argument.split_once('=') else {
            continue;
        };
        let list = Path::new(file).with_extension(LIST);
        for line in fs::read_to_string(list).unwrap_or_default().lines() {
            let path = PathBuf::from(line);
            if path.is_file() && !libraries.contains(&path) {
                libraries.push(path);
            }
        }
    }
    libraries
}

fn link(
    library: &Path,
    archives: &[PathBuf],
    folders: &[&Path],
    others: &[String],
    below: &[PathBuf],
) -> Result<()> {
    let folder = library.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let staging = tempfile::tempdir_in(folder)?;
    let name = library.file_name().unwrap_or_default();
    let made = staging.path().join(name);
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(&compiler);
    command.arg("-shared").arg("-o").arg(&made);
    command.arg(format!("-Wl,-soname,{}", name.to_string_lossy()));
    command.arg("-Wl,--whole-archive");
    for (index, archive) in archives.iter().enumerate() {
        let mut content = fs::read(archive).with_context(|| format!("{}", archive.display()))?;
        show_symbols(&mut content);
        let copy = staging.path().join(format!("{index}.a"));
        fs::write(&copy, content).with_context(|| format!("{}", copy.display()))?;
        command.arg(copy);
    }
    command.args([
        "-Wl,--no-whole-archive",
        // Code that was compiled for hidden symbols calls its own directly.
        "-Wl,-Bsymbolic",
        // A plain link would take the first of several as well.
        "-Wl,--allow-multiple-definition",
        "-Wl,-rpath,$ORIGIN",
    ]);
    for other in below {
        let folder = other.parent().unwrap_or(Path::new("/"));
        command
            .arg("-Wl,--no-as-needed")
            .arg(other)
            .arg("-Wl,--as-needed")
            .arg(format!("-Wl,-rpath,{}", folder.display()));
    }
    for folder in folders {
        command.arg("-L").arg(folder);
    }
    for other in others {
        command.arg(format!("-l{other}"));
    }
    let output = command
        .output()
        .with_context(|| format!("{} does not start", Path::new(&compiler).display()))?;
    if !output.status.success() {
        bail!(
            "the C code of this crate cannot be made a shared library:\n{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    fs::rename(&made, library).with_context(|| format!("{}", library.display()))
}

/// How deep folders of sources are searched.
const MOST_FOLDERS: usize = 6;

/// Adds those of the names that a `#[link(name = "…")]` in a folder's sources has.
fn note_links(folder: &Path, names: &[String], found: &mut Vec<String>, depth: usize) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && depth < MOST_FOLDERS {
            note_links(&path, names, found, depth + 1);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut text = fs::read_to_string(&path).unwrap_or_default();
            text.retain(|character| !character.is_whitespace());
            for name in names {
                if text.contains(&format!("link(name=\"{name}\"")) && !found.contains(name) {
                    found.push(name.clone());
                }
            }
        }
    }
}

/// Makes the hidden symbols of an archive's objects visible, so that a shared library of them exports these.
fn show_symbols(archive: &mut [u8]) {
    const MAGIC: &[u8] = b"!<arch>\n";
    const HEADER: usize = 60;
    if !archive.starts_with(MAGIC) {
        return;
    }
    let mut position = MAGIC.len();
    while let Some(header) = archive.get(position..position + HEADER) {
        let size = std::str::from_utf8(&header[48..58])
            .ok()
            .and_then(|text| text.trim().parse::<usize>().ok());
        let Some(size) = size else { return };
        let start = position + HEADER;
        if let Some(object) = archive.get_mut(start..start + size) {
            show_symbols_of_object(object);
        }
        // Members begin at even positions.
        position = start + size + size % 2;
    }
}

/// The same for one object, if it is a 64-bit ELF of this machine's byte order; others are left alone.
fn show_symbols_of_object(object: &mut [u8]) -> Option<()> {
    const CLASS_64: u8 = 2;
    const LITTLE_ENDIAN: u8 = 1;
    const SYMBOL_TABLE: usize = 2;
    const SYMBOL: usize = 24;
    const HIDDEN_AND_INTERNAL: [u8; 2] = [1, 2];
    if object.get(..6)? != [0x7f, b'E', b'L', b'F', CLASS_64, LITTLE_ENDIAN] {
        return None;
    }
    let number = |object: &[u8], at: usize, bytes: usize| -> Option<usize> {
        let mut value = [0; 8];
        value[..bytes].copy_from_slice(object.get(at..at.checked_add(bytes)?)?);
        usize::try_from(u64::from_le_bytes(value)).ok()
    };
    let sections = number(object, 0x28, 8)?;
    let (size, count) = (number(object, 0x3a, 2)?, number(object, 0x3c, 2)?);
    for index in 0..count {
        let section = sections.checked_add(index.checked_mul(size)?)?;
        if number(object, section.checked_add(4)?, 4)? != SYMBOL_TABLE {
            continue;
        }
        let start = number(object, section.checked_add(0x18)?, 8)?;
        let end = start.checked_add(number(object, section.checked_add(0x20)?, 8)?)?;
        for symbol in object.get_mut(start..end)?.chunks_exact_mut(SYMBOL) {
            let is_local = symbol[4] >> 4 == 0;
            if !is_local && HIDDEN_AND_INTERNAL.contains(&(symbol[5] & 3)) {
                symbol[5] &= !3;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &mut Command) {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    #[test]
    fn hidden_functions_of_an_archive_are_exported_and_one_library_serves_all() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(
            at("a.c"),
            "__attribute__((visibility(\"hidden\"))) int inner(void) { return 3; }\n\
             int outer(void) { return inner() + 1; }\n",
        )
        .unwrap();
        run(Command::new("cc")
            .args(["-fPIC", "-c", "a.c"])
            .current_dir(folder.path()));
        run(Command::new("ar")
            .args(["rcs", "libmine.a", "a.o"])
            .current_dir(folder.path()));
        let arguments: Vec<OsString> = [
            "--crate-name",
            "mine_sys",
            "-L",
            &format!("native={}", folder.path().display()),
            "-l",
            "static=mine",
            "-l",
            "m",
        ]
        .iter()
        .map(OsString::from)
        .collect();
        let out = at("out");
        let replaced = Replaced::of(&arguments, "mine_sys", &out).unwrap().unwrap();
        let symbols = Command::new("nm")
            .arg("-D")
            .arg(&replaced.library)
            .output()
            .unwrap();
        let symbols = String::from_utf8(symbols.stdout).unwrap();
        assert!(
            symbols.contains(" T inner") && symbols.contains(" T outer"),
            "{symbols}"
        );
        let text = |arguments: Vec<OsString>| -> Vec<String> {
            arguments
                .iter()
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect()
        };
        let plain = text(replaced.arguments(&[]));
        assert!(
            plain.contains(&"m".to_owned())
                && !plain.iter().any(|argument| argument.contains("static="))
        );
        assert!(
            plain
                .last()
                .unwrap()
                .starts_with("dylib=patchbay_native_mine_sys_")
        );
        let named = text(replaced.arguments(&["mine".to_owned()]));
        assert!(
            named
                .last()
                .unwrap()
                .starts_with("dylib=mine:patchbay_native_mine_sys_")
        );
        assert!(Replaced::of(&arguments[..4], "x", &out).unwrap().is_none());
    }

    #[test]
    fn damaged_archives_are_left_alone() {
        for length in 0..200 {
            let mut bytes = b"!<arch>\n".to_vec();
            bytes.extend(std::iter::repeat_n(b'9', length));
            show_symbols(&mut bytes);
            let mut object = vec![0x7f, b'E', b'L', b'F', 2, 1];
            object.extend(std::iter::repeat_n(0xff, length));
            show_symbols_of_object(&mut object);
        }
    }
}
