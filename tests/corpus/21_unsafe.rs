//# a union
#[repr(C)]
union Value { int: u32, float: f32, bytes: [u8; 4] }

fn main() {
    let v = Value { float: 1.0 };
    unsafe {
        println!("{:#x} {:?}", v.int, v.bytes);
        match v { Value { int: 0 } => println!("zero"), Value { float } => println!("{float}") }
    }
    let mut w = Value { int: 0 };
    w.bytes = [1, 0, 0, 0];
    println!("{} {}", unsafe { w.int }, std::mem::size_of::<Value>());
}

//# raw pointers
//together a borrow crosses statements
fn main() {
    let mut x = 10;
    let p = &raw mut x;
    let q = p as *const i32;
    unsafe {
        *p += 5;
        println!("{} {}", *q, p.read());
        p.write(99);
    }
    println!("{x} {}", p.is_null());
    let boxed = Box::new(String::from("raw"));
    let raw = Box::into_raw(boxed);
    let back = unsafe { (*raw).push('!'); Box::from_raw(raw) };
    println!("{back}");
}

//# unsafe functions and traits
/// # Safety
/// `i` is below the length.
unsafe fn get(list: &[i32], i: usize) -> i32 { unsafe { *list.get_unchecked(i) } }
unsafe trait Zeroable { fn zero() -> Self; }
unsafe impl Zeroable for u64 { fn zero() -> Self { 0 } }
fn safe_get(list: &[i32], i: usize) -> Option<i32> { if i < list.len() { Some(unsafe { get(list, i) }) } else { None } }

fn main() {
    println!("{:?} {:?} {}", safe_get(&[1, 2], 1), safe_get(&[1, 2], 2), u64::zero());
    let text = unsafe { std::str::from_utf8_unchecked(&[82, 117]) };
    println!("{text}");
}

//# a mutable static
static mut COUNTER: u32 = 0;
static mut LOG: Vec<u32> = Vec::new();

fn bump() -> u32 { unsafe { COUNTER += 1; let log = &raw mut LOG; (*log).push(COUNTER); COUNTER } }

fn main() {
    bump();
    bump();
    println!("{}", bump());
    let log = unsafe { (*&raw const LOG).clone() };
    println!("{log:?}");
}

//# extern functions
unsafe extern "C" {
    fn abs(n: i32) -> i32;
    fn strlen(s: *const std::ffi::c_char) -> usize;
}
extern "C" fn callback(n: i32) -> i32 { n * 3 }
fn apply(f: extern "C" fn(i32) -> i32, n: i32) -> i32 { f(n) }

fn main() {
    println!("{}", unsafe { abs(-7) });
    println!("{}", unsafe { strlen(c"twelve".as_ptr()) });
    println!("{}", apply(callback, 5));
}

//# repr of every kind
use std::mem::{align_of, offset_of, size_of};
#[repr(C)] struct Cs { a: u8, b: u32, c: u16 }
#[repr(C, packed)] struct Packed { a: u8, b: u32 }
#[repr(align(32))] struct Aligned(u8);
#[repr(transparent)] struct Thin(u64);
#[repr(i16)] #[derive(Debug, Clone, Copy)] enum Code { Low = -5, High = 500 }

fn main() {
    println!("{} {} {}", size_of::<Cs>(), offset_of!(Cs, b), offset_of!(Cs, c));
    println!("{} {} {}", size_of::<Packed>(), align_of::<Aligned>(), size_of::<Thin>());
    let p = Packed { a: 1, b: 7 };
    let b = p.b;
    println!("{b} {} {}", p.a, Code::High as i16 + Code::Low as i16);
    println!("{} {}", Aligned(3).0, Thin(9).0);
}

//# a linked list of raw pointers
struct Node { value: i32, next: *mut Node }
struct List { head: *mut Node, len: usize }
impl List {
    fn new() -> Self { List { head: std::ptr::null_mut(), len: 0 } }
    fn push(&mut self, value: i32) { self.head = Box::into_raw(Box::new(Node { value, next: self.head })); self.len += 1; }
    fn pop(&mut self) -> Option<i32> {
        if self.head.is_null() { return None; }
        let node = unsafe { Box::from_raw(self.head) };
        self.head = node.next;
        self.len -= 1;
        Some(node.value)
    }
    fn reverse(&mut self) {
        let (mut previous, mut at) = (std::ptr::null_mut(), self.head);
        while let Some(node) = unsafe { at.as_mut() } { at = std::mem::replace(&mut node.next, previous); previous = node; }
        self.head = previous;
    }
}
impl Drop for List { fn drop(&mut self) { while self.pop().is_some() {} } }

fn main() {
    let mut list = List::new();
    for i in 1..=4 { list.push(i); }
    list.reverse();
    println!("{:?} {:?} {}", list.pop(), list.pop(), list.len);
}

//# MaybeUninit and transmute of slices
//together a borrow crosses statements
use std::mem::MaybeUninit;

fn main() {
    let mut cells: [MaybeUninit<String>; 3] = [const { MaybeUninit::uninit() }; 3];
    for (i, c) in cells.iter_mut().enumerate() { c.write(format!("s{i}")); }
    let strings: Vec<String> = cells.into_iter().map(|c| unsafe { c.assume_init() }).collect();
    println!("{strings:?}");
    let words = [0x11223344u32, 0x55667788];
    let (_, halves, _) = unsafe { words.align_to::<u16>() };
    println!("{}", halves.len());
    let f: fn(i32) -> i32 = |x| x + 1;
    let g: fn(i32) -> i32 = unsafe { std::mem::transmute(f as *const ()) };
    println!("{}", g(1));
}
