//# a signature is changed under its callers
//= g
fn g(x: i32) -> i32 { x }
//= h
fn h() -> i32 { g(1) }
//= k
fn k() -> i32 { h() + 1 }
//= g
fn g(x: &str) -> usize { x.len() }
//= h
fn h() -> i32 { g("four") as i32 }
//show
k()

//# a chain of functions rests on one that is changed and changed back
//= a
fn a() -> u8 { 1 }
//= b
fn b() -> u8 { a() + 1 }
//= c
fn c() -> u8 { b() + 1 }
//= d
fn d() -> u8 { c() + 1 }
//= a
fn a() -> String { String::new() }
//= a
fn a() -> u8 { 10 }
//show
d()

//# a function becomes generic, async, then plain again
//= f
fn f(x: i32) -> i32 { x + 1 }
//= use
fn used() -> i32 { f(1) }
//= f
fn f<T: Into<i64>>(x: T) -> i64 { x.into() }
//= f
async fn f(x: i32) -> i32 { x + 1 }
//= f
fn f(x: i32) -> i32 { x + 100 }
//show
used()

//# a cell that fails leaves what was there
//= f
fn f() -> i32 { 1 }
//= g
fn g() -> i32 { f() + 1 }
//= f
fn f() -> i32 { "one" }
//fails
//= f
fn f() -> i32 { 2 }
//show
g()

//# a module loses an item that was imported
//= module
mod m { pub fn a() -> i32 { 1 } pub fn b() -> i32 { 2 } }
//= import
use m::{a, b};
//= sum
fn sum() -> i32 { a() + b() }
//= module
mod m { pub fn b() -> i32 { 20 } pub fn c() -> i32 { 30 } }
//= import
use m::{b, c};
//= sum
fn sum() -> i32 { b() + c() }
//show
sum()

//# an item comes back to a module
//= module
mod m { pub fn a() -> i32 { 1 } }
//= import
use m::a;
//= use
fn twice() -> i32 { a() * 2 }
//= module
mod m { pub fn z() -> i32 { 1 } }
//= module
mod m { pub fn a() -> i32 { 21 } }
//show
twice()

//# a type moves into a module
//= type
pub struct P { pub x: i32 }
//= use
fn x_of(p: &P) -> i32 { p.x }
//= make
fn make() -> P { P { x: 3 } }
//= type
mod geometry { #[derive(Debug)] pub struct P { pub x: i32 } }
use geometry::P;
//run make
//run use
//show
(x_of(&make()), make())

//# a macro is run again, unchanged, below its users
//= macro
macro_rules! double { ($e:expr) => { $e * 2 } }
//= f
fn f(x: i32) -> i32 { double!(x) }
//= g
fn g(x: i32) -> i32 { double!(f(x)) }
//run macro
//show
(f(2), g(2), double!(4))

//# a macro takes other arguments
//= macro
macro_rules! area { ($a:expr) => { $a * $a } }
//= f
fn square(x: i32) -> i32 { area!(x) }
//= macro
macro_rules! area { ($a:expr, $b:expr) => { $a * $b } }
//= f
fn square(x: i32) -> i32 { area!(x, x) }
//show
(square(3), area!(2, 5))

//# a macro that makes functions
//= macro
macro_rules! constant { ($name:ident, $value:expr) => { fn $name() -> i32 { $value } } }
//= calls
constant!(one, 1);
constant!(two, 2);
//= sum
fn sum() -> i32 { one() + two() }
//= macro
macro_rules! constant { ($name:ident, $value:expr) => { fn $name() -> i32 { $value * 10 } } }
//show
(sum(), one())

//# a macro that makes types with impls
//= macro
macro_rules! unit { ($name:ident, $text:literal) => {
    #[derive(Debug, Clone, Copy)] struct $name(f64);
    impl $name { fn text(self) -> String { format!("{} {}", self.0, $text) } }
} }
//= meters
unit!(Meters, "m");
//= use
fn two() -> Meters { Meters(2.0) }
//= meters
unit!(Meters, "meters");
//show
two().text()

//# a macro calls a macro of another cell
//= inner
macro_rules! inner { ($e:expr) => { $e + 1 } }
//= outer
macro_rules! outer { ($e:expr) => { inner!($e) * 2 } }
//= f
fn f() -> i32 { outer!(3) }
//= inner
macro_rules! inner { ($e:expr) => { $e + 100 } }
//show
f()

//# a function becomes a constant becomes a type
//= it
fn It() -> i32 { 1 }
//= it
const It: i32 = 2;
//= it
#[derive(Debug)] struct It;
//show
It

//# cells are run again in another order
//= a
fn a() -> i32 { 1 }
//= b
struct B { n: i32 }
impl B { fn new() -> B { B { n: a() } } }
//= c
impl std::fmt::Display for B { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "B{}", self.n) } }
//run c
//run b
//run a
//run b
//run c
//show
B::new().to_string()
