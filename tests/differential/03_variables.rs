//# a variable lives on
let x = 41;
//--
x + 1
//=> 42

//# a mutable variable is changed in a later cell
let mut list = vec![1];
//--
list.push(2);
//--
list
//=> [1, 2]

//# an assignment in a later cell
let mut n = 1;
//--
n += 1; n *= 10;
n
//=> 20

//# an immutable variable cannot be changed
let fixed = 1;
//--
fixed = 2;
//! CompileError: fixed

//# shadowing with another type
let x = 1;
//--
let x = format!("{x}!");
//--
x
//=> "1!"

//# shadowing inside one cell
let a = 1; let a = a + 1; let a = vec![a; a];
a
//=> [2, 2]

//# a mutable variable made of an immutable one
let v = vec![3, 1, 2];
//--
let mut v = v;
v.sort();
v
//=> [1, 2, 3]

//# tuples are taken apart
let (a, mut b) = (1, 2);
b += a;
//--
(a, b)
//=> (1, 3)

//# structs and slices are taken apart
struct P { x: i32, y: i32 }
let P { x, y: height } = P { x: 1, y: 2 };
let [first, .., last] = [1, 2, 3, 4];
//--
[x, height, first, last]
//=> [1, 2, 1, 4]

//# let else
let Some(value) = "12".parse::<i32>().ok() else { panic!("no number") };
//--
value
//=> 12

//# a binding with @ and nested patterns
//evcxr evcxr keeps only the whole of a pattern with @
let whole @ (left, (_, right)) = (1, (2, 3));
//--
(whole, left, right)
//=> ((1, (2, 3)), 1, 3)

//# a variable that is declared and set later
let late;
late = 5;
late
//=> 5

//# a type annotation
let wide: u64 = 7;
//--
let small: u8 = wide.try_into().unwrap();
small
//=> 7

//# a moved variable is gone
let text = String::from("a");
//--
let other = text;
//--
other
//=> "a"
//--
text
//! CompileError: text

//# a variable that a function took is gone
let gone = vec![1];
fn eat(v: Vec<i32>) -> usize { v.len() }
//--
eat(gone)
//=> 1
//--
gone.len()
//! CompileError: gone

//# drop takes a variable
let mut held = vec![0];
//--
drop(held);
//--
held
//! CompileError: held

//# a copied variable stays
let number = 3;
//--
let copy = number;
let another = number;
//--
number + copy + another
//=> 9

//# a clone leaves the original
let names = vec!["a".to_owned()];
//--
let copy = names.clone();
//--
names == copy
//=> true

//# a partial move leaves the rest unusable
struct Two { a: String, b: String }
let two = Two { a: "a".into(), b: "b".into() };
//--
let a = two.a;
a
//=> "a"

//# a moved variable is put back
let mut s = String::from("x");
//--
let t = s; s = t + "y";
s
//=> "xy"

//# a variable is moved and assigned at once
//evcxr evcxr takes a variable for lost that was moved, though it is assigned again
let mut s = String::from("a");
//--
s = s + "b";
//--
s = s + "c"; let n = s.len();
(s, n)
//=> ("abc", 3)

//# a variable is moved in one branch only
//evcxr evcxr takes a variable for lost that was moved, though it is assigned again
let mut list = vec![1, 2];
//--
if list.len() > 1 { drop(list); list = Vec::new(); }
//--
list.len()
//=> 0

//# a value is moved in a loop that returns it
let mut acc = Vec::new();
for i in 0..3 { let mut next = acc; next.push(i); acc = next; }
//--
acc
//=> [0, 1, 2]

//# a reference to a static text is kept
let word: &'static str = "static";
let slice = &word[..4];
//--
slice
//=> "stat"

//# a reference to a constant value is kept
let list = &[1, 2, 3];
//--
list.len()
//=> 3

//# a borrow of a variable inside a cell
let mut numbers = vec![1, 2, 3];
{ let first = &mut numbers[0]; *first = 10; }
numbers
//=> [10, 2, 3]

//# a borrow in one cell does not bind the next
let mut v = vec![1, 2];
//--
let total: i32 = v.iter().sum();
//--
v.push(total);
v
//=> [1, 2, 3]

//# two borrows that conflict
let mut v = vec![1];
//--
let first = &v[0]; v.push(2); println!("{first}");
//! CompileError: cannot borrow `v`

//# use after move inside a cell
let s = String::new(); let t = s; s.len()
//! CompileError: borrow of moved value

//# pointers into the variables of a cell
let mut x = 7; let y = 8;
let p = &mut x as *mut i32; let q = &raw const y;
unsafe { *p += *q; }
x
//=> 15

//# a reference cannot outlive what it refers to
let r; { let inner = 5; r = &inner; } println!("{r}");
//! CompileError: does not live long enough

//# boxes, Rc and RefCell live on
use std::{cell::RefCell, rc::Rc};
let shared = Rc::new(RefCell::new(vec![1]));
let other = Rc::clone(&shared);
//--
other.borrow_mut().push(2);
//--
(shared.borrow().len(), Rc::strong_count(&shared))
//=> (2, 2)

//# a recursive type
#[derive(Debug)] enum Tree { Leaf, Node(Box<Tree>, i32, Box<Tree>) }
use Tree::*;
impl Tree { fn insert(self, x: i32) -> Tree { match self { Leaf => Node(Box::new(Leaf), x, Box::new(Leaf)), Node(l, y, r) if x < y => Node(Box::new(l.insert(x)), y, r), Node(l, y, r) => Node(l, y, Box::new(r.insert(x))) } } fn depth(&self) -> usize { match self { Leaf => 0, Node(l, _, r) => 1 + l.depth().max(r.depth()) } } }
//--
let mut tree = Leaf;
for x in [3, 1, 2] { tree = tree.insert(x); }
//--
tree.depth()
//=> 3

//# Option and Result values live on
let some = Some(3); let none: Option<i32> = None; let fine: Result<i32, String> = Ok(1);
//--
(some, none, fine.clone().unwrap())
//=> (Some(3), None, 1)

//# a variable of a type of its own cell
#[derive(Debug, Clone)] struct Local { id: u32 }
let local = Local { id: 1 };
//--
local.clone().id
//=> 1

//# a variable with a type from a module
mod shapes { #[derive(Debug)] pub struct Dot(pub i32); pub mod deep { #[derive(Debug)] pub struct Line(pub i32); } }
let dot = shapes::Dot(1);
let line = shapes::deep::Line(2);
//--
(dot, line)
//=> (Dot(1), Line(2))

//# a raw identifier
let r#type = 5;
//--
r#type + 1
//=> 6

//# a name in another script
let größe = 3; let λ = 0.5;
//--
größe as f64 * λ
//=> 1.5

//# a variable that begins with an underscore is not wanted later
//evcxr evcxr keeps such a variable; ours drops it at the end of its cell, as its name says
let _ = 1; let _hidden = 2;
//--
_hidden
//! CompileError: _hidden

//# many variables in one cell
let a0 = 0; let a1 = 1; let a2 = 2; let a3 = 3; let a4 = 4; let a5 = 5; let a6 = 6; let a7 = 7;
//--
a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7
//=> 28

//# a variable that is not there
missing + 1
//! CompileError: cannot find value `missing`

//# integers default to i32 and floats to f64
let i = 3; let f = 0.5;
//--
(std::mem::size_of_val(&i), std::mem::size_of_val(&f))
//=> (4, 8)

//# a type that only a later cell decides
let mut unknown = Vec::new();
unknown.push(1u8);
//--
unknown
//=> [1]

//# a type that nothing decides
let unknown = Vec::new();
//! CompileError: type

//# arrays and slices of different sorts
let array = [[1, 2], [3, 4]]; let boxed: Box<[i32]> = vec![1].into(); let text: Box<str> = "a".into();
//--
(array[1][0], boxed.len(), text)
//=> (3, 1, "a")

//# a function pointer
let pointer: fn(f64) -> f64 = f64::sqrt;
//--
pointer(9.0)
//=> 3.0

//# a variable of a block's value
let value = { let a = 2; let b = 3; a * b };
//--
value
//=> 6

//# a variable of a match and of an if
let parity = if 3 % 2 == 0 { "even" } else { "odd" };
let name = match 3 { 1 => "one", n if n > 2 => "many", _ => "two" };
//--
(parity, name)
//=> ("odd", "many")

//# labeled loops with a value
let found = 'outer: loop { for i in 1.. { if i * i > 50 { break 'outer i; } } };
//--
found
//=> 8

//# while let takes a list apart
let mut stack = vec![1, 2, 3]; let mut seen = Vec::new();
while let Some(top) = stack.pop() { seen.push(top); }
//--
(stack, seen)
//=> ([], [3, 2, 1])
