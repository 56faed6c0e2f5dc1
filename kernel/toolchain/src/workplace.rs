//! Where a session works: the folder of its files, and the snapshot that it compiles against. Both are looked after while it
//! runs, because somebody may tidy up.

use parking_lot::Mutex;
use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use patchbay_files::Scratch;

use crate::snapshot::Held;

/// A session's place of work. Dropping it removes the folder.
#[derive(Debug)]
pub struct Workplace {
    scratch: Scratch,
    snapshot: Option<Arc<Held>>,
    /// What the user has not been told yet.
    notes: Mutex<Vec<String>>,
}

impl Workplace {
    /// Makes the folder, and removes in the background those whose processes have ended.
    ///
    /// # Errors
    ///
    /// Fails where there is no folder for such files.
    pub fn new(snapshot: Option<Arc<Held>>) -> Result<Workplace> {
        let scratch = Scratch::new().with_context(|| {
            format!(
                "no folder for the session's files in {}; set TMPDIR to one that can be written",
                std::env::temp_dir().display()
            )
        })?;
        tokio::task::spawn_blocking(Scratch::remove_abandoned);
        Ok(Workplace {
            scratch,
            snapshot,
            notes: Mutex::default(),
        })
    }

    /// The folder for programs, sockets and libraries of this session.
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Makes again what somebody has removed, and notes it for the user.
    ///
    /// # Errors
    ///
    /// Says what is missing and cannot be made.
    pub fn restore(&self) -> Result<()> {
        let made_again = self.scratch.ensure().with_context(|| {
            format!(
                "the folder of this session's files, {}, was removed and cannot be made again",
                self.path().display()
            )
        })?;
        if made_again {
            self.note(format!(
                "the folder of this session's files was removed while it ran; it was made again: {}",
                self.path().display()
            ));
        }
        if let Some(snapshot) = &self.snapshot
            && snapshot.restore()?
        {
            self.note(format!(
                "files of the SDK snapshot were removed while it was in use; they were put back: {}",
                snapshot.prefix().display()
            ));
        }
        Ok(())
    }

    /// Checks what a runtime loads, after one that did not come up, and mends it.
    ///
    /// # Errors
    ///
    /// Says what is damaged and cannot be mended.
    pub fn mend(&self) -> Result<()> {
        if let Some(snapshot) = &self.snapshot
            && let Some(done) = snapshot.mend()?
        {
            self.note(done);
        }
        Ok(())
    }

    /// Notes something for the user.
    pub fn note(&self, text: String) {
        self.notes.lock().push(text);
    }

    /// What was noted since the last call.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock())
    }
}
