//! To whom a folder belongs, and who else can write to it.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The effective user of this process.
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Checks that nobody but this user and the system's administrator can change what is in a folder. A folder that is not
/// there passes.
///
/// # Errors
///
/// Says who can, and the command that mends it.
pub fn check_folder(folder: &Path) -> Result<(), String> {
    let shown = folder.display();
    let metadata = match fs::metadata(folder) {
        Ok(metadata) => metadata,
        Err(_) => return Ok(()),
    };
    if !metadata.is_dir() {
        return Err(format!(
            "{shown} should be a folder and is none\ntype: mv {0} {0}.old",
            quoted(folder)
        ));
    }
    let owner = metadata.uid();
    if owner != user() && owner != 0 {
        return Err(format!(
            "{shown} belongs to another user (uid {owner}; this one is {}), who could change what is run from it\n\
             type: mv {1} {1}.old",
            user(),
            quoted(folder)
        ));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(format!(
            "others can write to {shown} (mode {:04o}) and could change what is run from it\ntype: chmod -R go-w {}",
            metadata.mode() & 0o7777,
            quoted(folder)
        ));
    }
    match movable_ancestor(folder) {
        Some((ancestor, mode)) => Err(format!(
            "others can write to {} (mode {mode:04o}) and could put another folder in the place of {shown}\n\
             type: chmod go-w {}",
            ancestor.display(),
            quoted(&ancestor)
        )),
        None => Ok(()),
    }
}

/// A folder above this one in which everybody can rename what is there. In one with the sticky bit, as `/tmp` has it, only
/// the owner of an entry can.
fn movable_ancestor(folder: &Path) -> Option<(PathBuf, u32)> {
    let real = folder.canonicalize().ok()?;
    real.ancestors().skip(1).find_map(|ancestor| {
        let mode = fs::metadata(ancestor).ok()?.mode() & 0o7777;
        (mode & 0o002 != 0 && mode & 0o1000 == 0).then(|| (ancestor.to_owned(), mode))
    })
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |character: char| {
        character.is_alphanumeric() || matches!(character, '/' | '.' | '_' | '-' | '+' | ',')
    };
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_others_can_write_to_is_named_with_what_mends_it() {
        let root = tempfile::tempdir().unwrap();
        let above = root.path().join("a b");
        let folder = above.join("cells");
        fs::create_dir_all(&folder).unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&above, 0o755);
        for (mode, passes) in [
            (0o700, true),
            (0o755, true),
            (0o770, false),
            (0o722, false),
            (0o777, false),
            (0o1777, false),
        ] {
            set(&folder, mode);
            let found = check_folder(&folder);
            assert_eq!(found.is_ok(), passes, "{mode:o} {found:?}");
            if let Err(text) = found {
                assert!(text.contains("\ntype: chmod -R go-w '"), "{text}");
            }
        }
        set(&folder, 0o700);
        set(&above, 0o777);
        assert!(
            check_folder(&folder)
                .unwrap_err()
                .contains("another folder")
        );
        set(&above, 0o1777);
        check_folder(&folder).unwrap();
        check_folder(&folder.join("missing")).unwrap();
        let file = above.join("file");
        fs::write(&file, "").unwrap();
        assert!(
            check_folder(&file)
                .unwrap_err()
                .contains("should be a folder")
        );
    }
}
