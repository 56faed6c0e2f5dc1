//! Taking stdout and stderr away from a thread that will never go on.
//!
//! A cell may lock stdout and then block. The standard library's lock belongs to a thread, and there is no way to ask for it or to
//! open it from outside. So its parts are found out by looking at its memory while it is locked once and twice; where they are not
//! exactly as expected, nothing is ever taken away, and such a cell costs its process.

use std::{
    array, io, mem, panic, ptr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// How many words of a stream are looked at; its lock is among them.
const WORDS: usize = 16;

/// The parts of a lock that can be taken again by the thread that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    /// 0: free; 1: taken; 2: taken, and others wait.
    mutex: usize,
    owner: usize,
    /// How many times its owner has taken it.
    count: usize,
}

/// A stream, as the address of its words.
struct Stream {
    words: &'static [AtomicU32; WORDS],
    parts: Parts,
}

static STREAMS: OnceLock<Option<[Stream; 2]>> = OnceLock::new();

/// What the owner's word is while the thread of the cells has a lock; 0 if that is not known.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Learns how the thread of the cells looks in a lock; it calls this at its start. The first one learns where the parts are.
pub fn note_thread() {
    /// Another thread may be printing at the same time.
    const ATTEMPTS: usize = 50;
    let learn = || Some([stdout()?, stderr()?]);
    let streams = STREAMS.get_or_init(|| (0..ATTEMPTS).find_map(|_| learn()));
    let owner = streams.as_ref().map_or(0, |[stdout, _]| {
        let _lock = io::stdout().lock();
        stdout.words[stdout.parts.owner].load(Ordering::SeqCst)
    });
    OWNER.store(owner, Ordering::SeqCst);
}

fn stdout() -> Option<Stream> {
    let stream = io::stdout();
    // SAFETY: see `words`; the handle is a reference to what is static.
    let words = unsafe { words(&stream) }?;
    let look = || array::from_fn(|index| words[index].load(Ordering::SeqCst));
    let free = look();
    let once = stream.lock();
    let locked = look();
    let twice = stream.lock();
    let relocked = look();
    drop((once, twice));
    let parts = parts(free, locked, relocked, look())?;
    Some(Stream { words, parts })
}

fn stderr() -> Option<Stream> {
    let stream = io::stderr();
    // SAFETY: as in `stdout`.
    let words = unsafe { words(&stream) }?;
    let look = || array::from_fn(|index| words[index].load(Ordering::SeqCst));
    let free = look();
    let once = stream.lock();
    let locked = look();
    let twice = stream.lock();
    let relocked = look();
    drop((once, twice));
    let parts = parts(free, locked, relocked, look())?;
    Some(Stream { words, parts })
}

/// The first words of what a handle refers to.
///
/// # Safety
///
/// The handle is a reference to something static. That it is as long as a reference is checked; what follows it in memory if it is shorter
/// than what is looked at is the standard library's data, and is only read.
unsafe fn words<T>(handle: &T) -> Option<&'static [AtomicU32; WORDS]> {
    if size_of::<T>() != size_of::<usize>() {
        return None;
    }
    // SAFETY: the sizes are equal, and every pointer has a valid pattern.
    let place: *const [AtomicU32; WORDS] = unsafe { mem::transmute_copy(handle) };
    // SAFETY: it is static, and read word by word as others may write it.
    (place.is_aligned() && !place.is_null()).then(|| unsafe { &*place })
}

/// Which words are the lock's, by what they were while it was free, locked once, locked twice, and free again.
fn parts(
    free: [u32; WORDS],
    once: [u32; WORDS],
    twice: [u32; WORDS],
    again: [u32; WORDS],
) -> Option<Parts> {
    let changed: Vec<usize> = (0..WORDS)
        .filter(|&index| free[index] != once[index])
        .collect();
    let [_, _, _] = changed[..] else { return None };
    let all_free = changed.iter().all(|&index| free[index] == 0);
    let count = *changed
        .iter()
        .find(|&&index| (once[index], twice[index]) == (1, 2))?;
    let same = |index: &&usize| once[**index] == twice[**index];
    let rest: Vec<usize> = changed.iter().filter(same).copied().collect();
    // The thread of the cells is not the process's first one, whose number is 1.
    let mutex = *rest.iter().find(|&&index| once[index] == 1)?;
    let owner = *rest.iter().find(|&&index| once[index] > 1)?;
    (all_free && free == again).then_some(Parts {
        mutex,
        owner,
        count,
    })
}

impl Stream {
    fn is_held_by_cells(&self) -> bool {
        let word = |index: usize| self.words[index].load(Ordering::SeqCst);
        let owner = OWNER.load(Ordering::SeqCst);
        owner != 0
            && word(self.parts.owner) == owner
            && word(self.parts.mutex) != 0
            && word(self.parts.count) > 0
    }

    /// # Safety
    ///
    /// The thread of the cells has it, and never goes on.
    unsafe fn free(&self) {
        let set = |index: usize| self.words[index].swap(0, Ordering::SeqCst);
        set(self.parts.count);
        set(self.parts.owner);
        if set(self.parts.mutex) > 1 {
            // SAFETY: the word is static; one of those who wait is woken, as the owner would have done.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.words[self.parts.mutex].as_ptr(),
                    libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                    1,
                    ptr::null::<libc::timespec>(),
                );
            }
        }
    }
}

fn known() -> impl Iterator<Item = &'static Stream> {
    STREAMS.get().into_iter().flatten().flatten()
}

/// Whether the thread of the cells has one of the streams. It must not be running.
pub fn are_held_by_cells() -> bool {
    known().any(Stream::is_held_by_cells)
}

/// Takes the streams away from the thread of the cells. Returns whether they can be used after that: they cannot if it was in the middle of
/// writing.
///
/// # Safety
///
/// The thread of the cells is held and never goes on.
pub unsafe fn take_away() -> bool {
    for stream in known().filter(|stream| stream.is_held_by_cells()) {
        // SAFETY: the caller's.
        unsafe { stream.free() };
    }
    panic::catch_unwind(|| {
        use io::Write;
        // A writer that is in use panics where it is borrowed again.
        io::stdout().flush().is_ok() && io::stderr().write(&[]).is_ok()
    })
    .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use super::*;

    #[test]
    fn a_stream_is_taken_away_from_a_thread_that_stays() {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            note_thread();
            sender.send(are_held_by_cells()).unwrap();
            let _locks = (io::stderr().lock(), io::stderr().lock());
            sender.send(are_held_by_cells()).unwrap();
            loop {
                thread::park();
            }
        });
        assert!(!receiver.recv().unwrap());
        assert!(receiver.recv().unwrap());
        // SAFETY: the thread does nothing from here on.
        assert!(unsafe { take_away() });
        assert!(!are_held_by_cells());
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            drop(io::stderr().lock());
            sender.send(()).unwrap();
        });
        receiver.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn words_that_are_not_as_expected_are_no_lock() {
        let free = [0; WORDS];
        let mut once = free;
        (once[2], once[4], once[9]) = (1, 7, 1);
        let mut twice = once;
        twice[9] = 2;
        let expected = Parts {
            mutex: 2,
            owner: 4,
            count: 9,
        };
        assert_eq!(parts(free, once, twice, free), Some(expected));
        assert_eq!(parts(free, once, once, free), None);
        assert_eq!(parts(free, once, twice, once), None);
        let mut more = once;
        more[11] = 1;
        assert_eq!(parts(free, more, twice, free), None);
    }
}
