//# two traits of one name
//= fmt
use std::fmt::Write;
//= render
fn render(n: u32) -> String { let mut text = String::new(); write!(text, "<{n}>").unwrap(); text }
//= put
fn put<W: Write>(to: &mut W) { to.write_str("x").unwrap(); }
//= io
use std::io::Write;
//= bytes
fn bytes(text: &str) -> Vec<u8> { let mut out = Vec::new(); out.write_all(text.as_bytes()).unwrap(); out }
//show
{ let mut text = String::new(); put(&mut text); (render(3), text, bytes("ab")) }

//# types and traits keep the names that they were made with
//= fmt
use std::fmt::Write;
//= holder
struct Holder<W: Write> { inner: W }
impl<W: Write> Holder<W> { fn put(&mut self, text: &str) { self.inner.write_str(text).unwrap(); } }
//= trait
trait Render { fn n(&self) -> u32; fn render(&self) -> String { let mut text = String::new(); write!(text, "{}", self.n()).unwrap(); text } }
impl Render for u32 { fn n(&self) -> u32 { *self } }
//= io
use std::io::Write;
//show
{ let mut holder = Holder { inner: String::new() }; holder.put("a"); (holder.inner, 7u32.render()) }

//# a module keeps the names that it takes from outside
//= fmt
use std::fmt::Write;
//= module
mod tags { use super::*; pub fn tag(n: u32) -> String { let mut text = String::new(); write!(text, "[{n}]").unwrap(); text } }
//= io
use std::io::Write;
//show
(tags::tag(3), std::io::sink().write(b"abc").unwrap())

//# a function takes the name of an import
//= import
use std::cmp::max;
//= biggest
fn biggest(list: &[i32]) -> i32 { list.iter().copied().fold(i32::MIN, |a, b| max(a, b)) }
//= max
fn max(a: i32, b: i32) -> i32 { a * 100 + b }
//show
(biggest(&[3, 9, 4]), max(1, 2))

//# a type takes a name of a glob import
//= glob
use std::collections::*;
//= count
fn count(words: &[&str]) -> usize { let mut seen = HashSet::new(); words.iter().filter(|word| seen.insert(**word)).count() }
//= own
#[derive(Debug)] struct HashSet(u8);
//show
(count(&["a", "b", "a"]), HashSet(1))

//# a function takes a name of the prelude
//= result
fn parse(text: &str) -> Option<i32> { text.parse().ok() }
//= option
#[derive(Debug)] struct Tensor(i32);
fn tensor() -> Tensor { Tensor(1) }
//= option
#[derive(Debug)] struct Tensor(i32, i32);
fn tensor() -> Tensor { Tensor(1, 2) }
//show
(parse("4"), tensor())

//# an import by another name
//= import
use std::collections::BTreeMap as Map;
//= f
fn f() -> usize { let mut map = Map::new(); map.insert(1, 2); map.insert(0, 1); map.len() }
//= other
use std::collections::HashMap as Map;
//= g
fn g() -> usize { let map: Map<u8, u8> = Map::with_capacity(10); map.len() }
//show
(f(), g())

//# a grouped import is run again with less
//= import
use std::{cmp::Reverse, collections::{BTreeSet, HashMap}};
//= f
fn f() -> Vec<Reverse<i32>> { BTreeSet::from([3, 1]).into_iter().map(Reverse).collect() }
//= import
use std::{cmp::Reverse, collections::BTreeSet};
//show
f()

//# an import that is not for this machine
//= import
#[cfg(windows)] use std::os::windows::{fs, io};
#[cfg(not(windows))] use std::{fs, io};
//= f
#[cfg(not(unix))] fn f() -> i32 { 0 }
#[cfg(unix)] fn f() -> i32 { 1 }
//= g
fn g() -> io::Result<Vec<u8>> { fs::read("/a/file/that/is/not/there") }
//show
(f(), g().is_err())

//# a counter goes on over cells and edits of others
//= static
use std::sync::atomic::{AtomicU32, Ordering};
static COUNT: AtomicU32 = AtomicU32::new(0);
//= next
fn next() -> u32 { COUNT.fetch_add(1, Ordering::SeqCst) }
//= first
let first = next();
//= second
let second = next();
//= other
fn other() -> u32 { COUNT.load(Ordering::SeqCst) }
//= other
fn other() -> u32 { COUNT.load(Ordering::SeqCst) * 10 }
//show
(first, second, next(), other())

//# a static of another text begins anew
//= static
use std::sync::Mutex;
static LOG: Mutex<Vec<u32>> = Mutex::new(Vec::new());
//= push
LOG.lock().unwrap().push(1);
//= static
use std::sync::Mutex;
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
//= push
LOG.lock().unwrap().push("one".to_owned());
//show
LOG.lock().unwrap().clone()

//# a static of a type that is changed begins anew
//= type
#[derive(Clone, Debug)] struct Entry { n: u32 }
//= static
static ENTRIES: std::sync::Mutex<Vec<Entry>> = std::sync::Mutex::new(Vec::new());
//= push
ENTRIES.lock().unwrap().push(Entry { n: 1 });
//= type
#[derive(Clone, Debug)] struct Entry { n: u32, text: String }
//= push
ENTRIES.lock().unwrap().push(Entry { n: 1, text: "a".into() });
//show
ENTRIES.lock().unwrap().clone()

//# thread-locals and statics of functions
//= locals
use std::cell::{Cell, RefCell};
thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(1) };
    pub static NAMES: RefCell<Vec<String>> = RefCell::new(vec!["first".to_owned()]);
}
//= deeper
fn deeper() -> u32 { static CALLS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    DEPTH.set(DEPTH.get() * 2); CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed) }
//= one
deeper();
NAMES.with_borrow_mut(|names| names.push("second".into()));
//= two
deeper();
//show
(deeper(), DEPTH.get(), NAMES.with_borrow(|names| names.clone()))

//# lazy values are made once
//= lazy
use std::sync::{LazyLock, OnceLock};
static TABLE: LazyLock<Vec<u32>> = LazyLock::new(|| { println!("made"); (0..4).collect() });
static NAME: OnceLock<String> = OnceLock::new();
//= one
let sum: u32 = TABLE.iter().sum();
let name = NAME.get_or_init(|| "first".to_owned()).clone();
//= two
let same = NAME.get_or_init(|| "second".to_owned()).clone();
//show
(sum, TABLE.len(), name, same)

//# a static that is changed in place
//= static
static mut TOTAL: u32 = 0;
fn add(n: u32) -> u32 { unsafe { TOTAL += n; TOTAL } }
//= a
add(1);
//= b
add(2);
//show
add(4)

//# statics of a module and of a method
//= module
mod ids { use std::sync::atomic::{AtomicU64, Ordering}; static NEXT: AtomicU64 = AtomicU64::new(100); pub fn next() -> u64 { NEXT.fetch_add(1, Ordering::SeqCst) } }
//= type
struct Id(u64);
impl Id { fn new() -> Id { static MADE: std::sync::Mutex<u64> = std::sync::Mutex::new(0); *MADE.lock().unwrap() += 1; Id(ids::next() * 10 + *MADE.lock().unwrap()) } }
//= one
let one = Id::new().0;
//= two
let two = Id::new().0;
//show
(one, two, Id::new().0)

//# attributes at the top of a cell
//= a
#![allow(non_snake_case, arithmetic_overflow)]
fn Wrapped() -> u8 { std::hint::black_box(200u8).wrapping_add(100) }
//= b
#![deny(unused_must_use)]
//! What this cell is about.
fn used() -> u8 { Wrapped() + 1 }
//= a
#![allow(non_snake_case)]
fn Wrapped() -> u8 { 7 }
//show
used()
