//# a closure borrows a number of its own cell
//evcxr evcxr refuses every cell that gives a name to a closure
let k = 2.0;
let f = |x: f64| x * k;
f(3.0)
//=> 6.0
//--
k
//=> 2.0

//# a closure borrows an earlier cell's number
//evcxr evcxr refuses every cell that gives a name to a closure
let k = 2.0;
//--
let f = |x: f64| x * k;
f(3.0)
//=> 6.0
//--
k + 1.0
//=> 3.0

//# a slice of an array of the cell
//evcxr evcxr refuses every cell with a variable that borrows from another
let a = [1, 2, 3]; let s = &a[1..];
println!("{s:?}");
//> [2, 3]
//--
a
//=> [1, 2, 3]

//# a clock that a closure reads
//evcxr evcxr refuses every cell that gives a name to a closure
let t = std::time::Instant::now();
let passed = || t.elapsed();
passed().as_secs()
//=> 0

//# rows that borrow a text
//evcxr evcxr refuses every cell with a variable that borrows from another
let csv = String::from("a,1\nb,2");
let rows: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
println!("{rows:?}");
//> [["a", "1"], ["b", "2"]]
//--
csv.len()
//=> 7

//# a map filled from a text in a loop
//evcxr evcxr refuses every cell with a variable that borrows from another
let t = String::from("x=1;y=2");
let mut map = std::collections::BTreeMap::new();
for kv in t.split(';') { let (k, v) = kv.split_once('=').unwrap(); map.insert(k, v); }
println!("{map:?}");
//> {"x": "1", "y": "2"}
//--
t
//=> "x=1;y=2"

//# changed, borrowed and read in turn
//evcxr evcxr refuses every cell with a variable that borrows from another
let mut counts = std::collections::HashMap::new();
let text = "hello";
for c in text.chars() { *counts.entry(c).or_insert(0) += 1; }
let mut pairs: Vec<_> = counts.iter().collect();
pairs.sort();
let best = pairs.iter().max_by_key(|(_, n)| **n).unwrap();
println!("{pairs:?} {best:?}");
//> [('e', 1), ('h', 1), ('l', 2), ('o', 1)] ('l', 2)
//--
(counts.len(), text)
//=> (4, "hello")

//# a guard is released where its cell ends
//evcxr evcxr refuses every cell with a variable that borrows from another
let m = std::sync::Mutex::new(5);
let mut g = m.lock().unwrap();
*g += 1;
println!("{}", *g);
//> 6
//--
*m.lock().unwrap()
//=> 6

//# a guard that prints when it is dropped borrows a text
//evcxr evcxr refuses every cell with a variable that borrows from another
struct Guard<'a>(&'a str);
impl Drop for Guard<'_> { fn drop(&mut self) { println!("drop {}", self.0); } }
let name = String::from("n");
let _g = Guard(&name);
println!("end");
//> end
//> drop n
//--
name
//=> "n"

//# mutable borrows in turn
//evcxr evcxr refuses every cell with a variable that borrows from another
let mut v = vec![3, 1, 2];
let r = &mut v;
r.push(9);
let mut it = v.iter();
println!("{:?} {:?}", it.next(), it);
v.sort();
v
//> Some(3) Iter([1, 2, 9])
//=> [1, 2, 3, 9]

//# both halves of an array
//evcxr evcxr refuses every cell with a variable that borrows from another
let mut arr = [5, 3, 1];
let (left, right) = arr.split_at_mut(1);
left[0] = right[0];
println!("{left:?} {right:?}");
arr
//> [3] [3, 1]
//=> [3, 3, 1]

//# a closure counts
//evcxr evcxr refuses every cell that gives a name to a closure
let mut total = 0;
let mut add = |n: i32| total += n;
add(3); add(4);
//--
total
//=> 7

//# a value moves after it was borrowed
//evcxr evcxr refuses every cell with a variable that borrows from another
let data = vec![1, 2, 3];
let first = &data[0];
let sum: i32 = data.iter().sum();
println!("{first} {sum}");
let moved = data;
//> 1 6
//--
moved
//=> [1, 2, 3]

//# a reference to a temporary lives to the cell's end
//evcxr evcxr refuses every cell with a reference to a temporary
let s = &String::from("temp");
let l = s.len();
println!("{s} {l}");
//> temp 4
//--
l
//=> 4

//# a variable that one arm assigns and the other does not
//evcxr evcxr refuses every cell with a variable that borrows from another
let text: String;
let b: &str;
match 1 { 1 => { text = String::from("x"); b = &text; } _ => b = "o" }
println!("{b}");
//> x

//# references to references
//evcxr evcxr refuses every cell with a variable that borrows from another
let a = 5; let b = &a; let c = &b;
**c + a
//=> 10

//# handlers that share a counter
struct Button<'a> { handlers: Vec<Box<dyn FnMut(&str) + 'a>> }
impl<'a> Button<'a> {
    fn on(&mut self, handler: impl FnMut(&str) + 'a) { self.handlers.push(Box::new(handler)); }
    fn click(&mut self, what: &str) { for handler in &mut self.handlers { handler(what); } }
}
let mut clicks = 0;
let mut button = Button { handlers: vec![] };
button.on(|_| clicks += 1);
button.click("x"); button.click("y");
drop(button);
println!("{clicks}");
//> 2
//--
clicks
//=> 2

//# return in a statement's block ends the cell
let n = 3;
if n > 2 { println!("early"); return; }
println!("not reached");
//> early

//# return in the else of a let
let word: Option<&str> = None;
let Some(word) = word else { println!("none"); return; };
println!("{word}");
//> none

//# return in a loop keeps what was defined before
//evcxr evcxr returns from the function that holds the variables, and its process dies in the next cell
let found = 41;
for i in 0..5 { if i == 3 { println!("at {i}"); return; } }
//> at 3
//--
found + 1
//=> 42

//# return with a result
//evcxr evcxr returns the pointer to its variables there
fn check(n: i32) -> Result<i32, String> { if n > 2 { Err(format!("{n} is too much")) } else { Ok(n) } }
let small = match check(1) { Ok(n) => n, Err(error) => return Err(error) };
if small == 1 { return Ok(()); }
println!("not reached");
//--
match check(3) { Ok(n) => println!("{n}"), Err(error) => return Err(error) }
//! Error: 3 is too much
//--
if true { return Err("plain".into()); }
//! Error: plain
//--
if true { return Err(Box::new(std::fmt::Error)); }
//! Error: an error occurred

//# a macro that returns
macro_rules! stop_if { ($condition:expr) => { if $condition { return; } } }
println!("before");
stop_if!(1 + 1 == 2);
println!("after");
//> before

//# a macro that names a variable of its cell
//evcxr evcxr puts a macro in front of the cell's variables
let x = 10;
macro_rules! add_x { ($e:expr) => { $e + x } }
add_x!(1)
//=> 11
//--
let x = 20;
add_x!(2) + x
//=> 32

//# a macro that defines a variable
macro_rules! define { ($name:ident, $value:expr) => { let $name = $value; } }
define!(made, 42);
let twice = made * 2;
println!("{made} {twice}");
//> 42 84
//--
twice
//=> 84

//# numbers whose type only the fallback tells
//evcxr evcxr refuses every cell that gives a name to a closure
let double = |x| x * 2;
double(4)
//=> 8
//--
let half = |x| x / 2.0;
half(3.0)
//=> 1.5

//# a variable in capitals
let N = 4;
let squares: Vec<i32> = (0..N).map(|n| n * n).collect();
println!("{N} {squares:?}");
//> 4 [0, 1, 4, 9]
//--
N
//=> 4

//# a value that is never there
//evcxr evcxr takes the type `!` for one that it could store
let r = std::panic::catch_unwind(|| { if true { std::panic::resume_unwind(Box::new(3)) } else { unreachable!() } });
println!("{}", r.is_err());
//> true

//# an expression that borrows what it makes
String::from("a b").split(' ').next()
//=> Some("a")

//# what rustc refuses is refused
let r; { let x = 5; r = &x; }
println!("{r}");
//! CompileError: does not live long enough
//--
let x = 5
//! CompileError: expected `;`
//--
let x =
//! CompileError: expected expression

//# threads that borrow
let mut counts = vec![0, 0];
let text = String::from("ab");
std::thread::scope(|scope| {
    for (slot, letter) in counts.iter_mut().zip(text.chars()) {
        scope.spawn(move || *slot = letter as u32);
    }
});
counts
//=> [97, 98]
//--
text
//=> "ab"

//# a closure lives on
//evcxr evcxr refuses every cell that gives a name to a closure
let add = |a: i32, b: i32| a + b;
add(1, 2)
//=> 3
//--
add(3, 4)
//=> 7
//--
[1, 2].iter().fold(10, |sum, x| add(sum, *x))
//=> 13

//# a closure that is called in later cells only
//evcxr evcxr refuses every cell that gives a name to a closure
let square = |x| x * x;
//--
println!("{}", square(5));
//> 25
//--
square(1.5)
//=> 2.25

//# a closure that names earlier variables
//evcxr evcxr refuses every cell that gives a name to a closure
let k = 2.0;
//--
let f = |x: f64| x * k;
//--
let g = |x| f(x) + 1.0;
//--
(f(3.0), g(3.0))
//=> (6.0, 7.0)
//--
let k = 3.0;
//--
f(1.0)
//! CompileError: it names `k`, which cell

//# a closure that counts in a variable
//evcxr evcxr refuses every cell that gives a name to a closure
let mut count = 0;
//--
let mut count_one = || { count += 1; count };
//--
count_one(); count_one()
//=> 2
//--
count
//=> 2

//# a closure that took a number by value
//evcxr evcxr refuses every cell that gives a name to a closure
let m = 10;
let add_m = move |x: i32| x + m;
add_m(1)
//=> 11
//--
add_m(5)
//=> 15

//# a closure that took a list away ends with its cell
//evcxr evcxr refuses every cell that gives a name to a closure
let list = vec![1, 2, 3];
let longer = move |n: usize| n > list.len();
println!("{}", longer(4));
//> true
//--
longer(4)
//! CompileError: a closure has no type

//# a future lives on
//evcxr evcxr refuses every cell that gives a name to a future
let later = async { 5 };
//--
later.await
//=> 5

//# a variable of a type that is private to a module
mod shapes {
    mod inner {
        #[derive(Debug, PartialEq)]
        pub struct Square(pub i32);
        impl Square { pub fn area(&self) -> i32 { self.0 * self.0 } }
    }
    pub use inner::Square;
    pub fn unit() -> Square { inner::Square(1) }
}
let a = shapes::unit();
//--
(a.area(), a)
//=> (1, Square(1))

//# a macro that defines a variable for later cells, and words that define none
//evcxr evcxr keeps no variable that a macro defines
macro_rules! define { ($name:ident, $value:expr) => { let $name = $value; } }
macro_rules! tell { (about $what:ident by $function:ident) => { println!("{} {}", stringify!($what), $function(-2i32)); } }
fn twice(x: i32) -> i32 { 2 * x }
//--
define!(made, 42);
//--
tell!(about weather by twice);
made + 1
//> weather -4
//=> 43
//--
let __two = 2;
//--
__two + made
//=> 44

//# an impl of one instantiation is found by the type's name
struct Closed; struct Open;
struct Door<S> { opened: u32, state: std::marker::PhantomData<S> }
impl Door<Closed> { fn new() -> Self { Door { opened: 0, state: std::marker::PhantomData } } }
impl Door<Closed> { fn open(self) -> Door<Open> { Door { opened: self.opened + 1, state: std::marker::PhantomData } } }
//--
let door = Door::new();
//--
door.open().opened
//=> 1

//# a function takes a closure's place
//evcxr evcxr refuses every cell that gives a name to a closure
let grow = |x: i32| x + 1;
//--
fn grow(x: i32) -> i32 { x + 2 }
//--
grow(40)
//=> 42
