//# a trait gets a method that its impls lack
//= trait
trait Area { fn area(&self) -> f64; }
//= square
struct Square(f64);
impl Area for Square { fn area(&self) -> f64 { self.0 * self.0 } }
//= trait
trait Area { fn area(&self) -> f64; fn name(&self) -> String; }
//= square
struct Square(f64);
impl Area for Square { fn area(&self) -> f64 { self.0 * self.0 } fn name(&self) -> String { "square".into() } }
//show
(Square(2.0).area(), Square(2.0).name())

//# a method of a trait takes another argument
//= trait
trait Scale { fn scale(&self, by: i32) -> i32; }
//= impl
impl Scale for i32 { fn scale(&self, by: i32) -> i32 { self * by } }
//= use
fn doubled(x: &dyn Scale) -> i32 { x.scale(2) }
//= trait
trait Scale { fn scale(&self, by: f64) -> f64; }
//= impl
impl Scale for i32 { fn scale(&self, by: f64) -> f64 { f64::from(*self) * by } }
//= use
fn doubled(x: &dyn Scale) -> f64 { x.scale(2.0) }
//show
doubled(&4)

//# a trait loses a method
//= trait
trait Greet { fn hello(&self) -> String; fn bye(&self) -> String; }
//= impl
impl Greet for str { fn hello(&self) -> String { format!("hello {self}") } fn bye(&self) -> String { format!("bye {self}") } }
//= trait
trait Greet { fn hello(&self) -> String; }
//= impl
impl Greet for str { fn hello(&self) -> String { format!("hi {self}") } }
//show
"you".hello()

//# a trait gets a parameter
//= trait
trait Convert { fn convert(&self) -> i64; }
//= impl
impl Convert for u8 { fn convert(&self) -> i64 { i64::from(*self) } }
//= trait
trait Convert<T> { fn convert(&self) -> T; }
//= impl
impl Convert<i64> for u8 { fn convert(&self) -> i64 { i64::from(*self) + 1 } }
impl Convert<String> for u8 { fn convert(&self) -> String { self.to_string() } }
//show
(Convert::<i64>::convert(&1u8), Convert::<String>::convert(&1u8))

//# an associated type is changed
//= trait
trait Source { type Item; const MANY: usize; fn next(&self) -> Self::Item; }
//= impl
struct Numbers;
impl Source for Numbers { type Item = i32; const MANY: usize = 3; fn next(&self) -> i32 { 4 } }
//= all
fn all<S: Source>(source: &S) -> Vec<S::Item> { (0..S::MANY).map(|_| source.next()).collect() }
//= impl
struct Numbers;
impl Source for Numbers { type Item = &'static str; const MANY: usize = 2; fn next(&self) -> &'static str { "n" } }
//show
(all(&Numbers), Numbers::MANY)

//# one method of several is written again
//= type
struct Counter { n: i32 }
//= methods
impl Counter { fn up(&mut self) { self.n += 1; } fn down(&mut self) { self.n -= 1; } fn get(&self) -> i32 { self.n } }
//= more
impl Counter { fn up_twice(&mut self) { self.up(); self.up(); } }
//= methods
impl Counter { fn up(&mut self) { self.n += 10; } fn down(&mut self) { self.n -= 1; } fn get(&self) -> i32 { self.n } }
//show
{ let mut counter = Counter { n: 0 }; counter.up_twice(); counter.down(); counter.get() }

//# an associated constant and a method of one impl are written again apart
//= type
struct Unit;
//= impl
impl Unit { const A: i32 = 1; const B: i32 = 2; fn sum() -> i32 { Self::A + Self::B } }
//= a
impl Unit { fn other() -> i32 { Self::B } }
//= impl
impl Unit { const A: i32 = 10; const B: i32 = 2; fn sum() -> i32 { Self::A + Self::B } }
//show
(Unit::sum(), Unit::other())

//# impls of one trait for several types
//= trait
trait Name { const NAME: &'static str; fn name(&self) -> String { Self::NAME.to_lowercase() } }
//= types
struct A; struct B;
//= a
impl Name for A { const NAME: &'static str = "A"; }
//= b
impl Name for B { const NAME: &'static str = "B"; }
//= b
impl Name for B { const NAME: &'static str = "BEE"; }
//= trait
trait Name { const NAME: &'static str; fn name(&self) -> String { format!("{}!", Self::NAME) } }
//show
(A.name(), B.name(), A::NAME, B::NAME)

//# an impl is written with another path to its trait
//= type
struct S;
//= display
impl std::fmt::Display for S { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "one") } }
//= display
use std::fmt;
impl fmt::Display for S { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "two") } }
//show
S.to_string()

//# a blanket impl takes the place of impls
//= trait
trait Describe { fn describe(&self) -> String; }
//= impl
impl Describe for i32 { fn describe(&self) -> String { format!("number {self}") } }
//= impl
impl<T: std::fmt::Debug> Describe for T { fn describe(&self) -> String { format!("thing {self:?}") } }
//show
(5.describe(), "a".describe())

//# an operator is written again for other types
//= type
#[derive(Debug, Clone, Copy)] struct V { x: i32 }
//= add
impl std::ops::Add for V { type Output = V; fn add(self, other: V) -> V { V { x: self.x + other.x } } }
//= sum
fn sum(a: V, b: V) -> V { a + b }
//= type
#[derive(Debug, Clone, Copy)] struct V { x: f32, y: f32 }
//= add
impl std::ops::Add for V { type Output = V; fn add(self, other: V) -> V { V { x: self.x + other.x, y: self.y + other.y } } }
//show
sum(V { x: 1.0, y: 2.0 }, V { x: 0.5, y: 0.5 })

//# a trait object is made of a trait that has changed
//= trait
trait Shape { fn sides(&self) -> u32; }
//= impls
struct Tri; struct Quad;
impl Shape for Tri { fn sides(&self) -> u32 { 3 } }
impl Shape for Quad { fn sides(&self) -> u32 { 4 } }
//= list
let shapes: Vec<Box<dyn Shape>> = vec![Box::new(Tri), Box::new(Quad)];
//= trait
trait Shape { fn sides(&self) -> u32; fn inner(&self) -> u32 { (self.sides() - 2) * 180 } }
//run list
//show
shapes.iter().map(|shape| shape.inner()).collect::<Vec<_>>()

//# a supertrait is added
//= base
trait Base { fn id(&self) -> u32; }
//= derived
trait Derived { fn twice(&self) -> u32; }
//= impl
struct Thing;
impl Base for Thing { fn id(&self) -> u32 { 21 } }
impl Derived for Thing { fn twice(&self) -> u32 { 42 } }
//= derived
trait Derived: Base { fn twice(&self) -> u32 { self.id() * 2 } }
//= impl
struct Thing;
impl Base for Thing { fn id(&self) -> u32 { 4 } }
impl Derived for Thing {}
//show
Thing.twice()
