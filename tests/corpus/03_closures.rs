//# a closure captures a number by reference
//together a borrow crosses statements
fn main() {
    let k = 2.0;
    let f = |x: f64| x * k;
    println!("{}", f(3.0));
    println!("{k} {}", f(0.5));
}

//# a closure captures a number by move
fn main() {
    let offset = 10;
    let add = move |x: i32| x + offset;
    println!("{} {}", add(1), add(2));
    println!("{offset}");
}

//# closure of the kind Fn
//together a borrow crosses statements
fn apply<F: Fn(i32) -> i32>(f: F, times: u32, start: i32) -> i32 {
    let mut value = start;
    for _ in 0..times { value = f(value); }
    value
}

fn main() {
    let step = 3;
    let text = String::from("captured");
    let f = |x| x + step + text.len() as i32;
    println!("{}", apply(&f, 2, 0));
    println!("{}", apply(f, 3, 1));
    println!("{text}");
}

//# closure of the kind FnMut
//together a borrow crosses statements
fn call_three<F: FnMut() -> u32>(mut f: F) -> u32 {
    f();
    f();
    f()
}

fn main() {
    let mut count = 0;
    let mut up = || { count += 1; count };
    println!("{} {}", up(), up());
    println!("{}", call_three(&mut up));
    println!("{count}");
    let mut log = Vec::new();
    let mut note = |s: &str| log.push(s.to_uppercase());
    note("a");
    note("b");
    println!("{log:?}");
}

//# closure of the kind FnOnce
//together a type has no name
fn run<F: FnOnce() -> String>(f: F) -> String { f() }

fn main() {
    let name = String::from("once");
    let consume = move || { let mut s = name; s.push('!'); s };
    println!("{}", run(consume));
    let list = vec![1, 2, 3];
    let sum = || list.into_iter().sum::<i32>();
    println!("{}", sum());
}

//# closures in a vector of boxes
fn main() {
    let mut steps: Vec<(&str, Box<dyn Fn(f64) -> f64>)> = Vec::new();
    let factor = 1.5;
    steps.push(("scale", Box::new(move |x| x * factor)));
    steps.push(("shift", Box::new(|x| x - 1.0)));
    steps.push(("square", Box::new(|x| x * x)));
    let mut value = 4.0;
    for (name, step) in &steps {
        value = step(value);
        println!("{name}: {value}");
    }
}

//# functions that return closures
//together a type has no name
fn adder(n: i32) -> impl Fn(i32) -> i32 { move |x| x + n }
fn counter() -> impl FnMut() -> u32 { let mut c = 0; move || { c += 1; c } }
fn chosen(double: bool) -> Box<dyn Fn(i32) -> i32> {
    if double { Box::new(|x| 2 * x) } else { Box::new(|x| -x) }
}
fn compose<A, B, C>(f: impl Fn(A) -> B, g: impl Fn(B) -> C) -> impl Fn(A) -> C { move |x| g(f(x)) }

fn main() {
    let add5 = adder(5);
    let mut next = counter();
    println!("{} {} {}", add5(1), next(), next());
    println!("{} {}", chosen(true)(4), chosen(false)(4));
    let both = compose(add5, |x| format!("<{x}>"));
    println!("{}", both(10));
}

//# nested closures
//together a borrow crosses statements
fn main() {
    let base = 100;
    let outer = |a: i32| {
        let inner = |b: i32| a + b + base;
        inner(1) * inner(2)
    };
    println!("{}", outer(3));
    let make = |a: i32| move |b: i32| move |c: i32| a * 100 + b * 10 + c;
    println!("{}", make(1)(2)(3));
    let names = ["x", "y"];
    let table: Vec<Vec<String>> = (0..2).map(|i| names.iter().map(|n| format!("{n}{i}")).collect()).collect();
    println!("{table:?}");
}

//# capture of single fields
//together a borrow crosses statements
struct State { hits: u32, names: Vec<String> }

fn main() {
    let mut state = State { hits: 0, names: vec!["a".into()] };
    {
        let names = &state.names;
        let mut hit = || state.hits += 1;
        hit();
        hit();
        println!("{}", names.len());
    }
    let mut push = |s: &str| state.names.push(s.to_string());
    push("b");
    push("c");
    println!("{} {:?}", state.hits, state.names);
}

//# function pointers
fn double(x: i32) -> i32 { x * 2 }
fn negate(x: i32) -> i32 { -x }

fn main() {
    let table: [(&str, fn(i32) -> i32); 3] = [("double", double), ("negate", negate), ("inc", |x| x + 1)];
    for (name, f) in table {
        println!("{name} {}", f(7));
    }
    let f: fn(i32) -> i32 = if table.len() > 2 { double } else { negate };
    println!("{:?}", [1, 2, 3].map(f));
    println!("{:?}", ["1", "2"].iter().map(|s| s.parse::<i32>()).collect::<Result<Vec<_>, _>>());
}

//# a struct with a closure
//together a borrow crosses statements
struct Cache<F: Fn(u64) -> u64> { f: F, known: std::collections::HashMap<u64, u64>, misses: u32 }

impl<F: Fn(u64) -> u64> Cache<F> {
    fn new(f: F) -> Self { Cache { f, known: Default::default(), misses: 0 } }
    fn get(&mut self, n: u64) -> u64 {
        if let Some(v) = self.known.get(&n) { return *v; }
        self.misses += 1;
        let v = (self.f)(n);
        self.known.insert(n, v);
        v
    }
}

fn main() {
    let power = 3;
    let mut cache = Cache::new(|n| n.pow(power));
    println!("{} {} {}", cache.get(2), cache.get(3), cache.get(2));
    println!("{} misses", cache.misses);
}

//# sorting by captured keys
use std::collections::HashMap;

fn main() {
    let rank: HashMap<&str, i32> = [("low", 1), ("mid", 2), ("high", 3)].into();
    let mut words = vec!["high", "low", "mid", "low"];
    words.sort_by_key(|w| rank[w]);
    println!("{words:?}");
    let weights = vec![0.3, 0.1, 0.2];
    let mut order: Vec<usize> = (0..3).collect();
    order.sort_by(|&a, &b| weights[a].partial_cmp(&weights[b]).unwrap());
    println!("{order:?}");
    words.sort_by_key(|w| std::cmp::Reverse(w.len()));
    println!("{words:?}");
}

//# a closure measures time
//together a borrow crosses statements
use std::time::{Duration, Instant};

fn main() {
    let t = Instant::now();
    let passed = || t.elapsed();
    let first = passed();
    let second = passed();
    println!("{}", second >= first);
    println!("{}", passed() < Duration::from_secs(3600));
}

//# a closure that filters by two locals
//together a borrow crosses statements
fn main() {
    let (low, high) = (3, 8);
    let inside = |x: &&i32| **x >= low && **x < high;
    let data = [1, 3, 5, 8, 9, 7];
    let kept: Vec<&i32> = data.iter().filter(inside).collect();
    println!("{kept:?}");
    let position = data.iter().position(|&x| x == high);
    println!("{position:?}");
}

//# recursion through a function that takes itself
fn fix<A: Copy, B>(f: &dyn Fn(&dyn Fn(A) -> B, A) -> B, a: A) -> B {
    f(&|x| fix(f, x), a)
}

fn main() {
    let factorial = fix(&|me: &dyn Fn(u64) -> u64, n: u64| if n < 2 { 1 } else { n * me(n - 1) }, 10);
    println!("{factorial}");
    struct Rec<'a> { f: &'a dyn Fn(&Rec, u32) -> u32 }
    let fib = Rec { f: &|r, n| if n < 2 { n } else { (r.f)(r, n - 1) + (r.f)(r, n - 2) } };
    println!("{}", (fib.f)(&fib, 15));
}

//# a closure that borrows mutably ends before the next use
//together a borrow crosses statements
fn main() {
    let mut list = vec![3, 1, 2];
    let mut push_all = |more: &[i32]| for x in more { list.push(*x) };
    push_all(&[9, 8]);
    push_all(&[7]);
    list.sort();
    println!("{list:?}");
    let largest = || list.last().copied();
    println!("{:?}", largest());
    list.clear();
    println!("{}", list.len());
}

//# callbacks with state
//together a type is inferred from a later statement
struct Button<'a> { handlers: Vec<Box<dyn FnMut(&str) + 'a>> }

impl<'a> Button<'a> {
    fn on(&mut self, f: impl FnMut(&str) + 'a) -> &mut Self { self.handlers.push(Box::new(f)); self }
    fn click(&mut self, who: &str) { for h in &mut self.handlers { h(who) } }
}

fn main() {
    let mut clicks = 0;
    let mut names = Vec::new();
    let mut button = Button { handlers: vec![] };
    button.on(|_| clicks += 1).on(|who| names.push(who.to_string()));
    button.click("ann");
    button.click("bob");
    drop(button);
    println!("{clicks} {names:?}");
}

//# closures with explicit types and returns
fn main() {
    let parse = |text: &str| -> Result<i32, std::num::ParseIntError> {
        let n: i32 = text.trim().parse()?;
        Ok(n * 2)
    };
    println!("{:?}", parse(" 21 "));
    println!("{}", parse("x").is_err());
    let classify = |n: i32| -> &'static str {
        if n < 0 { return "negative"; }
        if n == 0 { return "zero"; }
        "positive"
    };
    println!("{} {} {}", classify(-1), classify(0), classify(1));
}

//# a closure's argument type comes from its first use
fn main() {
    let twice = |x| x + x;
    let n: u8 = 100;
    println!("{}", twice(n));
    let show = |x| format!("{x:?}");
    println!("{}", show(Some(1)));
    let id = |x| x;
    println!("{}", id("text"));
}

//# generic functions with closures and references
//together a borrow crosses statements
fn find_map<'a, T, R>(list: &'a [T], f: impl Fn(&'a T) -> Option<R>) -> Option<R> {
    for item in list {
        if let Some(r) = f(item) { return Some(r); }
    }
    None
}

fn main() {
    let lines = vec!["# comment".to_string(), "name = pump".to_string()];
    let value: Option<&str> = find_map(&lines, |l| l.split_once(" = ").map(|(_, v)| v));
    println!("{value:?}");
    let key = "nothing";
    println!("{:?}", find_map(&lines, |l| l.strip_prefix(key)));
}
