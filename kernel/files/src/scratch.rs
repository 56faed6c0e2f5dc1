//! The folders in which processes keep their files while they live.
//!
//! All are in one folder a user, `patchbay-UID` in the folder for temporary files, which nobody else can list or change. Each
//! has a name that cannot be guessed and a marker that says whose it is: its own name and inode, and the process with the
//! time of its start. Only a folder whose marker says that this program made that very folder, and whose process has ended,
//! is ever removed.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{create_new, open, read_text, unique_name, user};

/// How the names of the folders begin. They are short, because the path of a socket may have 107 bytes.
const PREFIX: &str = "s-";

/// The digits behind it.
const DIGITS: usize = 16;

/// The file in each of them that says whose it is; its process holds a lock on it.
const MARKER: &str = "owner";

/// What a marker begins with.
const TITLE: &str = "patchbay: the folder of a process, removed with it";

/// A folder of this process. Dropping it removes the folder; what a killed process leaves is removed by
/// [`Scratch::remove_abandoned`].
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    inode: u64,
    _marker: File,
}

impl Scratch {
    /// Makes a folder in that for temporary files.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be written.
    pub fn new() -> io::Result<Scratch> {
        Scratch::new_in(&std::env::temp_dir())
    }

    /// Makes a folder in this folder's part for the user.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be written.
    pub fn new_in(parent: &Path) -> io::Result<Scratch> {
        let root = root(parent)?;
        let name = format!("{PREFIX}{}", &unique_name()?[..DIGITS]);
        let path = root.join(name);
        create_folder(&path)?;
        Ok(Scratch {
            held: Mutex::new(mark(&path)?),
            path,
        })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder again if somebody has removed it. Returns whether that was so.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be made.
    pub fn ensure(&self) -> io::Result<bool> {
        let mut held = self.held();
        let found = fs::symlink_metadata(&self.path);
        if found
            .as_ref()
            .is_ok_and(|found| found.is_dir() && found.ino() == held.inode)
        {
            return Ok(false);
        }
        let root = self.path.parent().unwrap_or(Path::new("/"));
        if let Err(error) = create_folder(root)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        if !is_private(root) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{} is not this user's alone any more", root.display()),
            ));
        }
        match create_folder(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Somebody who writes into it was faster.
                fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))?;
            }
            other => other?,
        }
        *held = mark(&self.path)?;
        Ok(true)
    }

    /// Removes the folders of this user whose processes have ended, in the folder for temporary files.
    pub fn remove_abandoned() {
        remove_abandoned_in(&std::env::temp_dir());
    }

    /// A panic cannot leave it half-written: it is set as a whole.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let inode = self.held().inode;
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| found.is_dir() && found.ino() == inode);
        if is_ours {
            let _ = fs::remove_dir_all(&self.path);
        }
        // A part of its own for this user, made because the usual one was taken, goes when it is empty.
        if let Some(root) = self.path.parent()
            && root.file_name() != Some(name_of_root().as_ref())
        {
            let _ = fs::remove_dir(root);
        }
    }
}

fn name_of_root() -> String {
    format!("patchbay-{}", user())
}

/// The folder of all these folders of the user; another one where something that is not the user's alone has its name.
fn root(parent: &Path) -> io::Result<PathBuf> {
    let usual = parent.join(name_of_root());
    match create_folder(&usual) {
        Ok(()) => return Ok(usual),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) if is_private(&usual) => return Ok(usual),
        Err(_) => {}
    }
    let other = parent.join(format!("{}-{}", name_of_root(), &unique_name()?[..DIGITS]));
    create_folder(&other)?;
    Ok(other)
}

/// Makes one folder, which nothing may have the name of.
fn create_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)?;
    // A umask takes bits away.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// Whether this is a folder, no link to one, that is this user's and that nobody else can enter.
fn is_private(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == user() && found.mode() & 0o077 == 0)
}

/// Writes the marker of a folder. It has its name once it is locked: a folder without it is one that is being made.
fn mark(path: &Path) -> io::Result<Held> {
    let inode = fs::symlink_metadata(path)?.ino();
    let aside = path.join(format!(".{MARKER}-{}", unique_name()?));
    let mut marker = create_new(&aside, 0o600)?;
    marker.write_all(text_of(path, inode, process::id()).as_bytes())?;
    // On a file system without locks the process alone tells.
    let _ = marker.try_lock();
    fs::rename(&aside, path.join(MARKER))?;
    Ok(Held {
        inode,
        _marker: marker,
    })
}

fn text_of(path: &Path, inode: u64, pid: u32) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let start = start_of(pid).unwrap_or_default();
    format!("{TITLE}\nname {name}\ninode {inode}\npid {pid}\nstart {start}\n")
}

/// When a process was started, in the system's ticks; `None` where there is no such process.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program is in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

fn remove_abandoned_in(parent: &Path) {
    let name = name_of_root();
    let is_root = |found: &str| {
        found == name
            || found
                .strip_prefix(&name)
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(is_digits)
    };
    for root in entries(parent, is_root).filter(|root| is_private(root)) {
        let is_scratch = |found: &str| found.strip_prefix(PREFIX).is_some_and(is_digits);
        for path in entries(&root, is_scratch) {
            if is_abandoned(&path) {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

fn entries(folder: &Path, fits: impl Fn(&str) -> bool) -> impl Iterator<Item = PathBuf> {
    let listing = fs::read_dir(folder).into_iter().flatten().flatten();
    listing
        .filter(move |entry| entry.file_name().to_str().is_some_and(&fits))
        .map(|entry| entry.path())
}

fn is_digits(text: &str) -> bool {
    text.len() == DIGITS
        && text
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether this program made the folder for a process that has ended.
fn is_abandoned(path: &Path) -> bool {
    if !is_private(path) {
        return false;
    }
    let marker = path.join(MARKER);
    let (Ok(file), Ok(text)) = (open(&marker), read_text(&marker)) else {
        return false;
    };
    let Some(pid) = text
        .lines()
        .find_map(|line| line.strip_prefix("pid ")?.parse::<u32>().ok())
    else {
        return false;
    };
    let start = text
        .lines()
        .find_map(|line| line.strip_prefix("start ")?.parse::<u64>().ok());
    let inode = fs::symlink_metadata(path).map_or(0, |found| found.ino());
    let expected = |start: u64| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("{TITLE}\nname {name}\ninode {inode}\npid {pid}\nstart {start}\n")
    };
    let Some(start) = start.filter(|&start| text == expected(start)) else {
        return false;
    };
    // In another container processes have other numbers; there the lock tells.
    let lives = start_of(pid) == Some(start) || !Path::new("/proc/self/stat").exists();
    let is_locked = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    !lives && !is_locked
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Leaves a folder as a killed process does: its marker names a process that has ended.
    fn abandon(parent: &Path) -> PathBuf {
        let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let scratch = Scratch::new_in(parent).unwrap();
        let path = scratch.path().to_owned();
        let inode = fs::metadata(&path).unwrap().ino();
        let text = text_of(&path, inode, pid);
        std::mem::forget(scratch);
        fs::remove_file(path.join(MARKER)).unwrap();
        fs::write(path.join(MARKER), text).unwrap();
        fs::write(path.join("cell.rs"), "").unwrap();
        path
    }

    #[test]
    fn only_what_a_process_left_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let held = Scratch::new_in(parent.path()).unwrap();
        let root = held.path().parent().unwrap().to_owned();
        let left = abandon(parent.path());
        // What others have made, however much it looks like it.
        let copied = root.join("s-0123456789abcdef");
        let renamed = root.join("s-fedcba9876543210");
        let named = root.join("thesis");
        let old = parent.path().join("patchbay-thesis");
        for folder in [&copied, &named, &old] {
            fs::create_dir(folder).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
            fs::write(folder.join("lock"), "").unwrap();
            fs::copy(left.join(MARKER), folder.join(MARKER)).unwrap();
        }
        fs::rename(abandon(parent.path()), &renamed).unwrap();
        let hanging = root.join("s-aaaaaaaaaaaaaaaa");
        fs::create_dir(&hanging).unwrap();
        fs::set_permissions(&hanging, fs::Permissions::from_mode(0o700)).unwrap();
        let fifo = hanging.join(MARKER);
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        let link = root.join("s-bbbbbbbbbbbbbbbb");
        std::os::unix::fs::symlink(&old, &link).unwrap();
        remove_abandoned_in(parent.path());
        assert!(!left.exists());
        for kept in [
            held.path(),
            &copied,
            &renamed,
            &named,
            &old,
            &hanging,
            &link,
        ] {
            assert!(kept.exists(), "{}", kept.display());
        }
        let path = held.path().to_owned();
        drop(held);
        assert!(!path.exists() && root.exists());
    }

    #[test]
    fn a_name_that_is_taken_is_not_used() {
        let parent = tempfile::tempdir().unwrap();
        let usual = parent.path().join(name_of_root());
        fs::create_dir(&usual).unwrap();
        fs::set_permissions(&usual, fs::Permissions::from_mode(0o777)).unwrap();
        let scratch = Scratch::new_in(parent.path()).unwrap();
        let root = scratch.path().parent().unwrap().to_owned();
        assert_ne!(root, usual);
        assert!(is_private(&root));
        drop(scratch);
        assert!(!root.exists() && usual.exists());
    }

    #[test]
    fn a_folder_that_was_removed_is_made_again() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new_in(parent.path()).unwrap();
        assert!(!scratch.ensure().unwrap());
        fs::remove_dir_all(scratch.path().parent().unwrap()).unwrap();
        assert!(scratch.ensure().unwrap());
        assert!(is_private(scratch.path()) && scratch.path().join(MARKER).is_file());
        assert!(!scratch.ensure().unwrap());
        remove_abandoned_in(parent.path());
        assert!(scratch.path().exists());
    }
}
