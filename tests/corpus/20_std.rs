//# mem
use std::mem;

fn main() {
    let (mut a, mut b) = (vec![1], vec![2, 3]);
    mem::swap(&mut a, &mut b);
    let taken = mem::take(&mut a);
    let old = mem::replace(&mut b, vec![9]);
    println!("{a:?} {b:?} {taken:?} {old:?}");
    println!("{} {} {}", mem::size_of::<(u8, u32)>(), mem::align_of::<u64>(), mem::size_of_val("abc"));
    println!("{} {}", mem::discriminant(&Some(1)) == mem::discriminant(&Some(2)), mem::needs_drop::<String>());
    let bits: u32 = unsafe { mem::transmute(1.0f32) };
    println!("{bits:#x} {}", mem::size_of::<Option<&u8>>() == mem::size_of::<&u8>());
    let z: [u16; 3] = unsafe { mem::zeroed() };
    println!("{z:?}");
}

//# cmp
use std::cmp::{max, max_by_key, min, Ordering, PartialOrd, Reverse};

fn main() {
    println!("{} {} {}", max(3, 9), min("b", "a"), max_by_key("aaa", "bb", |s| s.len()));
    println!("{:?} {:?} {:?}", 1.cmp(&2), 2.0f64.partial_cmp(&f64::NAN), "b".cmp("a").reverse());
    println!("{:?}", (1, "b").cmp(&(1, "a")).then(Ordering::Less));
    println!("{} {} {}", 15.clamp(0, 10), (-0.5f64).clamp(0.0, 1.0), Ordering::Less.is_lt());
    let mut v = vec![(2, 'x'), (1, 'y'), (2, 'a')];
    v.sort_by_key(|&(n, c)| (Reverse(n), c));
    println!("{v:?}");
    v.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
    println!("{v:?} {:?}", [1.5, 0.5].iter().copied().min_by(f64::total_cmp));
}

//# conversions between numbers
fn main() {
    println!("{} {} {}", 300i32 as u8, -1i32 as u32, 3.99f64 as i32);
    println!("{} {} {}", f64::NAN as i32, 1e20 as i32, -5.5f32 as u8);
    println!("{:?} {:?}", u8::try_from(300), i8::try_from(-100i64));
    println!("{} {} {}", i64::from(7u32), f64::from(1.5f32), u32::from('a'));
    println!("{} {}", 'a' as u8 as f32, true as i32 + i32::from(false));
    let n: usize = "12".parse::<u8>().unwrap().into();
    println!("{n} {}", u16::from_be_bytes([1, 2]));
    println!("{:?} {:?}", 258u32.to_le_bytes(), i16::from_ne_bytes((-2i16).to_ne_bytes()));
    let x: Result<u16, _> = (-1i32).try_into();
    println!("{}", x.map_err(|e: std::num::TryFromIntError| e.to_string()).unwrap_err());
}

//# checked, wrapping and saturating arithmetic
use std::num::{NonZeroU32, Saturating, Wrapping};

fn main() {
    println!("{:?} {:?} {:?}", 250u8.checked_add(10), 5u8.checked_sub(6), i32::MIN.checked_abs());
    println!("{} {} {}", 250u8.wrapping_add(10), 250u8.saturating_add(10), i8::MIN.wrapping_neg());
    println!("{:?} {:?}", 250u8.overflowing_add(10), 1u32.overflowing_shl(33));
    println!("{} {}", Wrapping(200u8) + Wrapping(100), Saturating(i8::MAX) + Saturating(1));
    println!("{:?} {:?}", NonZeroU32::new(0), NonZeroU32::new(6).map(|n| n.get() * 2));
    println!("{} {} {}", 7i32.div_euclid(-2), (-7i32).rem_euclid(3), (-7) / 2);
    println!("{} {} {} {}", 40u8.leading_zeros(), 40u8.trailing_zeros(), 0b1011u8.count_ones(), 1u8.rotate_right(1));
    println!("{} {} {}", 10u32.pow(3), 17u32.isqrt(), 100u32.ilog10());
    println!("{:?} {} {}", 7u32.checked_next_multiple_of(4), 9u8.abs_diff(12), 5u32.next_power_of_two());
    println!("{} {}", u64::MAX.swap_bytes() == u64::MAX, 0x12u16.swap_bytes());
}

//# floats
fn main() {
    let x = 2.5f64;
    println!("{} {} {} {}", x.round(), (-x).round(), x.round_ties_even(), x.trunc());
    println!("{:.4} {:.4} {:.4}", x.sqrt(), x.powi(3), x.powf(0.5));
    println!("{:.4} {:.4} {:.4}", x.ln(), x.exp(), (1.0f64).atan2(1.0));
    println!("{} {} {}", x.fract(), x.signum(), (-x).copysign(1.0));
    println!("{} {} {}", f64::INFINITY > 1e308, f64::NAN == f64::NAN, (0.0f64 / 0.0).is_nan());
    println!("{} {} {}", 0.0 == -0.0, 1.0f64.to_bits(), f32::from_bits(0x40490fdb));
    println!("{:?} {:?}", x.max(f64::NAN), x.mul_add(2.0, 1.0));
    println!("{:.3} {:.3} {:.3}", 30f64.to_radians().sin(), std::f64::consts::PI.to_degrees(), 3f64.hypot(4.0));
    println!("{:?} {:?}", 1e300 * 1e10, (0.1 + 0.2 - 0.3f64).abs() < f64::EPSILON);
}

//# hashing
use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

#[derive(Hash)]
struct Key<'a>(&'a str, u8);
#[derive(Default)]
struct Fnv(u64);
impl Hasher for Fnv {
    fn finish(&self) -> u64 { self.0 }
    fn write(&mut self, bytes: &[u8]) { for b in bytes { self.0 = (self.0 ^ *b as u64).wrapping_mul(0x100000001b3); } }
}
fn hash_of<T: Hash>(x: &T) -> u64 { let mut h = DefaultHasher::new(); x.hash(&mut h); h.finish() }

fn main() {
    println!("{} {}", hash_of(&Key("a", 1)) == hash_of(&Key("a", 1)), hash_of(&1) == hash_of(&2));
    let mut f = Fnv(0xcbf29ce484222325);
    f.write(b"hello");
    println!("{:x}", f.finish());
    let mut map: std::collections::HashMap<&str, i32, BuildHasherDefault<Fnv>> = Default::default();
    map.insert("x", 1);
    println!("{:?} {}", map, map.hasher().hash_one("q") == map.hasher().hash_one("q"));
}

//# ops: Deref, Fn, RangeBounds, ControlFlow
use std::ops::{Bound, ControlFlow, Deref, DerefMut, RangeBounds};

struct Tracked<T> { value: T, writes: u32 }
impl<T> Deref for Tracked<T> { type Target = T; fn deref(&self) -> &T { &self.value } }
impl<T> DerefMut for Tracked<T> { fn deref_mut(&mut self) -> &mut T { self.writes += 1; &mut self.value } }
fn span(r: impl RangeBounds<i32>) -> String {
    let low = match r.start_bound() { Bound::Included(n) => format!("[{n}"), Bound::Excluded(n) => format!("({n}"), Bound::Unbounded => "(..".into() };
    let high = match r.end_bound() { Bound::Included(n) => format!("{n}]"), Bound::Excluded(n) => format!("{n})"), Bound::Unbounded => "..)".into() };
    format!("{low},{high} {}", r.contains(&5))
}
fn find(list: &[i32]) -> ControlFlow<i32, u32> { let mut n = 0; for &x in list { if x < 0 { return ControlFlow::Break(x); } n += 1; } ControlFlow::Continue(n) }

fn main() {
    let mut t = Tracked { value: vec![1], writes: 0 };
    t.push(2);
    t.push(3);
    println!("{} {} {:?}", t.len(), t.writes, t.iter().max());
    println!("{} {} {} {}", span(1..5), span(..=5), span(..), span((Bound::Excluded(4), Bound::Unbounded)));
    println!("{:?} {:?}", find(&[1, -2]), find(&[1, 2]).continue_value());
}

//# ptr and slice functions
//together a borrow crosses statements
use std::{ptr, slice};

fn main() {
    let v = vec![10, 20, 30];
    let p = v.as_ptr();
    unsafe {
        println!("{} {}", *p.add(1), p.add(2).read());
        println!("{:?}", slice::from_raw_parts(p.add(1), 2));
        println!("{}", p.add(2).offset_from(p));
    }
    println!("{:?} {}", slice::from_ref(&7), ptr::null::<u8>().is_null());
    let (a, b) = (1, 1);
    println!("{} {}", ptr::eq(&a, &a), ptr::eq(&a, &b));
    let mut x = [1, 2];
    let (left, right) = x.split_at_mut(1);
    unsafe { ptr::swap(left.as_mut_ptr(), right.as_mut_ptr()); }
    println!("{x:?} {:?}", ptr::NonNull::new(ptr::null_mut::<u8>()).is_none());
    let mut out = [0u8; 3];
    unsafe { ptr::copy_nonoverlapping(b"abc".as_ptr(), out.as_mut_ptr(), 3); }
    println!("{out:?}");
}

//# any and type names
use std::any::{type_name, type_name_of_val, Any, TypeId};

fn kind<T: 'static>(_: &T) -> &'static str { if TypeId::of::<T>() == TypeId::of::<u8>() { "byte" } else { type_name::<T>() } }

fn main() {
    println!("{} {} {}", kind(&1u8), kind(&"x"), kind(&Some(1.5)));
    println!("{} {}", type_name_of_val(&vec![1u8]), type_name::<[&str; 2]>());
    let b: Box<dyn Any + Send> = Box::new(5i64);
    println!("{} {:?}", b.is::<i64>(), b.downcast_ref::<i32>());
    let mut x = 5;
    if let Some(n) = (&mut x as &mut dyn Any).downcast_mut::<i32>() { *n += 1; }
    println!("{x}");
}

//# cell types
//together a borrow crosses statements
use std::cell::{Cell, OnceCell, RefCell, RefMut, UnsafeCell};

#[derive(Debug, Default)]
struct Counter { hits: Cell<u32>, log: RefCell<Vec<&'static str>>, once: OnceCell<u8> }
impl Counter { fn hit(&self, what: &'static str) -> u32 { self.log.borrow_mut().push(what); self.hits.set(self.hits.get() + 1); self.hits.get() } }

fn main() {
    let c = Counter::default();
    c.hit("a");
    println!("{} {:?} {}", c.hit("b"), c.log.borrow(), c.once.get_or_init(|| 7));
    println!("{c:?}");
    let first = RefMut::map(c.log.borrow_mut(), |l| &mut l[0]);
    println!("{}", *first);
    drop(first);
    let row = Cell::from_mut(&mut [1, 2, 3][..]).as_slice_of_cells().iter().map(|c| { c.set(c.get() * 2); c.get() }).sum::<i32>();
    println!("{row}");
    let u = UnsafeCell::new(1);
    unsafe { *u.get() += 1; }
    println!("{}", u.into_inner());
}

//# pin
//together a borrow crosses statements
use std::marker::PhantomPinned;
use std::pin::{pin, Pin};

struct SelfRef { text: String, first: *const u8, _pin: PhantomPinned }
impl SelfRef {
    fn new(text: &str) -> Pin<Box<SelfRef>> {
        let mut b = Box::pin(SelfRef { text: text.to_string(), first: std::ptr::null(), _pin: PhantomPinned });
        let p = b.text.as_ptr();
        unsafe { b.as_mut().get_unchecked_mut().first = p; }
        b
    }
    fn first(self: Pin<&Self>) -> char { unsafe { *self.first as char } }
}

fn main() {
    let s = SelfRef::new("pinned");
    println!("{} {}", s.as_ref().first(), s.text);
    let mut p = pin!(5);
    *p += 1;
    println!("{}", *p);
    let mut value = String::from("x");
    Pin::new(&mut value).push('y');
    println!("{value}");
}

//# ascii, char and ffi
use std::ffi::{CStr, CString, OsStr, OsString};

fn main() {
    println!("{} {}", b'\n'.escape_ascii(), "tab\t".escape_debug());
    println!("{:?} {:?}", "Rust".chars().map(|c| c.is_ascii_lowercase()).collect::<Vec<_>>(), 'A'.to_ascii_lowercase());
    println!("{:?}", char::decode_utf16([0xD83D, 0xDE00, 0xD800]).map(|r| r.unwrap_or('?')).collect::<String>());
    let c = CString::new("text").unwrap();
    println!("{:?} {:?}", c.as_bytes_with_nul().len(), CString::new("a\0b").is_err());
    println!("{:?}", CStr::from_bytes_until_nul(b"ab\0cd").unwrap().to_str());
    let mut os = OsString::from("file");
    os.push(".rs");
    println!("{:?} {:?}", os.to_str(), OsStr::new("x").len());
}

//# alloc by hand
use std::alloc::{alloc, dealloc, realloc, Layout};

struct Stack { data: *mut u32, len: usize, capacity: usize }
impl Stack {
    fn new() -> Self { Stack { data: std::ptr::null_mut(), len: 0, capacity: 0 } }
    fn push(&mut self, x: u32) {
        if self.len == self.capacity {
            let new = (self.capacity * 2).max(2);
            let layout = Layout::array::<u32>(new).unwrap();
            self.data = unsafe { if self.capacity == 0 { alloc(layout) } else { realloc(self.data.cast(), Layout::array::<u32>(self.capacity).unwrap(), layout.size()) } }.cast();
            self.capacity = new;
        }
        unsafe { self.data.add(self.len).write(x); }
        self.len += 1;
    }
    fn pop(&mut self) -> Option<u32> { self.len = self.len.checked_sub(1)?; Some(unsafe { self.data.add(self.len).read() }) }
}
impl Drop for Stack { fn drop(&mut self) { if self.capacity > 0 { unsafe { dealloc(self.data.cast(), Layout::array::<u32>(self.capacity).unwrap()) } } } }

fn main() {
    let mut s = Stack::new();
    for i in 0..5 { s.push(i * i); }
    println!("{:?} {:?} {}", s.pop(), s.pop(), s.capacity);
    println!("{:?} {}", Layout::new::<(u8, u64)>().size(), Layout::new::<u16>().align());
}

//# marker traits and defaults
use std::marker::PhantomData;

#[derive(Debug, Default, Clone, PartialEq)]
struct All { a: i32, b: String, c: Option<u8>, d: Vec<u8>, e: (bool, char), f: [u8; 3], g: PhantomData<u8> }
trait Marked {}
impl<T: Copy> Marked for T {}
fn copies<T: Marked>(_: T) -> bool { true }
fn unsized_len<T: ?Sized + AsRef<[u8]>>(x: &T) -> usize { x.as_ref().len() }

fn main() {
    println!("{:?}", All::default());
    println!("{} {}", copies((1, 'x')), unsized_len("str"));
    println!("{:?} {:?}", <(i32, String)>::default(), bool::default());
    let a = All { a: 1, ..Default::default() };
    println!("{}", a == a.clone());
}

//# hints and black boxes
//together a type is inferred from a later statement
use std::hint::black_box;

#[inline(never)]
fn heavy(n: u64) -> u64 { (0..n).fold(1u64, |a, i| a.wrapping_mul(31).wrapping_add(i)) }

fn main() {
    let n = black_box(1000);
    println!("{:x}", heavy(n));
    let choice = if black_box(true) { 1 } else { std::hint::spin_loop(); 2 };
    println!("{choice}");
}
