//# a static is read
static GREETING: &str = "hello";
//--
GREETING.len()
//=> 5

//# a static keeps its state within a cell
use std::sync::atomic::{AtomicU32, Ordering};
static COUNT: AtomicU32 = AtomicU32::new(5);
COUNT.fetch_add(1, Ordering::SeqCst);
COUNT.load(Ordering::SeqCst)
//=> 6

//# a lazy static
use std::sync::{LazyLock, OnceLock};
static TABLE: LazyLock<Vec<u32>> = LazyLock::new(|| (0..4).map(|n| n * n).collect());
TABLE[3]
//=> 9

//# a thread-local value
use std::cell::Cell;
thread_local! { static DEPTH: Cell<u32> = const { Cell::new(1) }; }
DEPTH.with(|depth| { depth.set(depth.get() + 1); depth.get() })
//=> 2

//# a thread returns a value
let handle = std::thread::spawn(|| (1..=4).product::<i32>());
handle.join().unwrap()
//=> 24

//# a thread is joined in a later cell
let handle = std::thread::spawn(|| 5);
//--
handle.join().unwrap()
//=> 5

//# a thread shares a counter across cells
use std::sync::{Arc, Mutex};
let counter = Arc::new(Mutex::new(0));
let workers: Vec<_> = (0..4).map(|_| { let counter = counter.clone(); std::thread::spawn(move || { for _ in 0..100 { *counter.lock().unwrap() += 1; } }) }).collect();
//--
for worker in workers { worker.join().unwrap(); }
//--
*counter.lock().unwrap()
//=> 400

//# a scoped thread borrows a variable of an earlier cell
let numbers = vec![1, 2, 3, 4];
//--
let (left, right) = std::thread::scope(|scope| {
    let (a, b) = numbers.split_at(2);
    let left = scope.spawn(|| a.iter().sum::<i32>());
    let right = scope.spawn(|| b.iter().sum::<i32>());
    (left.join().unwrap(), right.join().unwrap())
});
(left, right, numbers.len())
//=> (3, 7, 4)

//# a channel across cells
use std::sync::mpsc;
let (sender, receiver) = mpsc::channel();
let worker = std::thread::spawn(move || { for i in 0..3 { sender.send(i * 10).unwrap(); } });
//--
receiver.iter().collect::<Vec<i32>>()
//=> [0, 10, 20]

//# a closure inside a cell
//evcxr evcxr refuses every cell that gives a name to a closure
let add = |a: i32, b: i32| a + b;
add(2, 3)
//=> 5

//# a closure without variables lives on
//evcxr evcxr refuses every cell that gives a name to a closure
let add = |x: i32| x + 1;
//--
add(1)
//=> 2

//# a boxed closure lives on
let f: Box<dyn Fn(i32) -> i32> = Box::new(|x| x * 2);
//--
f(21)
//=> 42

//# a boxed closure that captures
let offset = 10;
let shifted: Box<dyn Fn(i32) -> i32> = Box::new(move |x| x + offset);
//--
[1, 2].map(|x| shifted(x))
//=> [11, 12]

//# a closure that changes its state
let mut count = 0;
let mut up: Box<dyn FnMut() -> i32> = Box::new(move || { count += 1; count });
//--
(up(), up(), up())
//=> (1, 2, 3)

//# a list of closures
let steps: Vec<Box<dyn Fn(f64) -> f64>> = vec![Box::new(|x| x + 1.0), Box::new(f64::sqrt)];
//--
steps.iter().fold(8.0, |x, step| step(x))
//=> 3.0

//# a function that returns a closure
fn adder(n: i32) -> impl Fn(i32) -> i32 { move |x| x + n }
adder(3)(4)
//=> 7

//# a function that takes a closure
fn apply<F: FnOnce(String) -> usize>(f: F) -> usize { f("four".to_owned()) }
//--
apply(|text| text.len())
//=> 4

//# a closure that borrows a variable of an earlier cell
//evcxr evcxr refuses every cell that gives a name to a closure
let mut log: Vec<String> = Vec::new();
//--
let mut note = |text: &str| log.push(text.to_owned()); note("a"); note("b");
//--
log
//=> ["a", "b"]

//# map, filter, fold
(1..=10).filter(|n| n % 3 == 0).map(|n| n * n).fold(0, |a, b| a + b)
//=> 126

//# zip, enumerate, rev, skip, step_by
let a = [1, 2, 3];
a.iter().zip(b"abc").enumerate().rev().skip(1).map(|(i, (n, c))| format!("{i}{n}{}", *c as char)).collect::<Vec<_>>()
//=> ["12b", "01a"]

//# windows, chunks, flat_map
let v: Vec<i32> = (0..6).collect();
(v.windows(2).map(|w| w[0] * w[1]).sum::<i32>(), v.chunks(4).map(<[i32]>::len).collect::<Vec<_>>(), v.iter().flat_map(|&n| vec![n; n as usize]).count())
//=> (40, [4, 2], 15)

//# collect into a map, a set, a string and a result
use std::collections::{BTreeMap, BTreeSet};
let lengths: BTreeMap<&str, usize> = ["a", "bcd"].into_iter().map(|s| (s, s.len())).collect();
let letters: BTreeSet<char> = "hello".chars().collect();
let joined: String = letters.iter().collect();
let numbers: Result<Vec<i32>, _> = "1 2 x".split(' ').map(str::parse::<i32>).collect();
(lengths, joined, numbers.is_err())
//=> ({"a": 1, "bcd": 3}, "ehlo", true)

//# sort, dedup, binary search
let mut v = vec![3, 1, 2, 3]; v.sort_unstable(); v.dedup();
(v.binary_search(&2), v)
//=> (Ok(1), [1, 2, 3])

//# a lazy iterator in a box lives on
let mut numbers: Box<dyn Iterator<Item = u32>> = Box::new((1..).map(|n| n * n));
//--
numbers.next(); numbers.next()
//=> Some(4)
//--
numbers.next()
//=> Some(9)

//# scan, take_while, min_by, max_by_key
let sums: Vec<i32> = (1..).scan(0, |total, n| { *total += n; Some(*total) }).take_while(|&n| n < 20).collect();
(sums.len(), [0.5, -1.0].into_iter().min_by(f64::total_cmp), ["a", "bcd", "ef"].iter().max_by_key(|s| s.len()))
//=> (5, Some(-1.0), Some("bcd"))
