//# nested modules with super and self
mod shop {
    pub const TAX: u32 = 10;
    pub mod cart {
        use super::TAX;
        #[derive(Default)]
        pub struct Cart { pub(super) items: Vec<u32> }
        impl Cart {
            pub fn add(&mut self, price: u32) -> &mut Self { self.items.push(price); self }
            pub fn total(&self) -> u32 { let net: u32 = self.items.iter().sum(); net + self::round(net * TAX / 100) }
        }
        fn round(n: u32) -> u32 { n / 5 * 5 }
    }
    pub fn largest(cart: &cart::Cart) -> Option<u32> { cart.items.iter().copied().max() }
}
use shop::{cart::Cart, largest};

fn main() {
    let mut cart = Cart::default();
    cart.add(120).add(80).add(33);
    println!("{} {:?} {}", cart.total(), largest(&cart), shop::TAX);
}

//# re-exports and renames
mod geometry {
    mod shapes {
        #[derive(Debug)]
        pub struct Square(pub f64);
        pub fn unit() -> Square { Square(1.0) }
    }
    pub mod prelude { pub use super::shapes::{Square as Sq, unit}; }
    pub use shapes::Square;
}
use geometry::prelude::*;
use geometry::Square as Quad;

fn main() {
    let a: Sq = unit();
    let b: Quad = geometry::Square(2.0);
    println!("{a:?} {b:?}");
}

//# imports inside of functions and blocks
fn words(text: &str) -> usize {
    use std::collections::HashSet;
    let set: HashSet<_> = text.split(' ').collect();
    set.len()
}

fn main() {
    println!("{}", words("a b a c"));
    {
        use std::collections::VecDeque as Queue;
        let mut q = Queue::from([1, 2]);
        q.rotate_left(1);
        println!("{q:?}");
    }
    use std::fmt::Write;
    let mut s = String::new();
    write!(s, "{}-{}", 1, 2).unwrap();
    println!("{s}");
}

//# enum variants imported by a glob
mod state {
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub enum Light { Red, Green, Amber }
    impl Light { pub fn next(self) -> Self { use Light::*; match self { Red => Green, Green => Amber, Amber => Red } } }
}
use state::Light::{self, *};

fn main() {
    let mut light = Red;
    for _ in 0..4 { print!("{light:?} "); light = light.next(); }
    println!("{}", light == Light::Green);
}

//# traits of a module must be imported
mod text {
    pub trait Count { fn letters(&self) -> usize; }
    impl Count for &str { fn letters(&self) -> usize { self.chars().filter(|c| c.is_alphabetic()).count() } }
    pub mod more { pub trait Half: super::Count { fn half(&self) -> usize { self.letters() / 2 } } impl<T: super::Count> Half for T {} }
}
use text::Count as _;
use text::more::Half as _;

fn main() {
    println!("{} {}", "a1b2c3d4".letters(), "a1b2c3d4".half());
}

//# visibility limited to a path
mod outer {
    pub mod inner {
        pub(in super::super::outer) fn secret() -> u8 { 42 }
        pub(crate) fn known() -> u8 { private() }
        fn private() -> u8 { 7 }
        pub(self) const _HIDDEN: u8 = 1;
    }
    pub fn reveal() -> u8 { inner::secret() + inner::known() }
}

fn main() {
    println!("{} {}", outer::reveal(), outer::inner::known());
}

//# items inside of main
//together an item of main is named before it stands
fn main() {
    const N: usize = 3;
    static GREETING: &str = "hi";
    #[derive(Debug, Default)]
    struct Local { id: usize }
    impl Local { fn bump(&mut self) { self.id += N; } }
    enum Dir { Up, Down }
    trait Flip { fn flip(self) -> Self; }
    impl Flip for Dir { fn flip(self) -> Dir { match self { Dir::Up => Dir::Down, Dir::Down => Dir::Up } } }
    let mut l = Local::default();
    l.bump();
    println!("{GREETING} {l:?} {}", matches!(Dir::Up.flip(), Dir::Down));
    println!("{}", later());
    fn later() -> &'static str { "defined after its use" }
}

//# paths from the crate root
mod a { pub fn name() -> &'static str { "a" } pub mod b { pub fn both() -> String { format!("{}+{}", crate::a::name(), super::super::top()) } } }
fn top() -> &'static str { "top" }

fn main() {
    println!("{} {}", crate::a::b::both(), self::top());
    let v: ::std::vec::Vec<u8> = ::std::vec::Vec::from([1]);
    println!("{v:?}");
}

//# one name in three namespaces
mod thing { pub fn make() -> &'static str { "module" } }
fn thing() -> &'static str { "function" }
macro_rules! thing { () => { "macro" }; }
struct Other;
#[allow(non_snake_case)]
mod other { pub struct Other(pub u8); }

fn main() {
    println!("{} {} {}", thing(), thing::make(), thing!());
    let _unit = Other;
    let other::Other(n) = other::Other(3);
    println!("{n}");
}

//# attributes on items and statements
#![allow(dead_code)]
#![allow(unused_variables, unused_mut)]

#[inline(always)]
fn fast(x: u32) -> u32 { x.wrapping_mul(3) }
#[must_use]
#[deprecated(note = "old")]
fn old() -> u32 { 1 }
#[cfg(any(unix, windows))]
fn system() -> &'static str { "known" }
#[cfg(not(any(unix, windows)))]
fn system() -> &'static str { "unknown" }
#[cold]
fn never_called() {}

fn main() {
    #[allow(deprecated)]
    let a = old();
    let mut unused = 5;
    #[cfg(target_os = "nothing")]
    println!("not compiled");
    #[rustfmt::skip]
    println!("{} {} {}", fast(2),   a, system());
}

//# cfg on grouped imports and on fields
#[cfg(all())]
use std::{collections::BTreeMap, fmt::Debug};
#[cfg(any())]
use std::nothing::{Such, Thing};

#[derive(Debug, Default)]
struct Config { #[cfg(all())] kept: u8, #[cfg(any())] dropped: u8 }

fn show<T: Debug>(t: &T) -> String { format!("{t:?}") }

fn main() {
    let m = BTreeMap::from([(1, Config::default())]);
    println!("{}", show(&m));
    let list = [1, #[cfg(any())] 2, 3];
    println!("{list:?}");
}
