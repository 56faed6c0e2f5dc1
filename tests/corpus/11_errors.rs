//# question mark with a boxed error
use std::error::Error;

fn parse_pair(text: &str) -> Result<(i32, f64), Box<dyn Error>> {
    let (a, b) = text.split_once(':').ok_or("no colon")?;
    Ok((a.trim().parse()?, b.trim().parse()?))
}

fn main() {
    for text in ["1: 2.5", "1 2.5", "x: 1", "1: y"] {
        match parse_pair(text) {
            Ok((a, b)) => println!("{a} {b}"),
            Err(e) => println!("{text:?}: {e}"),
        }
    }
}

//# an error type of one's own
use std::fmt;
use std::num::ParseIntError;

#[derive(Debug)]
enum ConfigError { Missing(&'static str), Number { key: String, source: ParseIntError } }
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self { Self::Missing(k) => write!(f, "{k} is missing"), Self::Number { key, .. } => write!(f, "{key} is no number") }
    }
}
impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> { match self { Self::Number { source, .. } => Some(source), _ => None } }
}
fn get(text: &str, key: &'static str) -> Result<i64, ConfigError> {
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('=')).ok_or(ConfigError::Missing(key))?;
    line.parse().map_err(|source| ConfigError::Number { key: key.to_string(), source })
}

fn main() {
    let text = "width=80\nheight=tall";
    println!("{:?}", get(text, "width").unwrap());
    for key in ["height", "depth"] {
        let error = get(text, key).unwrap_err();
        print!("{error}");
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(c) = cause { print!(" <- {c}"); cause = c.source(); }
        println!();
    }
}

//# From for question mark
use std::{num, str};

#[derive(Debug, PartialEq)]
enum Failure { Int(num::ParseIntError), Utf8(str::Utf8Error), Empty }
impl From<num::ParseIntError> for Failure { fn from(e: num::ParseIntError) -> Self { Failure::Int(e) } }
impl From<str::Utf8Error> for Failure { fn from(e: str::Utf8Error) -> Self { Failure::Utf8(e) } }

fn number(bytes: &[u8]) -> Result<u32, Failure> {
    if bytes.is_empty() { return Err(Failure::Empty); }
    let text = str::from_utf8(bytes)?;
    Ok(text.trim().parse::<u32>()?)
}

fn main() {
    println!("{:?}", number(b" 42 "));
    println!("{:?}", number(b""));
    println!("{:?}", number(b"4x").is_err());
    println!("{}", matches!(number(&[0xff, 0xfe]), Err(Failure::Utf8(_))));
}

//# main returns a result
fn main() -> Result<(), std::num::ParseIntError> {
    let a: i32 = "40".parse()?;
    let b = "2".parse::<i32>()?;
    println!("{}", a + b);
    Ok(())
}

//# main returns a boxed error and uses several kinds
use std::error::Error;
use std::fmt::Write as _;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = String::new();
    for (i, word) in "7 8 9".split(' ').enumerate() {
        let n: u8 = word.parse()?;
        write!(out, "{i}:{n} ")?;
    }
    let text = String::from_utf8(out.clone().into_bytes())?;
    println!("{}", text.trim());
    let c = char::from_digit(7, 10).ok_or("no digit")?;
    println!("{c}");
    Ok(())
}

//# options with question mark
struct User { name: String, boss: Option<Box<User>> }

fn boss_initial(user: &User) -> Option<char> {
    let boss = user.boss.as_ref()?;
    boss.name.chars().next()
}
fn third_digit(text: &str) -> Option<u32> { text.split('-').nth(2)?.chars().next()?.to_digit(10) }

fn main() {
    let boss = User { name: "Zoe".into(), boss: None };
    let user = User { name: "Al".into(), boss: Some(Box::new(boss)) };
    println!("{:?} {:?}", boss_initial(&user), boss_initial(user.boss.as_ref().unwrap()));
    println!("{:?} {:?} {}", third_digit("a-b-7x"), third_digit("a-b"), user.name);
}

//# combinators of Option
fn main() {
    let some = Some(4);
    let none: Option<i32> = None;
    println!("{:?} {:?}", some.map(|x| x * 2), none.map(|x| x * 2));
    println!("{} {}", some.unwrap_or(0), none.unwrap_or_default());
    println!("{:?} {:?}", some.filter(|x| x % 2 == 1), some.xor(none));
    println!("{:?} {:?}", some.and_then(|x| x.checked_sub(5)), none.or(Some(9)));
    println!("{:?} {:?}", some.zip(Some('x')), some.ok_or("none"));
    println!("{} {}", some.is_some_and(|x| x > 3), none.is_none_or(|x| x > 3));
    let mut slot = Some("a");
    println!("{:?} {:?}", slot.replace("b"), slot);
    println!("{:?}", slot.insert("c"));
    println!("{:?}", Some(Some(3)).flatten());
    println!("{:?}", Some(Ok::<i32, String>(1)).transpose());
}

//# combinators of Result
fn main() {
    let good: Result<u32, String> = Ok(6);
    let bad: Result<u32, String> = Err("broken".into());
    println!("{:?} {:?}", good.as_ref().map(|x| x + 1), bad.as_ref().map_err(|e| e.len()));
    println!("{} {}", good.clone().unwrap_or(0), bad.clone().unwrap_or_else(|e| e.len() as u32));
    println!("{:?} {:?}", good.clone().and_then(|x| if x > 10 { Ok(x) } else { Err(format!("{x} is small")) }), bad.clone().or_else(|_| Ok::<u32, ()>(1)));
    println!("{:?} {:?}", good.clone().ok(), bad.clone().err());
    println!("{:?} {:?}", good.iter().next(), bad.is_err_and(|e| e.starts_with('b')));
    println!("{}", good.map_or_else(|e| e, |v| format!("value {v}")));
}

//# a panic is caught
use std::panic;

fn risky(n: i32) -> i32 { if n > 2 { panic!("{n} is too much") } n * 10 }

fn main() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let results: Vec<Result<i32, String>> = (1..=4)
        .map(|n| panic::catch_unwind(move || risky(n)).map_err(|p| p.downcast_ref::<String>().cloned().unwrap_or_default()))
        .collect();
    panic::set_hook(hook);
    for r in &results { println!("{r:?}"); }
}

//# a panic through a guard and AssertUnwindSafe
//together a type is inferred from a later statement
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

struct Guard<'a>(&'a mut Vec<String>, &'static str);
impl Drop for Guard<'_> { fn drop(&mut self) { self.0.push(format!("end {}", self.1)); } }

fn main() {
    let mut log = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let g = Guard(&mut log, "work");
        g.0.push("begin".into());
        let list: Vec<i32> = vec![];
        list[0]
    }));
    println!("{} {log:?}", outcome.is_err());
    let again = catch_unwind(|| resume_unwind(Box::new(17u8)));
    println!("{:?}", again.map(|_: ()| 0u8).unwrap_err().downcast_ref::<u8>());
}

//# integer overflow, division and bounds panic
fn try_it(name: &str, f: impl FnOnce() -> i32 + std::panic::UnwindSafe) {
    match std::panic::catch_unwind(f) {
        Ok(v) => println!("{name}: {v}"),
        Err(p) => println!("{name}: {}", p.downcast_ref::<&str>().map(|s| s.to_string()).or_else(|| p.downcast_ref::<String>().cloned()).unwrap()),
    }
}

fn main() {
    let big = std::hint::black_box(i32::MAX);
    let zero = std::hint::black_box(0);
    let list = vec![1, 2, 3];
    try_it("add", move || big + 1);
    try_it("divide", move || 10 / zero);
    try_it("index", move || list[3 + zero as usize]);
    try_it("fine", move || big - 1);
    try_it("unwrap", || None::<i32>.expect("a value"));
}

//# errors collected instead of returned
#[derive(Debug)]
struct Row { id: u32, score: f32 }

fn parse(text: &str) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut errors) = (vec![], vec![]);
    for (n, line) in text.lines().enumerate() {
        let row = (|| -> Result<Row, String> {
            let mut cells = line.split(';');
            let id = cells.next().ok_or("no id")?.parse().map_err(|e| format!("id: {e}"))?;
            let score = cells.next().ok_or_else(|| "no score".to_string())?.parse().map_err(|e| format!("score: {e}"))?;
            Ok(Row { id, score })
        })();
        match row { Ok(r) => rows.push(r), Err(e) => errors.push(format!("line {}: {e}", n + 1)) }
    }
    (rows, errors)
}

fn main() {
    let (rows, errors) = parse("1;2.5\nx;1\n3\n4;z");
    println!("{rows:?}");
    println!("{}", errors.join("\n"));
}

//# a try block by a closure, question mark in the middle
fn main() {
    let texts = ["10 2", "10 0", "x 1", "7"];
    for text in texts {
        let result = (|| {
            let mut it = text.split(' ');
            let a = it.next()?.parse::<i32>().ok()?;
            let b = it.next()?.parse::<i32>().ok()?;
            let q = a.checked_div(b)?;
            Some(q + 1)
        })();
        println!("{text}: {result:?}");
    }
}

//# downcasting a boxed error
use std::error::Error;
use std::fmt;

#[derive(Debug)] struct Timeout(u32);
impl fmt::Display for Timeout { fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { write!(f, "after {} s", self.0) } }
impl Error for Timeout {}
fn fetch(n: u32) -> Result<u32, Box<dyn Error + Send + Sync>> {
    match n { 0 => Err("plain text")?, 1 => Err(Box::new(Timeout(30))), 2 => Err(fmt::Error.into()), n => Ok(n) }
}

fn main() {
    for n in 0..4 {
        match fetch(n) {
            Ok(v) => println!("ok {v}"),
            Err(e) if e.is::<Timeout>() => println!("timeout {}", e.downcast::<Timeout>().unwrap().0),
            Err(e) => println!("other {e} {}", e.downcast_ref::<fmt::Error>().is_some()),
        }
    }
}

//# retries with an error that counts
#[derive(Debug, Clone, PartialEq)]
enum NetError { Busy { retry_in: u32 }, Fatal(String) }
struct Server { busy: u32 }
impl Server {
    fn call(&mut self, what: &str) -> Result<String, NetError> {
        if what == "bad" { return Err(NetError::Fatal(format!("no {what}"))); }
        if self.busy > 0 { self.busy -= 1; return Err(NetError::Busy { retry_in: self.busy + 1 }); }
        Ok(what.to_uppercase())
    }
}
fn with_retries<T>(limit: u32, mut f: impl FnMut(u32) -> Result<T, NetError>) -> Result<T, NetError> {
    let mut waited = 0;
    for attempt in 1..=limit {
        match f(attempt) {
            Err(NetError::Busy { retry_in }) => waited += retry_in,
            other => { println!("waited {waited} in {attempt}"); return other; }
        }
    }
    Err(NetError::Fatal(format!("gave up after {limit}")))
}

fn main() {
    let mut server = Server { busy: 3 };
    println!("{:?}", with_retries(5, |_| server.call("ok")));
    println!("{:?}", with_retries(5, |_| server.call("bad")));
    server.busy = 10;
    println!("{:?}", with_retries(3, |n| server.call(&format!("try {n}"))));
}
