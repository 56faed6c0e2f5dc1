//# a macro lives on
macro_rules! twice { ($e:expr) => { $e + $e } }
//--
twice!(4)
//=> 8

//# a macro with repetition
macro_rules! sum { ($($x:expr),* $(,)?) => { 0 $(+ $x)* } }
//--
sum!(1, 2, 3,)
//=> 6

//# a macro that makes an item
macro_rules! make { ($name:ident, $value:expr) => { fn $name() -> i32 { $value } } }
//--
make!(seven, 7);
seven()
//=> 7

//# an item that a macro made lives on
//evcxr evcxr keeps what a macro makes for its cell alone
macro_rules! constant { ($name:ident = $value:expr) => { const $name: i32 = $value; } }
//--
constant!(EIGHT = 8);
//--
EIGHT
//=> 8

//# an impl that a macro made lives on
//evcxr evcxr keeps what a macro makes for its cell alone
trait Bits { const BITS: u32; }
macro_rules! bits { ($($t:ty => $n:expr),*) => { $(impl Bits for $t { const BITS: u32 = $n; })* } }
bits!(u8 => 8, u16 => 16);
//--
<u8 as Bits>::BITS
//=> 8
//--
bits!(u8 => 8, u16 => 16); <u8 as Bits>::BITS + <u16 as Bits>::BITS
//=> 24

//# a macro that defines a variable
macro_rules! define { ($name:ident) => { let $name = 5; } }
//--
define!(fresh);
fresh
//=> 5

//# a macro that calls another macro
macro_rules! inner { ($x:expr) => { $x * 10 } }
macro_rules! outer { ($x:expr) => { inner!($x) + 1 } }
//--
outer!(2)
//=> 21

//# macros of the standard library
let v = vec![1; 3];
assert_eq!(v.len(), 3);
println!("{}", matches!(v.first(), Some(1)));
format!("{:?} {:>4} {:#x} {:.2}", v, 7, 255, 1.0 / 3.0)
//> true
//=> "[1, 1, 1]    7 0xff 0.33"

//# format strings capture variables
let name = "world"; let width = 8usize; let n = 3usize;
//--
format!("{name:>width$}|{0:<1$}|", "a", n)
//=> "   world|a  |"

//# a module lives on
mod geometry {
    pub const UNIT: f64 = 1.0;
    pub fn area(side: f64) -> f64 { side * side * UNIT }
    pub mod solid { pub fn volume(side: f64) -> f64 { super::area(side) * side } }
}
//--
(geometry::area(2.0), geometry::solid::volume(2.0))
//=> (4.0, 8.0)

//# an import from a module of the notebook
mod tools { pub fn triple(x: i32) -> i32 { 3 * x } }
//--
use tools::triple;
//--
triple(5)
//=> 15

//# private names of a module stay private
mod safe { fn secret() -> i32 { 1 } pub fn open() -> i32 { secret() } }
//--
safe::open()
//=> 1
//--
safe::secret()
//! CompileError: private

//# a module uses an item of an earlier cell
fn base() -> i32 { 10 }
//--
mod user { pub fn more() -> i32 { super::base() + 1 } }
user::more()
//=> 11

//# a module in which names come from the standard library
mod counting { use std::collections::HashMap; pub fn count(text: &str) -> usize { let mut map = HashMap::new(); for c in text.chars() { *map.entry(c).or_insert(0) += 1; } map.len() } }
//--
counting::count("hello")
//=> 4

//# stringify, concat, line
(stringify!(a + b), concat!("x", 1, true))
//=> ("a + b", "x1true")

//# a hygienic macro does not take the caller's variable
macro_rules! hidden { ($e:expr) => {{ let x = 100; $e + x }} }
let x = 1;
hidden!(x)
//=> 101
