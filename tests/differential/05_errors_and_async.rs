//# a panic is an error
panic!("out of luck")
//! Panic: out of luck

//# a panic with values
let n = 3;
panic!("bad value {n}")
//! Panic: bad value 3

//# an index out of bounds
let list = vec![1, 2, 3];
//--
list[7]
//! Panic: index out of bounds

//# variables of earlier cells live on after a panic
let kept = vec![1];
//--
panic!("now");
//! Panic: now
//--
kept
//=> [1]

//# a variable that the failing cell has used lives on
let mut used = vec![1];
//--
used.push(2); panic!("after the push");
//! Panic: after the push
//--
used
//=> [1, 2]

//# variables that the failing cell had defined
//evcxr evcxr forgets the variables of a cell that panics; ours keeps those that were complete
let before = 1; let list: Vec<i32> = Vec::new(); list[before];
//! Panic: index out of bounds
//--
before
//=> 1

//# unwrap of nothing
let none: Option<i32> = None;
none.unwrap()
//! Panic: called `Option::unwrap()` on a `None` value

//# expect of an error
"x".parse::<i32>().expect("a number")
//! Panic: a number

//# an assertion
assert_eq!(1 + 1, 3, "sums");
//! Panic: assertion `left == right` failed: sums

//# an overflow
let mut small = 255u8; small += std::hint::black_box(1); small
//! Panic: attempt to add with overflow

//# a division by zero
let zero = std::hint::black_box(0); 1 / zero
//! Panic: attempt to divide by zero

//# unreachable and todo
fn unfinished() -> i32 { todo!() }
unfinished()
//! Panic: not yet implemented

//# a panic in a function of an earlier cell
fn check(x: i32) { if x < 0 { panic!("negative: {x}") } }
//--
check(1); check(-4);
//! Panic: negative: -4

//# a panic that is caught
//evcxr evcxr writes the type of a variable without its path (`dyn Any`), which is not in scope
let result = std::panic::catch_unwind(|| { if true { panic!("inside") } 5 });
result.is_err()
//=> true

//# a panic in a thread
let handle = std::thread::spawn(|| { if true { panic!("in the thread") } });
handle.join().is_err()
//=> true

//# a question mark that succeeds
let n: i32 = "5".parse()?;
n
//=> 5

//# a question mark that fails
let n: i32 = "five".parse()?;
//! Error: invalid digit found in string

//# variables live on after a question mark that fails
let kept = String::from("kept");
//--
std::fs::read_to_string("/no/such/file")?;
//! Error: No such file or directory
//--
kept
//=> "kept"

//# a question mark in a function
fn parse(text: &str) -> Result<i32, std::num::ParseIntError> { Ok(text.trim().parse::<i32>()? * 2) }
//--
(parse(" 4 "), parse("x").is_err())
//=> (Ok(8), true)

//# errors as boxed trait objects
fn fail(yes: bool) -> Result<i32, Box<dyn std::error::Error>> { if yes { Err("it failed".into()) } else { Ok(1) } }
//--
fail(false)?
//=> 1
//--
fail(true)?
//! Error: it failed

//# an error type of one's own
#[derive(Debug)] struct Broken { code: i32 }
impl std::fmt::Display for Broken { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { write!(f, "broken with {}", self.code) } }
impl std::error::Error for Broken {}
fn run(code: i32) -> Result<(), Broken> { if code == 0 { Ok(()) } else { Err(Broken { code }) } }
//--
run(0)?; run(3)?;
//! Error: broken with 3

//# the result itself is a value
"x".parse::<u8>()
//=> Err(ParseIntError { kind: InvalidDigit })

//# a type error
let n: i32 = "text";
//! CompileError: mismatched types

//# a missing method
5.no_such_method()
//! CompileError: no_such_method

//# a missing trait
struct Plain;
println!("{}", Plain);
//! CompileError: Plain

//# an unfinished expression
let x = (1 + ;
//! CompileError:

//# a missing semicolon
let a = 1
let b = 2;
//! CompileError:

//# a wrong number of arguments
fn two(a: i32, b: i32) -> i32 { a + b }
two(1)
//! CompileError: argument

//# the session goes on after a compile error
let x = 5;
//--
x.nothing()
//! CompileError: nothing
//--
x
//=> 5

//# output before a panic is shown
println!("first"); panic!("then");
//> first
//! Panic: then

//# output before an error is shown
println!("first"); "x".parse::<i32>()?;
//> first
//! Error: invalid digit

//# exit ends the process, the next cell works
let x = 1;
//--
std::process::exit(3)
//! ProcessEnded: 3
//--
1 + 1
//=> 2

//# abort ends the process, the next cell works
std::process::abort()
//! ProcessEnded:
//--
2 + 2
//=> 4

//# items live on when the process has ended
fn item() -> i32 { 9 }
//--
std::process::exit(1)
//! ProcessEnded:
//--
item()
//=> 9

//# a future is made by hand and polled
use std::{future::Future, pin::Pin, task::{Context, Poll, Waker}};
struct Ready(i32);
impl Future for Ready { type Output = i32; fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<i32> { Poll::Ready(self.0) } }
//--
let mut context = Context::from_waker(Waker::noop());
match Pin::new(&mut Ready(4)).poll(&mut context) { Poll::Ready(x) => x, Poll::Pending => 0 }
//=> 4

//# await at the top of a cell
async fn compute(x: i32) -> i32 { x * 2 }
//--
compute(4).await
//=> 8

//# await and a question mark
async fn parse(text: &str) -> Result<i32, std::num::ParseIntError> { text.parse::<i32>() }
//--
let n = parse("12").await?;
n + 1
//=> 13
//--
parse("x").await?
//! Error: invalid digit

//# an async block
let x = async { let a = async { 1 }.await; a + 1 }.await;
x
//=> 2

//# a boxed future lives on
let future: std::pin::Pin<Box<dyn Future<Output = i32>>> = Box::pin(async { 3 });
//--
future.await
//=> 3
