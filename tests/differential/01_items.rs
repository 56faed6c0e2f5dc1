//# a function is there in the next cell
fn double(x: i32) -> i32 { 2 * x }
//--
double(21)
//=> 42

//# functions of several cells call each other
fn even(n: u32) -> bool { n == 0 || odd(n - 1) }
fn odd(n: u32) -> bool { n != 0 && even(n - 1) }
//--
fn count_even(list: &[u32]) -> usize { list.iter().filter(|&&n| even(n)).count() }
//--
count_even(&[1, 2, 3, 4, 6])
//=> 3

//# recursion
fn factorial(n: u64) -> u64 { if n < 2 { 1 } else { n * factorial(n - 1) } }
factorial(10)
//=> 3628800

//# an item after the statement that uses it
let y = later(3);
fn later(x: i32) -> i32 { x + 1 }
y
//=> 4

//# a struct and its methods
#[derive(Debug, Clone, PartialEq)]
struct Point { x: f64, y: f64 }
impl Point {
    const ORIGIN: Point = Point { x: 0.0, y: 0.0 };
    fn new(x: f64, y: f64) -> Self { Point { x, y } }
    fn norm(&self) -> f64 { self.x.hypot(self.y) }
}
//--
Point::new(3.0, 4.0).norm()
//=> 5.0
//--
Point { x: 1.0, ..Point::ORIGIN }
//=> Point { x: 1.0, y: 0.0 }

//# methods are added in a later cell
struct Counter(u32);
//--
impl Counter { fn up(&mut self) -> u32 { self.0 += 1; self.0 } }
//--
let mut counter = Counter(0);
counter.up();
counter.up()
//=> 2

//# an enum and a match
#[derive(Debug)]
enum Shape { Circle { radius: f64 }, Square(f64), Empty }
fn area(shape: &Shape) -> f64 {
    match shape {
        Shape::Circle { radius } => 3.0 * radius * radius,
        Shape::Square(side) => side * side,
        Shape::Empty => 0.0,
    }
}
//--
[Shape::Circle { radius: 1.0 }, Shape::Square(2.0), Shape::Empty].iter().map(area).sum::<f64>()
//=> 7.0

//# variants are imported
#[derive(Debug, PartialEq)] enum Level { Low, High }
use Level::*;
//--
[Low, High, Low].iter().filter(|level| **level == Low).count()
//=> 2

//# constants
const SCALE: f64 = 2.5;
const NAMES: [&str; 2] = ["a", "b"];
//--
(SCALE * 2.0, NAMES.len())
//=> (5.0, 2)

//# constant functions
const fn square(x: usize) -> usize { x * x }
const SIDE: usize = square(3);
//--
[0u8; SIDE].len()
//=> 9

//# a type alias
type Pair<T> = (T, T);
//--
let pair: Pair<i32> = (1, 2);
pair
//=> (1, 2)

//# a tuple struct and a unit struct
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)] struct Metres(i32);
#[derive(Debug)] struct Marker;
//--
(Metres(3).max(Metres(2)), Metres::default(), Marker)
//=> (Metres(3), Metres(0), Marker)

//# a union
union Bits { float: f32, word: u32 }
unsafe { Bits { float: 1.0 }.word }
//=> 1065353216

//# derived traits work in later cells
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)] struct Key(String, u8);
//--
use std::collections::{BTreeSet, HashMap};
let map = HashMap::from([(Key("a".into(), 1), "first")]);
let set: BTreeSet<Key> = [Key("b".into(), 2), Key("a".into(), 3)].into();
(map[&Key("a".into(), 1)], set.first().unwrap().1)
//=> ("first", 3)

//# imports live on
use std::collections::BTreeMap;
//--
BTreeMap::from([(2, 'b'), (1, 'a')])
//=> {1: 'a', 2: 'b'}

//# imports with braces, an alias and a glob
use std::{cmp::{max, min as least}, fmt::Write as _, ops::*};
//--
let mut text = String::new();
write!(text, "{} {}", max(1, 2), least(1, 2)).unwrap();
let range: Range<i32> = 0..3;
(text, range.len())
//=> ("2 1", 3)

//# an import inside a block does not leave it
{ use std::collections::VecDeque; VecDeque::from([1]).len() }
//=> 1
//--
VecDeque::from([1])
//! CompileError: VecDeque

//# a generic function
fn largest<T: PartialOrd + Copy>(list: &[T]) -> Option<T> {
    list.iter().copied().reduce(|a, b| if b > a { b } else { a })
}
//--
(largest(&[1, 5, 2]), largest(&[0.5, -1.0]), largest::<char>(&[]))
//=> (Some(5), Some(0.5), None)

//# a generic struct with a constant parameter
#[derive(Debug, Clone, Copy)] struct Grid<T, const W: usize, const H: usize>([[T; W]; H]);
impl<T: Copy + Default, const W: usize, const H: usize> Default for Grid<T, W, H> {
    fn default() -> Self { Grid([[T::default(); W]; H]) }
}
//--
let grid = Grid::<u8, 2, 3>::default();
grid
//=> Grid([[0, 0], [0, 0], [0, 0]])

//# a struct with a lifetime
struct Words<'a> { text: &'a str }
impl<'a> Words<'a> { fn first(&self) -> &'a str { self.text.split(' ').next().unwrap_or("") } }
//--
Words { text: "one two" }.first()
//=> "one"

//# a trait with a default method, implemented in a later cell
trait Speak { fn name(&self) -> String; fn speak(&self) -> String { format!("I am {}", self.name()) } }
//--
struct Dog;
impl Speak for Dog { fn name(&self) -> String { "a dog".into() } }
//--
Dog.speak()
//=> "I am a dog"

//# a trait implemented for a type of the standard library
trait Halved { fn halved(&self) -> f64; }
impl Halved for f64 { fn halved(&self) -> f64 { self / 2.0 } }
impl Halved for Vec<f64> { fn halved(&self) -> f64 { self.iter().sum::<f64>() / 2.0 } }
//--
(3.0.halved(), vec![1.0, 2.0].halved())
//=> (1.5, 1.5)

//# trait objects of several cells in one list
trait Area { fn area(&self) -> f64; }
struct Square(f64);
impl Area for Square { fn area(&self) -> f64 { self.0 * self.0 } }
//--
struct Room { width: f64, depth: f64 }
impl Area for Room { fn area(&self) -> f64 { self.width * self.depth } }
//--
let areas: Vec<Box<dyn Area>> = vec![Box::new(Square(2.0)), Box::new(Room { width: 1.0, depth: 3.0 })];
//--
areas.iter().map(|each| each.area()).sum::<f64>()
//=> 7.0

//# associated types and constants
trait Container { type Item; const NAME: &'static str; fn first(&self) -> Option<&Self::Item>; }
impl<T> Container for Vec<T> { type Item = T; const NAME: &'static str = "vector"; fn first(&self) -> Option<&T> { self.get(0) } }
//--
fn describe<C: Container>(c: &C) -> String where C::Item: std::fmt::Debug { format!("{} {:?}", C::NAME, c.first()) }
describe(&vec![7, 8])
//=> "vector Some(7)"

//# an iterator of one's own
struct Countdown(u32);
impl Iterator for Countdown {
    type Item = u32;
    fn next(&mut self) -> Option<u32> { self.0 = self.0.checked_sub(1)?; Some(self.0) }
}
//--
Countdown(3).collect::<Vec<_>>()
//=> [2, 1, 0]

//# operators of one's own
use std::ops::{Add, Index, Neg};
#[derive(Debug, Clone, Copy)] struct V(i32, i32);
impl Add for V { type Output = V; fn add(self, o: V) -> V { V(self.0 + o.0, self.1 + o.1) } }
impl Neg for V { type Output = V; fn neg(self) -> V { V(-self.0, -self.1) } }
impl Index<usize> for V { type Output = i32; fn index(&self, i: usize) -> &i32 { if i == 0 { &self.0 } else { &self.1 } } }
//--
let sum = V(1, 2) + -V(0, 5);
(sum, sum[1])
//=> (V(1, -3), -3)

//# conversions by From
struct Celsius(f64);
impl From<Celsius> for f64 { fn from(c: Celsius) -> f64 { c.0 * 1.8 + 32.0 } }
//--
let fahrenheit: f64 = Celsius(100.0).into();
fahrenheit
//=> 212.0

//# Display of one's own is used by format
struct Money(u32);
impl std::fmt::Display for Money { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { write!(f, "{}.{:02}", self.0 / 100, self.0 % 100) } }
//--
format!("{} {:>6}", Money(1205), Money(99).to_string())
//=> "12.05   0.99"

//# Drop runs at the end of a block
struct Noisy(&'static str);
impl Drop for Noisy { fn drop(&mut self) { println!("drop {}", self.0); } }
//--
{ let a = Noisy("a"); let b = Noisy("b"); println!("body"); }
//> body
//> drop b
//> drop a

//# a supertrait and a blanket implementation
trait Named { fn name(&self) -> String; }
trait Greets: Named { fn greet(&self) -> String { format!("hello {}", self.name()) } }
impl<T: std::fmt::Debug> Named for T { fn name(&self) -> String { format!("{self:?}") } }
impl Greets for i32 {}
//--
5.greet()
//=> "hello 5"

//# functions with impl Trait
fn evens(limit: u32) -> impl Iterator<Item = u32> { (0..limit).filter(|n| n % 2 == 0) }
fn total(numbers: impl IntoIterator<Item = u32>) -> u32 { numbers.into_iter().sum() }
//--
total(evens(7))
//=> 12

//# attributes on items are kept
#[inline(never)]
#[must_use]
fn marked() -> i32 { 3 }
//--
marked()
//=> 3

//# a doc comment on an item
/// Adds one.
///
/// More about it.
fn add_one(x: i32) -> i32 { x + 1 }
//--
add_one(1)
//=> 2

//# one item and an expression in one cell
struct Here(i32);
Here(4).0
//=> 4
