//# a field is renamed, and its impl after it
//= type
struct Net { w: f64 }
//= methods
impl Net { fn f(&self) -> f64 { self.w } }
//= type
struct Net { weight: f64 }
//= methods
impl Net { fn f(&self) -> f64 { self.weight } }
//show
Net { weight: 2.5 }.f()

//# a field is renamed and renamed back: the impl fits again by itself
//= type
struct Net { w: f64 }
//= methods
impl Net { fn f(&self) -> f64 { self.w } }
//= type
struct Net { weight: f64 }
//= type
struct Net { w: f64, bias: f64 }
//show
Net { w: 2.5, bias: 0.0 }.f()

//# a field takes another type
//= type
#[derive(Debug, Clone)] struct Layer { size: u32, name: String }
//= make
fn make(size: u32) -> Layer { Layer { size, name: format!("layer {size}") } }
//= use
fn total(layers: &[Layer]) -> u32 { layers.iter().map(|layer| layer.size).sum() }
//= type
#[derive(Debug, Clone)] struct Layer { size: u64, name: &'static str }
//= make
fn make(size: u64) -> Layer { Layer { size, name: "layer" } }
//= use
fn total(layers: &[Layer]) -> u64 { layers.iter().map(|layer| layer.size).sum() }
//show
(total(&[make(2), make(3)]), make(1))

//# a type becomes generic
//= type
#[derive(Debug)] struct Pair { a: i32, b: i32 }
//= methods
impl Pair { fn sum(&self) -> i32 { self.a + self.b } fn first(&self) -> i32 { self.a } }
//= make
fn pair() -> Pair { Pair { a: 1, b: 2 } }
//= type
#[derive(Debug)] struct Pair<T> { a: T, b: T }
//= methods
impl<T: Copy + std::ops::Add<Output = T>> Pair<T> { fn sum(&self) -> T { self.a + self.b } fn first(&self) -> T { self.a } }
//= make
fn pair() -> Pair<f64> { Pair { a: 1.5, b: 2.0 } }
//show
(pair().sum(), pair().first(), pair())

//# a generic type becomes plain
//= type
struct Stack<T> { items: Vec<T> }
//= methods
impl<T> Stack<T> { fn new() -> Self { Stack { items: Vec::new() } } fn push(mut self, item: T) -> Self { self.items.push(item); self } }
//= type
struct Stack { items: Vec<u8> }
//= methods
impl Stack { fn new() -> Self { Stack { items: Vec::new() } } fn push(mut self, item: u8) -> Self { self.items.push(item); self } }
//show
Stack::new().push(1).push(2).items

//# parameters of a type are called otherwise
//= type
struct Holder<T>(T);
//= methods
impl<T: std::fmt::Debug> Holder<T> { fn show(&self) -> String { format!("{:?}", self.0) } }
//= methods
impl<Value: std::fmt::Debug> Holder<Value> { fn show(&self) -> String { format!("<{:?}>", self.0) } }
//show
Holder(5).show()

//# a struct gets a lifetime
//= type
struct Parser { text: String }
//= methods
impl Parser { fn words(&self) -> usize { self.text.split(' ').count() } }
//= type
struct Parser<'a> { text: &'a str }
//= methods
impl<'a> Parser<'a> { fn words(&self) -> usize { self.text.split(' ').count() } fn first(&self) -> Option<&'a str> { self.text.split(' ').next() } }
//show
(Parser { text: "a b c" }.words(), Parser { text: "a b" }.first())

//# an enum loses a variant that was imported
//= enum
#[derive(Debug)] enum Color { Red, Green }
//= import
use Color::{Green, Red};
//= name
fn name(color: &Color) -> &'static str { match color { Color::Red => "red", Color::Green => "green" } }
//= enum
#[derive(Debug)] enum Color { Red, Blue }
//= name
fn name(color: &Color) -> &'static str { match color { Color::Red => "red", Color::Blue => "blue" } }
//= import
use Color::{Blue, Red};
//show
(name(&Red), name(&Blue), Blue)

//# an enum gets a variant that no match has
//= enum
#[derive(Clone, Copy)] enum Op { Add, Mul }
//= apply
impl Op { fn apply(self, a: i32, b: i32) -> i32 { match self { Op::Add => a + b, Op::Mul => a * b } } }
//= enum
#[derive(Clone, Copy)] enum Op { Add, Mul, Sub }
//= apply
impl Op { fn apply(self, a: i32, b: i32) -> i32 { match self { Op::Add => a + b, Op::Mul => a * b, Op::Sub => a - b } } }
//show
[Op::Add, Op::Mul, Op::Sub].map(|op| op.apply(7, 3))

//# a variant takes data
//= enum
#[derive(Debug)] enum Event { Key, Click }
//= glob
use Event::*;
//= make
fn make() -> Vec<Event> { vec![Key, Click] }
//= enum
#[derive(Debug)] enum Event { Key(char), Click { x: i32 } }
//= make
fn make() -> Vec<Event> { vec![Key('a'), Click { x: 3 }] }
//show
make()

//# a derive takes the place of an impl by hand
//= type
struct Point { x: i32 }
//= debug
impl std::fmt::Debug for Point { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "point {}", self.x) } }
//= type
#[derive(Debug, Clone)] struct Point { x: i32 }
//= debug
fn debugged(point: &Point) -> String { format!("{point:?}") }
//show
debugged(&Point { x: 1 }.clone())

//# an impl by hand takes the place of a derive
//= type
#[derive(Clone, Debug, PartialEq)] struct Point { x: i32 }
//= other
fn two() -> (Point, Point) { (Point { x: 1 }, Point { x: 1 }) }
//= debug
impl std::fmt::Debug for Point { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "at {}", self.x) } }
//= type
#[derive(Clone, PartialEq)] struct Point { x: i32 }
//run debug
//show
(two().0, two().0 == two().1)

//# a derive comes and goes over an impl by hand
//= type
struct Point { x: i32 }
//= debug
impl std::fmt::Debug for Point { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "by hand {}", self.x) } }
//= type
#[derive(Debug)] struct Point { x: i32 }
//= type
struct Point { x: i32 }
//show
Point { x: 3 }

//# a derive goes, and what used it is written otherwise
//= type
#[derive(Clone)] struct Token { id: u32 }
//= twice
fn twice(token: &Token) -> (Token, Token) { (token.clone(), token.clone()) }
//= type
struct Token { id: u32 }
//= twice
fn twice(token: &Token) -> (Token, Token) { (Token { id: token.id }, Token { id: token.id + 1 }) }
//show
twice(&Token { id: 4 }).1.id

//# a tuple struct becomes one with names
//= type
struct Meters(f64);
//= convert
impl From<Meters> for f64 { fn from(meters: Meters) -> f64 { meters.0 } }
//= type
struct Meters { value: f64 }
//= convert
impl From<Meters> for f64 { fn from(meters: Meters) -> f64 { meters.value } }
//show
f64::from(Meters { value: 2.0 })

//# types stand on types
//= inner
#[derive(Debug)] struct Inner { a: u8 }
//= outer
#[derive(Debug)] struct Outer { inner: Inner, many: Vec<Inner> }
//= make
fn make() -> Outer { Outer { inner: Inner { a: 1 }, many: vec![Inner { a: 2 }] } }
//= inner
#[derive(Debug)] struct Inner { a: u8, b: bool }
//= make
fn make() -> Outer { Outer { inner: Inner { a: 1, b: true }, many: vec![Inner { a: 2, b: false }] } }
//show
make()

//# a type alias means another type
//= alias
type Number = i32;
//= double
fn double(number: Number) -> Number { number * 2 }
//= text
fn text() -> String { double(4i32).to_string() }
//= alias
type Number = f64;
//= double
fn double(number: Number) -> Number { number * 2.0 }
//= text
fn text() -> String { double(4.5).to_string() }
//show
text()

//# a struct becomes an enum
//= type
struct State { on: bool }
//= methods
impl State { fn is_on(&self) -> bool { self.on } fn toggled(self) -> State { State { on: !self.on } } }
//= type
enum State { On, Off }
//= methods
impl State { fn is_on(&self) -> bool { matches!(self, State::On) } fn toggled(self) -> State { match self { State::On => State::Off, State::Off => State::On } } }
//show
State::Off.toggled().is_on()

//# a constant decides the size of a type
//= size
const SIZE: usize = 2;
//= type
#[derive(Debug)] struct Buffer { bytes: [u8; SIZE] }
//= make
fn buffer() -> Buffer { Buffer { bytes: [7; SIZE] } }
//= size
const SIZE: usize = 3;
//show
buffer()

//# a constant takes another type
//= rate
const RATE: f64 = 0.5;
//= use
fn scaled(x: f64) -> f64 { x * RATE }
//= rate
const RATE: u32 = 3;
//= use
fn scaled(x: u32) -> u32 { x * RATE }
//show
scaled(4)

//# the type of a variable is changed and the cells below are run again
//= type
#[derive(Debug, Clone)] struct Config { lr: f64 }
//= value
let config = Config { lr: 0.1 };
//= type
#[derive(Debug, Clone)] struct Config { lr: f64, steps: u32 }
//= value
let config = Config { lr: 0.1, steps: 10 };
//show
config

//# a derive that is added keeps the variables
//= type
struct Config { lr: f64 }
//= value
let config = Config { lr: 0.1 };
//= type
#[derive(Debug, Clone)] struct Config { lr: f64 }
//show
config.clone()
