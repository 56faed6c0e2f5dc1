//# the tour: a text that grows
let mut message = String::from("Hello ");
//--
message.push_str("there");
message
//=> "Hello there"

//# the tour: a function is redefined with another type
pub fn fib(x: i32) -> i32 { if x <= 2 { 1 } else { fib(x - 2) + fib(x - 1) } }
//--
(1..13).map(fib).collect::<Vec<i32>>()
//=> [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]
//--
pub fn fib(x: u64) -> u64 { if x <= 2 { 1 } else { fib(x - 2) + fib(x - 1) } }
//--
fib(20)
//=> 6765

//# the tour: a thread counts while cells go on
use std::sync::{Arc, Mutex};
let counter = Arc::new(Mutex::new(0i32));
let worker = std::thread::spawn({ let counter = Arc::clone(&counter); move || { for i in 1..=50 { *counter.lock().unwrap() = i; } } });
//--
worker.join().unwrap();
*counter.lock().unwrap()
//=> 50

//# the tour: an error is shown and the variables stay
let v = vec![10];
//--
v[1]
//! Panic: index out of bounds
//--
v.len()
//=> 1

//# the guide: a loop that prints
let mut total = 0; for n in 1..4 { println!("{n}"); total += n; } total
//> 1
//> 2
//> 3
//=> 6

//# the guide: a variable in braces is not kept
{ let secret = 5; println!("{secret}"); }
//> 5
//--
secret
//! CompileError: secret

//# the guide: Box::leak makes a reference that lives on
let text: &'static str = Box::leak(String::from("leaked").into_boxed_str());
//--
text
//=> "leaked"

//# the guide: an attribute for the cell
#[allow(unused_variables)]
let unused = 5;
//--
unused
//=> 5

//# :vars lists the variables
let alpha = 5; let beta = String::from("b");
//--
:vars
//@ text/html alpha
//@ text/html i32
//@ text/html beta

//# :type of a variable
let gamma = vec![Some(1.5)];
//--
:type gamma
//@ text/plain gamma: Vec<Option<f64>>

//# :t is :type
let delta = 'c';
//--
:t delta
//@ text/plain delta: char

//# :type of what is not there
//evcxr evcxr calls it a compile error, ours an error of the command
:type nothing_here
//! MagicError: nothing_here

//# :clear forgets variables and items
let x = 1; fn f() {}
//--
:clear
//?
//--
x
//! CompileError: cannot find value `x`
//--
f()
//! CompileError: cannot find function `f`

//# :opt sets the level
:opt 0
//?
//--
1 + 1
//=> 2
//--
:opt 2
//?

//# :timing is switched
:timing
//?
//--
:timing
//?

//# :version tells a version
:version
//?

//# :help lists the commands
:help
//?

//# :doc of a function of the notebook
fn documented(x: i32) -> i32 { x }
//--
:doc documented
//@ text/plain fn documented(x: i32) -> i32

//# a command that is not there
//evcxr evcxr calls it a compile error, ours an error of the command
:no_such_command
//! MagicError: no_such_command

//# a command between statements
//evcxr evcxr takes commands only in front of the first statement
let x = 1;
:vars
x + 1
//@ text/plain x
//=> 2

//# a shell command
//evcxr evcxr takes only lines that begin with "!" and shows their output as the result; ours streams it
!echo from the shell
//> from the shell
