//! The way of an error through functions of cells: each `?` that passes one on notes its place.
//!
//! The engine writes `__at(value)?` where a function or a closure of a cell has `value?`. A value that is no error costs a
//! comparison, which the compiler has to make for the `?` anyway. An error costs a note, some nanoseconds.
//!
//! An error that has been handled leaves its notes behind. A note further down the stack than the one before begins another way;
//! what is left the host tells apart by what each `?` calls.

use std::{
    cell::RefCell, collections::VecDeque, ops::ControlFlow, panic::Location, ptr, task::Poll,
};

/// How many notes are kept, the last ones.
const MOST_NOTES: usize = 64;

/// A place that an error has passed.
struct Note {
    location: &'static Location<'static>,
    /// An address in the frame of the function.
    frame: usize,
}

thread_local! {
    static NOTES: RefCell<VecDeque<Note>> = const { RefCell::new(VecDeque::new()) };
}

/// What `?` can follow.
#[diagnostic::on_unimplemented(
    message = "the `?` operator can only be applied to values that implement `Try`",
    label = "the `?` operator cannot be applied to type `{Self}`"
)]
pub trait Fallible {
    /// Returns whether `?` returns from the function.
    fn returns(&self) -> bool;
}

impl<T, E> Fallible for Result<T, E> {
    #[inline(always)]
    fn returns(&self) -> bool {
        self.is_err()
    }
}

impl<T> Fallible for Option<T> {
    #[inline(always)]
    fn returns(&self) -> bool {
        self.is_none()
    }
}

impl<B, C> Fallible for ControlFlow<B, C> {
    #[inline(always)]
    fn returns(&self) -> bool {
        self.is_break()
    }
}

impl<T, E> Fallible for Poll<Result<T, E>> {
    #[inline(always)]
    fn returns(&self) -> bool {
        matches!(self, Poll::Ready(Err(_)))
    }
}

impl<T, E> Fallible for Poll<Option<Result<T, E>>> {
    #[inline(always)]
    fn returns(&self) -> bool {
        matches!(self, Poll::Ready(Some(Err(_))))
    }
}

/// Returns the value, having noted the caller's place where `?` returns from the function.
#[doc(hidden)]
#[inline(always)]
#[track_caller]
pub fn __at<T: Fallible>(value: T) -> T {
    if value.returns() {
        note(Location::caller());
    }
    value
}

#[cold]
#[inline(never)]
fn note(location: &'static Location<'static>) {
    let marker = 0u8;
    let frame = ptr::from_ref(&marker).addr();
    // A thread that ends has no notes any more.
    let _ = NOTES.try_with(|notes| {
        // What a destructor notes meanwhile is left out.
        let Ok(mut notes) = notes.try_borrow_mut() else {
            return;
        };
        if notes.back().is_some_and(|last| frame < last.frame) {
            notes.clear();
        }
        if notes.len() == MOST_NOTES {
            notes.pop_front();
        }
        notes.push_back(Note { location, frame });
    });
}

/// Takes the places out that were noted since the last call, innermost first.
pub(crate) fn take() -> Vec<&'static Location<'static>> {
    let notes = NOTES.take();
    notes.into_iter().map(|note| note.location).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn inner(fails: bool) -> Result<u8, String> {
        let value: Result<u8, String> = if fails { Err("no".to_owned()) } else { Ok(1) };
        Ok(__at(value)? + 1)
    }

    #[inline(never)]
    fn outer(fails: bool) -> Option<u8> {
        let value = __at(inner(fails).ok())?;
        Some(value + 1)
    }

    #[test]
    fn errors_leave_their_way_and_values_nothing() {
        assert_eq!(outer(false), Some(3));
        assert!(take().is_empty());
        assert_eq!(outer(true), None);
        let lines: Vec<u32> = take().iter().map(|place| place.line()).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0] < lines[1], "{lines:?}");
    }

    #[test]
    fn a_way_begins_anew_further_down_and_has_an_end() {
        let _ = outer(true);
        let _ = outer(true);
        assert_eq!(take().len(), 2);
        let mut last = None;
        for _ in 0..10 * MOST_NOTES {
            last = __at(Err::<u8, u8>(1)).ok();
        }
        assert_eq!(last, None);
        assert_eq!(take().len(), MOST_NOTES);
    }
}
