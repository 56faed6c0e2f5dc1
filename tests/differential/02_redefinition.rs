//# the newest function wins
fn f() -> i32 { 1 }
//--
fn f() -> i32 { 2 }
//--
f()
//=> 2

//# callers see the newest definition
fn rate() -> f64 { 0.1 }
fn price(x: f64) -> f64 { x * rate() }
//--
fn rate() -> f64 { 0.5 }
//--
price(10.0)
//=> 5.0

//# a function with another signature
fn g(x: i32) -> i32 { x }
//--
fn g(x: &str, n: usize) -> String { x.repeat(n) }
//--
g("ab", 2)
//=> "abab"

//# a constant is redefined
const N: usize = 2;
//--
const N: usize = 3;
//--
[1u8; N]
//=> [1, 1, 1]

//# an enum gets a variant
#[derive(Debug)] enum E { A }
//--
#[derive(Debug)] enum E { A, B(i32) }
//--
(E::A, E::B(2))
//=> (A, B(2))

//# a macro is redefined
macro_rules! value { () => { 1 } }
//--
macro_rules! value { () => { 2 } }
//--
value!()
//=> 2

//# a module is redefined
mod m { pub fn f() -> i32 { 1 } pub fn only_before() {} }
//--
mod m { pub fn f() -> i32 { 2 } }
//--
m::f()
//=> 2
//--
m::only_before()
//! CompileError: only_before

//# a trait gets another method
trait T { fn a(&self) -> i32; }
//--
trait T { fn a(&self) -> i32; fn b(&self) -> i32 { self.a() + 1 } }
impl T for u8 { fn a(&self) -> i32 { *self as i32 } }
//--
5u8.b()
//=> 6

//# an import takes another meaning
use std::cmp::max as pick;
pick(1, 2)
//=> 2
//--
use std::cmp::min as pick;
pick(1, 2)
//=> 1

//# an implementation is written again
//evcxr evcxr keeps both implementations, which contradict each other
struct S;
impl std::fmt::Display for S { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { write!(f, "one") } }
//--
impl std::fmt::Display for S { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { write!(f, "two") } }
//--
S.to_string()
//=> "two"

//# an inherent implementation is written again
//evcxr evcxr keeps both implementations, which contradict each other
struct Adder(i32);
impl Adder { fn add(&self, x: i32) -> i32 { self.0 + x } }
//--
impl Adder { fn add(&self, x: i32) -> i32 { self.0 + x + 100 } }
//--
Adder(1).add(1)
//=> 102

//# a cell that is run twice changes nothing
#[derive(Debug, PartialEq)] struct Same { a: i32 }
impl Same { fn twice(&self) -> i32 { 2 * self.a } }
//--
let same = Same { a: 4 };
//--
#[derive(Debug, PartialEq)] struct Same { a: i32 }
impl Same { fn twice(&self) -> i32 { 2 * self.a } }
//--
same.twice()
//=> 8

//# a variable whose type is redefined is gone
#[derive(Debug)] struct Old { a: i32 }
let old = Old { a: 1 };
//--
#[derive(Debug)] struct Old { a: i32, b: i32 }
//--
let another = Old { a: 1, b: 2 };
another
//=> Old { a: 1, b: 2 }
//--
old
//! CompileError: old

//# other variables stay when a type is redefined
struct Kind(i32);
let kind = Kind(1);
let number = 5;
//--
struct Kind(String);
//--
number
//=> 5

//# two types of one name do not meet in a list
#[derive(Debug)] struct P(i32);
let list = vec![P(1)];
//--
#[derive(Debug)] struct P(f64);
//--
let list = vec![P(0.5)];
list
//=> [P(0.5)]

//# a failed redefinition leaves the old one
fn stays() -> i32 { 7 }
//--
fn stays() -> i32 { "seven" }
//! CompileError: mismatched types
//--
stays()
//=> 7

//# a failed cell leaves no items
fn half_way() -> i32 { 1 }
let x: i32 = "text";
//! CompileError: mismatched types
//--
half_way()
//! CompileError: half_way

//# a variable hides a function of the same name
fn size() -> usize { 3 }
//--
let size = 10;
size + 1
//=> 11

//# a function and a type of one name
//evcxr evcxr keeps one item a name, though functions and types have names of their own
#[derive(Debug)] struct Thing { x: i32 }
#[allow(non_snake_case)] fn Thing(x: i32) -> Thing { Thing { x } }
//--
Thing(3)
//=> Thing { x: 3 }

//# a function becomes a variable
//evcxr evcxr refuses every cell that gives a name to a closure
fn item() -> i32 { 1 }
//--
let item = || 5;
item()
//=> 5
