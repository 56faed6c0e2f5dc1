//! Places in the notebook: `cell 7:3` for what the compiler knows as a line of a generated program.
//!
//! A cell's program does not say which cell it is, because equal programs are compiled once. The host tells the runtime with each
//! run; what asks for a place at run time asks here.

use std::{
    collections::{HashMap, VecDeque},
    sync::{LazyLock, Mutex, MutexGuard},
};

use crate::lock::lock;
use patchbay_protocol::LineMap;

/// How many programs are remembered. A thread of an older one is told of by its program's name.
const MOST_PROGRAMS: usize = 4096;

#[derive(Default)]
struct Table {
    programs: HashMap<String, LineMap>,
    /// The programs' files, the one that was noted first in front.
    order: VecDeque<String>,
    /// The texts of `file!()`, one a cell.
    files: HashMap<u32, &'static str>,
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

/// Notes where a program's lines stand.
#[doc(hidden)]
pub fn note(line_map: LineMap) {
    if line_map.file.is_empty() {
        return;
    }
    let mut table = table();
    let file = line_map.file.clone();
    if table.programs.insert(file.clone(), line_map).is_none() {
        table.order.push_back(file);
        if table.order.len() > MOST_PROGRAMS
            && let Some(oldest) = table.order.pop_front()
        {
            table.programs.remove(&oldest);
        }
    }
}

/// The cell of a program's line, and the line in it if it is one of a cell's.
pub(crate) fn find(file: &str, line: u32) -> Option<(u32, Option<u32>)> {
    let name = file.rsplit('/').next()?;
    Some(table().programs.get(name)?.find(line))
}

/// A place as it is printed.
pub(crate) fn text(cell: u32, line: Option<u32>, column: Option<u32>) -> String {
    let mut text = format!("cell {cell}");
    for number in [line, column.filter(|_| line.is_some())]
        .into_iter()
        .flatten()
    {
        text.push_str(&format!(":{number}"));
    }
    text
}

/// What `file!()` is in a cell.
#[doc(hidden)]
pub fn file(file: &'static str, line: u32) -> &'static str {
    let Some((cell, _)) = find(file, line) else {
        return file;
    };
    table()
        .files
        .entry(cell)
        .or_insert_with(|| Box::leak(text(cell, None, None).into_boxed_str()))
}

/// What `line!()` is in a macro that a cell defines.
#[doc(hidden)]
pub fn line(file: &str, line: u32) -> u32 {
    find(file, line).and_then(|(_, line)| line).unwrap_or(line)
}

/// The place that `dbg!` prints.
#[doc(hidden)]
pub fn here(file: &str, line: u32, column: u32) -> String {
    match find(file, line) {
        Some((cell, line)) => text(cell, line, Some(column)),
        None => format!("{file}:{line}:{column}"),
    }
}

/// Takes the lock and lets go of it.
#[doc(hidden)]
pub fn probe() {
    drop(table());
}

fn table() -> MutexGuard<'static, Table> {
    lock(&TABLE)
}

/// `file!()` as a cell sees it. The engine writes the calls.
#[doc(hidden)]
#[macro_export]
macro_rules! __file {
    ($(,)?) => {
        $crate::place::file(::core::file!(), ::core::line!())
    };
}

/// `line!()` in a macro that a cell defines. The engine writes the calls.
#[doc(hidden)]
#[macro_export]
macro_rules! __line {
    ($(,)?) => {
        $crate::place::line(::core::file!(), ::core::line!())
    };
}

/// `std::dbg!` with the cell's place. The engine writes the calls.
#[doc(hidden)]
#[macro_export]
macro_rules! __dbg {
    () => {
        ::std::eprintln!("[{}]", $crate::place::here(::core::file!(), ::core::line!(), ::core::column!()))
    };
    ($value:expr $(,)?) => {
        // `match`, so that temporaries live as long as in a call.
        match $value {
            value => {
                ::std::eprintln!(
                    "[{}] {} = {:#?}",
                    $crate::place::here(::core::file!(), ::core::line!(), ::core::column!()),
                    ::core::stringify!($value),
                    &&value as &dyn ::core::fmt::Debug
                );
                value
            }
        }
    };
    ($($value:expr),+ $(,)?) => {
        ($($crate::__dbg!($value)),+,)
    };
}

#[cfg(test)]
mod tests {
    use patchbay_protocol::LineRange;

    use super::*;

    #[test]
    fn lines_of_a_program_are_places_in_cells() {
        let range = LineRange {
            first: 4,
            count: 2,
            cell: 7,
            line: 3,
        };
        note(LineMap {
            file: "cell_test.rs".to_owned(),
            cell: 9,
            lines: vec![range],
        });
        assert_eq!(here("/tmp/cell_test.rs", 5, 2), "cell 7:4:2");
        assert_eq!(here("cell_test.rs", 1, 2), "cell 9");
        assert_eq!(file("cell_test.rs", 4), "cell 7");
        assert_eq!(file("other.rs", 4), "other.rs");
        assert_eq!(here("other.rs", 4, 1), "other.rs:4:1");
    }
}
