//! The processes and threads that a cell has started, as the system lists them.

use std::{fs, mem::MaybeUninit};

use rustix::fs::{Mode, OFlags, RawDir, open};

use crate::clock;

/// What is written in `/proc` of a process or thread.
struct Status {
    name: String,
    group: i32,
    /// When it was started, in milliseconds since the machine was.
    started: u64,
}

/// The processes that were started since `began` in the group that this process leads.
pub fn processes_since(began: u64) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    // SAFETY: the call only asks for a number.
    if unsafe { libc::getpgrp() } != own {
        return Vec::new();
    }
    entries("/proc")
        .into_iter()
        .filter(|(id, status)| *id != own && status.group == own && is_since(status, began))
        .map(|(id, _)| id)
        .collect()
}

/// The threads that were started since `began` by a thread of this name, and have no name of their own.
pub fn threads_since(began: u64, name: &str) -> Vec<i32> {
    entries("/proc/self/task")
        .into_iter()
        .filter(|(_, status)| status.name == name && is_since(status, began))
        .map(|(id, _)| id)
        .collect()
}

/// The system notes a time in hundredths of a second.
fn is_since(status: &Status, began: u64) -> bool {
    status.started + 20 >= began
}

/// The listing is read into the stack: the standard library takes 32 kB from the heap for it, and what the next thread of cells
/// allocates would come to lie in the gap that this leaves, each time a cell is given up.
fn entries(folder: &str) -> Vec<(i32, Status)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(opened) = open(folder, flags, Mode::empty()) else {
        return Vec::new();
    };
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut listing = RawDir::new(opened, &mut buffer);
    let mut entries = Vec::new();
    while let Some(Ok(entry)) = listing.next() {
        let id = entry.file_name().to_str().ok();
        let Some(id) = id.and_then(|name| name.parse().ok()) else {
            continue;
        };
        // What has ended in the meantime is not listed.
        let stat = fs::read_to_string(format!("{folder}/{id}/stat"));
        if let Some(status) = stat.ok().and_then(|stat| parse(&stat)) {
            entries.push((id, status));
        }
    }
    entries
}

/// Reads `stat`; a name may have spaces and brackets in it (proc_pid_stat(5)).
fn parse(stat: &str) -> Option<Status> {
    let (_, rest) = stat.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    // Behind the name the third field follows, of which the group is the fifth and the start the 22nd.
    let group = fields.nth(2)?.parse().ok()?;
    let started = fields.nth(16)?.parse().ok()?;
    Some(Status {
        name: name.to_owned(),
        group,
        started: clock::of_ticks(started),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_brackets_and_spaces() {
        let stat = "12 (a) (b c) S 1 77 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 500 20";
        let status = parse(stat).unwrap();
        assert_eq!((status.name.as_str(), status.group), ("a) (b c", 77));
        assert_eq!(status.started, clock::of_ticks(500));
    }

    #[test]
    fn threads_of_before_are_not_listed() {
        let began = clock::now();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("tasks-of-test".to_owned())
            .spawn(move || {
                let inner = std::thread::spawn(move || {
                    let _ = receiver.recv();
                });
                inner.join().unwrap();
            })
            .unwrap();
        while threads_since(began, "tasks-of-test").len() < 2 {
            std::thread::yield_now();
        }
        assert!(threads_since(clock::now() + 1000, "tasks-of-test").is_empty());
        drop(sender);
        thread.join().unwrap();
    }
}
