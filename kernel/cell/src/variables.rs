//! The notebook's variables, and what stays of them while a cell has them.
//!
//! A cell takes variables out and puts them back. A cell that never ends puts nothing back: it is given up, and what it had
//! taken comes back from here, as far as that is possible:
//!
//! - A value without a destructor is still where it was before the cell took it, byte by byte.
//! - Of a value that is cheap to clone ([`crate::keep`]) a clone was kept.
//! - A variable that the cell has lent ([`Variables::lend`]) is read from where the cell has it.
//!
//! The lock is held for single steps only, never while a user's code runs, destructors included.

use std::{
    alloc::{Layout, dealloc},
    any::{Any, TypeId},
    collections::HashMap,
    mem::ManuallyDrop,
    sync::{Mutex, MutexGuard},
};

use patchbay_protocol::StoredVariable;

use crate::lock::lock;
use crate::{
    failure::{discard, guarded},
    keep, parts,
};

/// The notebook's variables, by name.
#[derive(Default)]
pub struct Variables(Mutex<Table>);

// SAFETY: the values are a notebook's, and one thread at a time runs cells. Another takes its place only after the one before has
// been stopped for good, or has ended, so no two threads ever use a value at the same time. What a value's type knows of its
// thread (a guard of a lock, a handle to a thread's own data) is what the user would have to know after any interrupt.
unsafe impl Send for Variables {}
// SAFETY: as above; the table itself is behind a lock.
unsafe impl Sync for Variables {}

#[derive(Default)]
struct Table {
    values: HashMap<String, Box<dyn Any>>,
    /// What the running cell has taken.
    taken: HashMap<String, Taken>,
    /// What the running cell has stored or put back.
    stored: Vec<StoredVariable>,
}

/// What stays of a variable that a cell has taken.
struct Taken {
    /// The memory in which the value was. Its bytes are those of the value when it was taken.
    shell: Shell,
    /// Whether the bytes are a value of their own, whatever became of the taken one.
    is_plain: bool,
    kept: Option<Box<dyn Any>>,
    lent: Option<Lent>,
}

/// Where a cell has a variable that it has lent.
#[derive(Clone, Copy)]
struct Lent(*const u8);

/// A box whose value has been moved out.
struct Shell {
    value: *mut dyn Any,
    layout: Layout,
}

impl Shell {
    fn of(value: Box<dyn Any>) -> Shell {
        let layout = Layout::for_value(value.as_ref());
        Shell {
            value: Box::into_raw(value),
            layout,
        }
    }

    fn bytes(&self) -> *mut u8 {
        self.value.cast()
    }

    /// Makes a box of it again.
    ///
    /// # Safety
    ///
    /// Its bytes are a value that nobody else owns.
    unsafe fn fill(self) -> Box<dyn Any> {
        let value = ManuallyDrop::new(self).value;
        // SAFETY: the pointer comes from a box; the caller says that there is a value.
        unsafe { Box::from_raw(value) }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if self.layout.size() > 0 {
            // SAFETY: the memory is that of a box of this layout, whose value has gone.
            unsafe { dealloc(self.bytes(), self.layout) };
        }
    }
}

impl Variables {
    /// Drops the named variables; names that are not there are passed over. Each is dropped, whatever the destructors before it
    /// have done.
    ///
    /// # Errors
    ///
    /// Returns what the first destructor that panicked has said, with the variable's name.
    pub fn remove(&self, names: &[String]) -> Result<(), String> {
        let mut first = Ok(());
        for name in names {
            let value = self.table().values.remove(name);
            if let Err(message) = guarded(|| drop(value))
                && first.is_ok()
            {
                first = Err(format!(
                    "the destructor of `{name}` panicked: {message}; the variable is gone all the same"
                ));
            }
        }
        first
    }

    /// The names of those of the variables that are not there with the type that a program expects.
    pub(crate) fn missing<'a>(&self, expected: &[(&'a str, TypeId)]) -> Vec<&'a str> {
        let table = self.table();
        let is_there = |name: &str, type_id: TypeId| {
            let value = table.values.get(name);
            value.is_some_and(|value| (**value).type_id() == type_id)
        };
        expected
            .iter()
            .filter(|(name, type_id)| !is_there(name, *type_id))
            .map(|(name, _)| *name)
            .collect()
    }

    /// Takes a variable out. The value is the caller's to move from the place that is returned, once; `None` where there is no
    /// variable of that name and type.
    pub(crate) fn take(
        &self,
        name: &str,
        type_id: TypeId,
        has_destructor: bool,
    ) -> Option<*const u8> {
        let value = {
            let mut table = self.table();
            let value = table.values.remove(name)?;
            if (*value).type_id() != type_id {
                table.values.insert(name.to_owned(), value);
                return None;
            }
            value
        };
        // Cloning is done without the lock.
        let kept = if has_destructor {
            keep::handle(value.as_ref())
        } else {
            None
        };
        let taken = Taken {
            shell: Shell::of(value),
            is_plain: !has_destructor,
            kept,
            lent: None,
        };
        let place = taken.shell.bytes().cast_const();
        let before = self.table().taken.insert(name.to_owned(), taken);
        release(before);
        Some(place)
    }

    /// Notes where the running cell has a variable that it has taken.
    pub(crate) fn lend(&self, name: &str, place: *const u8) {
        if let Some(taken) = self.table().taken.get_mut(name) {
            taken.lent = Some(Lent(place));
        }
    }

    /// Stores a value. Returns the one before of that name, whose destructor is a user's code.
    pub(crate) fn put(
        &self,
        name: &str,
        ordinal: usize,
        value: Box<dyn Any>,
        bytes: usize,
    ) -> Option<Box<dyn Any>> {
        // A component tells of its tensors by code of its own.
        let tensors = parts::tensors_of(value.as_ref());
        let tensor = parts::facts_of(value.as_ref());
        let mut table = self.table();
        table.stored.push(StoredVariable {
            name: name.to_owned(),
            ordinal,
            bytes,
            tensor_bytes: tensors.all,
            gpu_bytes: tensors.gpu,
            tensor,
        });
        table.values.insert(name.to_owned(), value)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.table().values.contains_key(name)
    }

    /// Forgets what stayed of the variables that the cell had taken: it has ended. Returns what it has stored.
    pub(crate) fn settle(&self) -> Vec<StoredVariable> {
        let (taken, stored) = {
            let mut table = self.table();
            (
                std::mem::take(&mut table.taken),
                std::mem::take(&mut table.stored),
            )
        };
        taken.into_values().for_each(|taken| release(Some(taken)));
        stored
    }

    /// Brings back what the running cell had taken and not stored; its thread has been stopped for good. Returns all that the cell
    /// has stored or that has come back; what is not among them is gone with the thread.
    ///
    /// # Safety
    ///
    /// The thread that ran the cell never runs again. With `lent_is_whole` it has not begun to drop what it has lent.
    pub unsafe fn recover(&self, lent_is_whole: bool) -> Vec<StoredVariable> {
        let taken = std::mem::take(&mut self.table().taken);
        for (name, mut taken) in taken {
            if self.contains(&name) {
                release(Some(taken));
                continue;
            }
            let bytes = taken.shell.layout.size();
            let back = if let Some(Lent(place)) = taken.lent.filter(|_| lent_is_whole) {
                // SAFETY: the cell promised that the variable stays where it is, unchanged, until it is stored; it was not,
                // and never will be, so this is the one owner. The place is in the stack of a thread that stays.
                unsafe { std::ptr::copy_nonoverlapping(place, taken.shell.bytes(), bytes) };
                discard_kept(taken.kept.take());
                // SAFETY: see above.
                Some(unsafe { taken.shell.fill() })
            } else if taken.is_plain {
                // SAFETY: a value without a destructor owns nothing, so its bytes can be used twice; the other use never goes on.
                Some(unsafe { taken.shell.fill() })
            } else {
                taken.kept.take()
            };
            if let Some(value) = back {
                // There was none of that name.
                drop(self.put(&name, 0, value, bytes));
            }
        }
        std::mem::take(&mut self.table().stored)
    }

    /// Takes the lock and lets go of it: whoever holds it is in the middle of a step.
    pub fn probe(&self) {
        drop(self.table());
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.0)
    }
}

fn release(taken: Option<Taken>) {
    if let Some(taken) = taken {
        discard_kept(taken.kept);
    }
}

/// Drops a clone; it may be the last of its kind, and its destructor a component's.
fn discard_kept(kept: Option<Box<dyn Any>>) {
    if let Some(kept) = kept {
        discard(kept);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    fn take<T: 'static>(variables: &Variables, name: &str) -> T {
        let place = variables.take(name, TypeId::of::<T>(), std::mem::needs_drop::<T>());
        // SAFETY: the value is moved out once.
        unsafe { place.unwrap().cast::<T>().read() }
    }

    fn put<T: 'static>(variables: &Variables, name: &str, value: T) {
        drop(variables.put(name, 1, Box::new(value), size_of::<T>()));
    }

    #[derive(Debug, PartialEq)]
    struct Own(String);

    #[test]
    fn what_a_cell_took_comes_back_by_bytes_by_clone_or_from_where_it_was_lent() {
        let variables = Variables::default();
        put(&variables, "number", [1.5f64, 2.5]);
        put(&variables, "text", "abc".to_owned());
        put(&variables, "lent", Own("lent".to_owned()));
        put(&variables, "lost", Own("lost".to_owned()));
        put(&variables, "stored", Own("before".to_owned()));
        variables.settle();

        let number: [f64; 2] = take(&variables, "number");
        let text: String = take(&variables, "text");
        let lent: Own = take(&variables, "lent");
        variables.lend("lent", (&raw const lent).cast());
        let lost: Own = take(&variables, "lost");
        let stored: Own = take(&variables, "stored");
        assert!(variables.put("stored", 0, Box::new(stored), 24).is_none());

        // SAFETY: what was taken is forgotten below, as if the thread had stopped here.
        let back = unsafe { variables.recover(true) };
        std::mem::forget((number, text, lent, lost));
        let mut names: Vec<_> = back.into_iter().map(|stored| stored.name).collect();
        names.sort();
        assert_eq!(names, ["lent", "number", "stored", "text"]);
        assert_eq!(take::<[f64; 2]>(&variables, "number"), [1.5, 2.5]);
        assert_eq!(take::<String>(&variables, "text"), "abc");
        assert_eq!(take::<Own>(&variables, "lent"), Own("lent".to_owned()));
        assert_eq!(take::<Own>(&variables, "stored"), Own("before".to_owned()));
        assert!(!variables.contains("lost"));
    }

    #[test]
    fn what_was_lent_and_may_be_dropped_does_not_come_back() {
        let variables = Variables::default();
        put(&variables, "own", Own("x".to_owned()));
        variables.settle();
        let own: Own = take(&variables, "own");
        variables.lend("own", (&raw const own).cast());
        // SAFETY: nothing is read.
        assert!(unsafe { variables.recover(false) }.is_empty());
    }

    #[test]
    fn every_variable_is_dropped_once_whatever_destructors_do() {
        struct Counts(Rc<Cell<u32>>, bool);
        impl Drop for Counts {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
                assert!(!self.1, "this one panics");
            }
        }
        let count = Rc::new(Cell::new(0));
        let variables = Variables::default();
        for (name, panics) in [("a", true), ("b", false), ("c", true)] {
            put(&variables, name, Counts(count.clone(), panics));
        }
        let names = ["a", "b", "x", "c"].map(str::to_owned);
        let message = variables.remove(&names).unwrap_err();
        assert!(message.contains("`a`"), "{message}");
        assert_eq!(count.get(), 3);
        put(&variables, "d", Counts(count.clone(), false));
        drop(take::<Counts>(&variables, "d"));
        variables.settle();
        assert_eq!(count.get(), 4);
    }
}
