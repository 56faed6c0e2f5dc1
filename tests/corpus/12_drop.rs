//# drop order of locals
struct Noisy(&'static str);
impl Drop for Noisy { fn drop(&mut self) { println!("drop {}", self.0); } }

fn main() {
    {
        let _a = Noisy("a");
        let _b = Noisy("b");
        let _ = Noisy("at once");
        println!("body");
    }
    println!("after");
}

//# drop order of fields, tuples and vectors
struct Noisy(String);
impl Drop for Noisy { fn drop(&mut self) { print!("{} ", self.0); } }
struct Outer { first: Noisy, second: Noisy }
impl Drop for Outer { fn drop(&mut self) { print!("outer({}{}) ", self.first.0, self.second.0); } }

fn main() {
    drop(Outer { second: Noisy("s".into()), first: Noisy("f".into()) });
    drop((Noisy("1".into()), Noisy("2".into())));
    drop(vec![Noisy("x".into()), Noisy("y".into())]);
    println!();
}

//# moves and partial moves decide who drops
struct Noisy(&'static str);
impl Drop for Noisy { fn drop(&mut self) { println!("drop {}", self.0); } }
fn consume(n: Noisy) { println!("consume {}", n.0); }

fn main() {
    let work = || {
        let a = Noisy("a");
        let pair = (Noisy("left"), Noisy("right"));
        consume(a);
        let (left, _) = pair;
        println!("have {}", left.0);
    };
    work();
    println!("end");
}

//# assignment drops the old value
struct Noisy(u32);
impl Drop for Noisy { fn drop(&mut self) { println!("drop {}", self.0); } }

fn main() {
    let mut x = Noisy(1);
    println!("one");
    x = Noisy(2);
    println!("two");
    let old = std::mem::replace(&mut x, Noisy(3));
    println!("old {}", old.0);
    drop(old);
    drop(x);
    println!("end");
}

//# a guard that restores
use std::cell::Cell;

struct Restore<'a> { cell: &'a Cell<i32>, old: i32 }
impl<'a> Restore<'a> { fn set(cell: &'a Cell<i32>, new: i32) -> Self { Restore { cell, old: cell.replace(new) } } }
impl Drop for Restore<'_> { fn drop(&mut self) { self.cell.set(self.old); } }

fn main() {
    let depth = Cell::new(1);
    {
        let _guard = Restore::set(&depth, 5);
        println!("{}", depth.get());
        {
            let _inner = Restore::set(&depth, 9);
            println!("{}", depth.get());
        }
        println!("{}", depth.get());
    }
    println!("{}", depth.get());
}

//# temporaries are dropped at the end of the statement
struct Noisy(&'static str);
impl Noisy { fn name(&self) -> &str { self.0 } }
impl Drop for Noisy { fn drop(&mut self) { println!("drop {}", self.0); } }
fn make(name: &'static str) -> Noisy { println!("make {name}"); Noisy(name) }

fn main() {
    println!("{}", make("a").name());
    let length = make("bb").name().len();
    println!("{length}");
    match make("c").name() { "c" => println!("in match"), _ => {} }
    if make("d").name() == "d" { println!("in if"); }
    let x = { make("e").name().len() };
    println!("{x}");
}

//# a scope guard by a closure
struct Defer<F: FnMut()>(F);
impl<F: FnMut()> Drop for Defer<F> { fn drop(&mut self) { (self.0)(); } }
fn work(fail: bool) -> Result<u32, String> {
    let _d = Defer(|| println!("cleanup"));
    println!("work");
    if fail { return Err("failed".into()); }
    Ok(1)
}

fn main() {
    println!("{:?}", work(false));
    println!("{:?}", work(true));
}

//# ManuallyDrop, forget and take
use std::mem::{self, ManuallyDrop};
struct Noisy(u8);
impl Drop for Noisy { fn drop(&mut self) { println!("drop {}", self.0); } }

fn main() {
    let mut kept = ManuallyDrop::new(Noisy(1));
    mem::forget(Noisy(2));
    println!("{}", kept.0);
    unsafe { ManuallyDrop::drop(&mut kept); }
    let mut slot = Some(Noisy(3));
    let taken = slot.take();
    println!("{}", slot.is_none());
    drop(taken);
    println!("end");
}

//# drop while unwinding
use std::panic;
struct Step(u32);
impl Drop for Step { fn drop(&mut self) { println!("undo {} {}", self.0, std::thread::panicking()); } }

fn main() {
    let result = panic::catch_unwind(|| {
        let _one = Step(1);
        let _two = Step(2);
        if std::hint::black_box(true) { panic!("in the middle"); }
        let _three = Step(3);
    });
    println!("{}", result.is_err());
}

//# Rc counts and drops last
use std::rc::Rc;
struct Res(&'static str);
impl Drop for Res { fn drop(&mut self) { println!("free {}", self.0); } }

fn main() {
    let a = Rc::new(Res("shared"));
    let b = Rc::clone(&a);
    println!("{}", Rc::strong_count(&a));
    drop(a);
    println!("{}", Rc::strong_count(&b));
    drop(b);
    println!("end");
}

//# a pool that takes back its items
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

#[derive(Default)]
struct Pool { free: Rc<RefCell<Vec<String>>>, made: u32 }
struct Lease { item: Option<String>, home: Rc<RefCell<Vec<String>>> }
impl Pool {
    fn get(&mut self) -> Lease {
        let item = self.free.borrow_mut().pop().unwrap_or_else(|| { self.made += 1; format!("#{}", self.made) });
        Lease { item: Some(item), home: self.free.clone() }
    }
}
impl Deref for Lease { type Target = String; fn deref(&self) -> &String { self.item.as_ref().unwrap() } }
impl DerefMut for Lease { fn deref_mut(&mut self) -> &mut String { self.item.as_mut().unwrap() } }
impl Drop for Lease { fn drop(&mut self) { if let Some(i) = self.item.take() { self.home.borrow_mut().push(i) } } }

fn main() {
    let mut pool = Pool::default();
    let mut a = pool.get();
    a.push('!');
    let b = pool.get();
    println!("{} {}", *a, *b);
    drop(a);
    let c = pool.get();
    println!("{} made {} free {}", c.as_str(), pool.made, pool.free.borrow().len());
}

//# a log of scopes
use std::cell::RefCell;
thread_local!(static LOG: RefCell<Vec<String>> = RefCell::new(vec![]));
struct Span { name: String }
impl Span { fn enter(name: &str) -> Span { LOG.with(|l| l.borrow_mut().push(format!(">{name}"))); Span { name: name.to_string() } } }
impl Drop for Span { fn drop(&mut self) { LOG.with(|l| l.borrow_mut().push(format!("<{}", self.name))); } }
fn inner(n: u32) { let _s = Span::enter(&format!("inner{n}")); if n > 0 { inner(n - 1) } }

fn main() {
    {
        let _outer = Span::enter("outer");
        inner(1);
    }
    println!("{}", LOG.with(|l| l.take().join(" ")));
}
