//# a calculator by recursive descent
use std::iter::Peekable;
use std::str::Chars;

struct Calc<'a> { chars: Peekable<Chars<'a>> }
impl<'a> Calc<'a> {
    fn new(s: &'a str) -> Self { Calc { chars: s.chars().peekable() } }
    fn skip(&mut self) { while self.chars.next_if(|c| c.is_whitespace()).is_some() {} }
    fn eat(&mut self, c: char) -> bool { self.skip(); self.chars.next_if_eq(&c).is_some() }
    fn number(&mut self) -> Result<f64, String> {
        self.skip();
        let mut text = String::new();
        while let Some(c) = self.chars.next_if(|c| c.is_ascii_digit() || *c == '.') { text.push(c); }
        text.parse().map_err(|_| format!("no number at {:?}", self.chars.clone().collect::<String>()))
    }
    fn factor(&mut self) -> Result<f64, String> {
        if self.eat('-') { return Ok(-self.factor()?); }
        if self.eat('(') { let v = self.sum()?; return if self.eat(')') { Ok(v) } else { Err("no )".into()) }; }
        self.number()
    }
    fn product(&mut self) -> Result<f64, String> { let mut v = self.factor()?; loop { if self.eat('*') { v *= self.factor()? } else if self.eat('/') { v /= self.factor()? } else { return Ok(v) } } }
    fn sum(&mut self) -> Result<f64, String> { let mut v = self.product()?; loop { if self.eat('+') { v += self.product()? } else if self.eat('-') { v -= self.product()? } else { return Ok(v) } } }
}

fn main() {
    for text in ["1 + 2 * 3", "-(4 - 6) * 2.5", "2 * (3", "7 / x"] {
        println!("{text} = {:?}", Calc::new(text).sum());
    }
}

//# a tokenizer with slices
//together a borrow crosses statements
#[derive(Debug, PartialEq, Clone, Copy)]
enum Token<'s> { Ident(&'s str), Number(i64), Punct(char) }
struct Lexer<'s> { rest: &'s str }
impl<'s> Iterator for Lexer<'s> {
    type Item = Token<'s>;
    fn next(&mut self) -> Option<Token<'s>> {
        self.rest = self.rest.trim_start();
        let c = self.rest.chars().next()?;
        let take = |f: fn(char) -> bool| self.rest.find(|c| !f(c)).unwrap_or(self.rest.len());
        let (n, token) = if c.is_alphabetic() { let n = take(char::is_alphanumeric); (n, Token::Ident(&self.rest[..n])) }
            else if c.is_ascii_digit() { let n = take(|c| c.is_ascii_digit()); (n, Token::Number(self.rest[..n].parse().unwrap())) }
            else { (c.len_utf8(), Token::Punct(c)) };
        self.rest = &self.rest[n..];
        Some(token)
    }
}

fn main() {
    let source = String::from("let x1 = 42+y;");
    let tokens: Vec<Token> = Lexer { rest: &source }.collect();
    println!("{tokens:?}");
    let names: Vec<&str> = tokens.iter().filter_map(|t| match t { Token::Ident(n) => Some(*n), _ => None }).collect();
    println!("{names:?}");
}

//# json by hand
use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, Clone, PartialEq)]
enum Json { Null, Bool(bool), Num(f64), Str(String), List(Vec<Json>), Map(BTreeMap<String, Json>) }
struct P<'a>(&'a [u8], usize);
impl P<'_> {
    fn ws(&mut self) { while self.0.get(self.1).is_some_and(|b| b.is_ascii_whitespace()) { self.1 += 1; } }
    fn word(&mut self, w: &str, j: Json) -> Result<Json, String> { if self.0[self.1..].starts_with(w.as_bytes()) { self.1 += w.len(); Ok(j) } else { Err(format!("at {}", self.1)) } }
    fn string(&mut self) -> Result<String, String> { self.1 += 1; let start = self.1; while *self.0.get(self.1).ok_or("end in string")? != b'"' { self.1 += 1; } self.1 += 1; Ok(String::from_utf8_lossy(&self.0[start..self.1 - 1]).into_owned()) }
    fn value(&mut self) -> Result<Json, String> {
        self.ws();
        let r = match self.0.get(self.1).ok_or("end")? {
            b'n' => self.word("null", Json::Null), b't' => self.word("true", Json::Bool(true)), b'f' => self.word("false", Json::Bool(false)),
            b'"' => self.string().map(Json::Str),
            b'[' => { let mut l = vec![]; self.1 += 1; loop { self.ws(); match self.0.get(self.1).ok_or("end in list")? { b']' => { self.1 += 1; break Ok(Json::List(l)) } b',' => self.1 += 1, _ => l.push(self.value()?) } } }
            b'{' => { let mut m = BTreeMap::new(); self.1 += 1; loop { self.ws(); match self.0.get(self.1).ok_or("end in map")? { b'}' => { self.1 += 1; break Ok(Json::Map(m)) } b',' => self.1 += 1, _ => { let k = self.string()?; self.ws(); self.1 += 1; m.insert(k, self.value()?); } } } }
            _ => { let start = self.1; while self.0.get(self.1).is_some_and(|b| b"+-.eE0123456789".contains(b)) { self.1 += 1; } std::str::from_utf8(&self.0[start..self.1]).unwrap().parse().map(Json::Num).map_err(|e| e.to_string()) }
        };
        self.ws();
        r
    }
}
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Json::Null => write!(f, "null"), Json::Bool(b) => write!(f, "{b}"), Json::Num(n) => write!(f, "{n}"), Json::Str(s) => write!(f, "{s:?}"),
            Json::List(l) => { write!(f, "[")?; for (i, x) in l.iter().enumerate() { if i > 0 { write!(f, ",")?; } write!(f, "{x}")?; } write!(f, "]") }
            Json::Map(m) => { write!(f, "{{")?; for (i, (k, v)) in m.iter().enumerate() { if i > 0 { write!(f, ",")?; } write!(f, "{k:?}:{v}")?; } write!(f, "}}") }
        }
    }
}

fn main() {
    let text = r#" {"b": [1, 2.5, -3e2, null], "a": {"t": true, "s": "hi there"}, "e": []} "#;
    let json = P(text.as_bytes(), 0).value();
    match &json { Ok(j) => println!("{j}"), Err(e) => println!("error {e}") }
    let Ok(Json::Map(map)) = json else { panic!("no map") };
    println!("{:?} {:?}", map["a"], map.get("zzz"));
    println!("{:?} {:?}", P(b"[1, ", 0).value(), P(b"nope", 0).value());
}

//# parser combinators
//together a type has no name
type Parsed<'a, T> = Option<(T, &'a str)>;
trait Parser<'a, T>: Fn(&'a str) -> Parsed<'a, T> + Sized {
    fn map<U>(self, f: impl Fn(T) -> U) -> impl Fn(&'a str) -> Parsed<'a, U> { move |s| self(s).map(|(t, r)| (f(t), r)) }
    fn then<U>(self, next: impl Fn(&'a str) -> Parsed<'a, U>) -> impl Fn(&'a str) -> Parsed<'a, (T, U)> { move |s| { let (t, r) = self(s)?; let (u, r) = next(r)?; Some(((t, u), r)) } }
    fn many(self) -> impl Fn(&'a str) -> Parsed<'a, Vec<T>> { move |mut s| { let mut v = vec![]; while let Some((t, r)) = self(s) { v.push(t); s = r; } Some((v, s)) } }
}
impl<'a, T, F: Fn(&'a str) -> Parsed<'a, T>> Parser<'a, T> for F {}
fn literal<'a>(text: &'static str) -> impl Fn(&'a str) -> Parsed<'a, &'static str> { move |s| Some((text, s.strip_prefix(text)?)) }
fn number(s: &str) -> Parsed<'_, u32> { let n = s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len()); Some((s[..n].parse().ok()?, &s[n..])) }

fn main() {
    let item = number.then(literal(";")).map(|(n, _)| n * 2);
    println!("{:?}", item("21;rest"));
    let list = literal("[").then(item.many()).then(literal("]")).map(|((_, v), _)| v);
    println!("{:?} {:?}", list("[1;2;30;]!"), list("[1;2"));
}

//# an ini file
use std::collections::BTreeMap;

type Ini<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>;
fn parse(text: &str) -> Result<Ini<'_>, String> {
    let mut ini = Ini::new();
    let mut section = "";
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap().trim();
        if line.is_empty() { continue; }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) { section = name; continue; }
        let (key, value) = line.split_once('=').ok_or_else(|| format!("line {}: no '=' in {line:?}", i + 1))?;
        ini.entry(section).or_default().insert(key.trim(), value.trim());
    }
    Ok(ini)
}

fn main() {
    let text = "name = demo # comment\n[server]\nport=80\nhost = local\n\n[empty]\n[server]\nport = 81";
    let ini = parse(text).unwrap();
    for (section, values) in &ini { println!("[{section}] {values:?}"); }
    let port: u16 = ini["server"]["port"].parse().unwrap();
    println!("{port} {:?}", parse("x"));
}

//# a traffic light as a state machine
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Light { Red, RedAmber, Green, Amber, Flashing { count: u8 } }
#[derive(Debug, Clone, Copy)]
enum Event { Tick, Fault, Reset }
impl Light {
    fn on(self, e: Event) -> Light {
        use Light::*;
        match (self, e) {
            (_, Event::Reset) => Red,
            (Flashing { count }, _) => Flashing { count: count.saturating_add(1) },
            (_, Event::Fault) => Flashing { count: 0 },
            (Red, Event::Tick) => RedAmber,
            (RedAmber, Event::Tick) => Green,
            (Green, Event::Tick) => Amber,
            (Amber, Event::Tick) => Red,
        }
    }
}
impl fmt::Display for Light { fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { match self { Light::Flashing { count } => write!(f, "*{count}"), other => write!(f, "{other:?}") } } }

fn main() {
    use Event::*;
    let mut light = Light::Red;
    for e in [Tick, Tick, Tick, Fault, Tick, Fault, Reset, Tick] { light = light.on(e); print!("{light} "); }
    println!();
    println!("{}", light == Light::RedAmber);
}

//# a virtual machine
use std::collections::HashMap;

#[derive(Debug, Clone)]
enum Op { Push(i64), Load(String), Store(String), Add, Sub, Mul, JumpIfZero(usize), Jump(usize), Print, Halt }
#[derive(Debug, PartialEq)]
enum Fault { Underflow(usize), Unknown(String), Steps }
#[derive(Default)]
struct Vm { stack: Vec<i64>, vars: HashMap<String, i64>, out: Vec<i64> }
impl Vm {
    fn pop(&mut self, at: usize) -> Result<i64, Fault> { self.stack.pop().ok_or(Fault::Underflow(at)) }
    fn run(&mut self, code: &[Op]) -> Result<usize, Fault> {
        let (mut pc, mut steps) = (0, 0);
        while let Some(op) = code.get(pc) {
            steps += 1;
            if steps > 1000 { return Err(Fault::Steps); }
            let at = pc;
            pc += 1;
            match op {
                Op::Push(n) => self.stack.push(*n),
                Op::Load(v) => { let n = *self.vars.get(v).ok_or_else(|| Fault::Unknown(v.clone()))?; self.stack.push(n) }
                Op::Store(v) => { let n = self.pop(at)?; self.vars.insert(v.clone(), n); }
                Op::Add | Op::Sub | Op::Mul => { let (b, a) = (self.pop(at)?, self.pop(at)?); self.stack.push(match op { Op::Add => a + b, Op::Sub => a - b, _ => a * b }) }
                Op::JumpIfZero(to) => if self.pop(at)? == 0 { pc = *to },
                Op::Jump(to) => pc = *to,
                Op::Print => { let n = self.pop(at)?; self.out.push(n) }
                Op::Halt => break,
            }
        }
        Ok(steps)
    }
}

fn main() {
    let v = |s: &str| s.to_string();
    let code = vec![Op::Push(5), Op::Store(v("n")), Op::Push(1), Op::Store(v("f")), Op::Load(v("n")), Op::JumpIfZero(15), Op::Load(v("f")), Op::Load(v("n")), Op::Mul, Op::Store(v("f")), Op::Load(v("n")), Op::Push(1), Op::Sub, Op::Store(v("n")), Op::Jump(4), Op::Load(v("f")), Op::Print, Op::Halt];
    let mut vm = Vm::default();
    println!("{:?} {:?}", vm.run(&code), vm.out);
    println!("{:?} {:?}", vm.run(&[Op::Add]), vm.run(&[Op::Load(v("zz"))]));
    println!("{:?}", vm.run(&[Op::Jump(0)]));
}

//# brainfuck
fn run(code: &str, input: &[u8]) -> String {
    let code: Vec<u8> = code.bytes().collect();
    let mut jump = vec![0; code.len()];
    let mut open = vec![];
    for (i, b) in code.iter().enumerate() { match b { b'[' => open.push(i), b']' => { let o = open.pop().unwrap(); jump[o] = i; jump[i] = o; } _ => {} } }
    let (mut tape, mut at, mut pc, mut out) = (vec![0u8; 300], 0usize, 0, Vec::new());
    let mut input = input.iter();
    while pc < code.len() {
        match code[pc] {
            b'>' => at += 1, b'<' => at -= 1,
            b'+' => tape[at] = tape[at].wrapping_add(1), b'-' => tape[at] = tape[at].wrapping_sub(1),
            b'.' => out.push(tape[at]), b',' => tape[at] = *input.next().unwrap_or(&0),
            b'[' if tape[at] == 0 => pc = jump[pc], b']' if tape[at] != 0 => pc = jump[pc],
            _ => {}
        }
        pc += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn main() {
    let hello = "++++++++[>++++[>++>+++>+++>+<<<<-]>+>+>->>+[<]<-]>>.>---.+++++++..+++.";
    println!("{}", run(hello, b""));
    println!("{}", run(",[.,]", b"echo"));
}

//# roman numerals both ways
const TABLE: [(u32, &str); 13] = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")];

fn roman(mut n: u32) -> String {
    let mut s = String::new();
    for (value, text) in TABLE { while n >= value { s += text; n -= value; } }
    s
}
fn number(mut s: &str) -> Option<u32> {
    let mut n = 0;
    'outer: while !s.is_empty() {
        for (value, text) in &TABLE { if let Some(rest) = s.strip_prefix(text) { n += value; s = rest; continue 'outer; } }
        return None;
    }
    Some(n)
}

fn main() {
    for n in [4, 1994, 2026] { let r = roman(n); println!("{n} {r} {:?}", number(&r)); }
    println!("{:?} {}", number("MQ"), (1..4000).all(|n| number(&roman(n)) == Some(n)));
}

//# a stack language
fn forth(source: &str) -> Result<Vec<i32>, String> {
    let mut stack: Vec<i32> = vec![];
    for (i, word) in source.split_whitespace().enumerate() {
        let mut pop = || stack.pop().ok_or_else(|| format!("word {i}: empty stack"));
        let pushed = match word {
            "+" => { let b = pop()?; vec![pop()? + b] }
            "*" => { let b = pop()?; vec![pop()? * b] }
            "swap" => { let b = pop()?; let a = pop()?; vec![b, a] }
            "dup" => { let a = pop()?; vec![a, a] }
            "drop" => { pop()?; vec![] }
            n => vec![n.parse().map_err(|_| format!("word {i}: {n:?}?"))?],
        };
        stack.extend(pushed);
    }
    Ok(stack)
}

fn main() {
    for source in ["1 2 + 3 *", "5 dup * swap", "1 2 swap drop dup", "1 what"] { println!("{source}: {:?}", forth(source)); }
}
