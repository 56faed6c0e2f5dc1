//# a struct with methods of all three receivers
#[derive(Debug, Clone)]
struct Account { owner: String, cents: i64 }

impl Account {
    fn new(owner: &str) -> Self { Self { owner: owner.to_string(), cents: 0 } }
    fn balance(&self) -> i64 { self.cents }
    fn deposit(&mut self, cents: i64) -> &mut Self { self.cents += cents; self }
    fn close(self) -> (String, i64) { (self.owner, self.cents) }
}

fn main() {
    let mut account = Account::new("ann");
    account.deposit(500).deposit(250);
    println!("{}", account.balance());
    let copy = account.clone();
    let (owner, left) = account.close();
    println!("{owner} {left} {copy:?}");
}

//# struct update and field shorthand
#[derive(Debug, Clone, Default, PartialEq)]
struct Options { width: u32, height: u32, title: String, visible: bool }

fn main() {
    let title = String::from("main");
    let base = Options { title, width: 80, ..Default::default() };
    let wide = Options { width: 200, ..base.clone() };
    println!("{base:?}");
    println!("{wide:#?}");
    println!("{}", base == wide);
}

//# tuple structs and newtypes
//together a type has no name
use std::ops::{Add, Deref};

#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Metres(f64);
struct Name(String);
impl Add for Metres { type Output = Metres; fn add(self, o: Metres) -> Metres { Metres(self.0 + o.0) } }
impl Deref for Name { type Target = str; fn deref(&self) -> &str { &self.0 } }

fn main() {
    let total = Metres(1.5) + Metres(2.0);
    println!("{total:?} {}", total > Metres(3.0));
    let name = Name("patch".into());
    println!("{} {}", name.len(), name.to_uppercase());
    let make = Metres;
    println!("{:?}", [1.0, 2.0].map(make));
}

//# unit structs and zero sized types
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Marker;
struct Tagged<T> { value: i32, tag: std::marker::PhantomData<T> }

fn main() {
    let m = Marker;
    println!("{m:?} {} {}", m == Marker, std::mem::size_of::<Marker>());
    let t: Tagged<Marker> = Tagged { value: 5, tag: std::marker::PhantomData };
    println!("{} {}", t.value, std::mem::size_of_val(&t));
    let many = vec![Marker; 1000];
    println!("{}", many.len());
}

//# an enum with discriminants
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Color { Red = 1, Green = 2, Blue = 4 }

impl Color {
    const ALL: [Color; 3] = [Color::Red, Color::Green, Color::Blue];
    fn from_bits(bits: u8) -> Vec<Color> { Self::ALL.into_iter().filter(|c| bits & *c as u8 != 0).collect() }
}

fn main() {
    println!("{}", Color::Blue as u8 | Color::Red as u8);
    println!("{:?}", Color::from_bits(0b110));
    println!("{} {}", Color::Red < Color::Green, std::mem::size_of::<Color>());
}

//# an enum with methods and data
#[derive(Debug)]
enum Expr { Num(f64), Neg(Box<Expr>), Bin { op: char, left: Box<Expr>, right: Box<Expr> } }
use Expr::*;

impl Expr {
    fn eval(&self) -> Result<f64, String> {
        Ok(match self {
            Num(n) => *n,
            Neg(e) => -e.eval()?,
            Bin { op, left, right } => {
                let (a, b) = (left.eval()?, right.eval()?);
                match op { '+' => a + b, '*' => a * b, '/' if b == 0.0 => return Err("division by zero".into()), '/' => a / b, c => return Err(format!("operator {c}")) }
            }
        })
    }
}

fn bin(op: char, left: Expr, right: Expr) -> Expr { Bin { op, left: Box::new(left), right: Box::new(right) } }

fn main() {
    println!("{:?}", bin('+', Num(1.0), Neg(Box::new(Num(3.0)))).eval());
    println!("{:?}", bin('/', Num(1.0), Num(0.0)).eval());
    println!("{:?}", bin('?', Num(1.0), Num(0.0)).eval());
    println!("{:?}", Neg(Box::new(Num(2.0))));
}

//# associated constants through the type
struct Square;
struct Circle { r: f64 }
trait Sides { const SIDES: u32; const NAME: &'static str = "shape"; }
impl Sides for Square { const SIDES: u32 = 4; const NAME: &'static str = "square"; }
impl Sides for Circle { const SIDES: u32 = 0; }
impl Circle { const UNIT: Circle = Circle { r: 1.0 }; const PI_ISH: f64 = 3.0; }

fn main() {
    println!("{} {}", Square::SIDES, Circle::SIDES);
    println!("{} {}", Square::NAME, <Circle as Sides>::NAME);
    println!("{}", Circle::PI_ISH * Circle::UNIT.r);
    let corners = [0u8; Square::SIDES as usize];
    println!("{}", corners.len());
}

//# type aliases and Self
type Grid<T> = Vec<Vec<T>>;
type Answer<T = ()> = Result<T, Box<dyn std::error::Error>>;

struct Stack<T>(Vec<T>);
impl<T: Clone> Stack<T> {
    fn empty() -> Self { Self(Vec::new()) }
    fn with(&self, x: T) -> Self { let Self(list) = self; let mut l = list.clone(); l.push(x); Self(l) }
}

fn check(n: i32) -> Answer<i32> { if n > 0 { Ok(n) } else { Err("not positive".into()) } }

fn main() {
    let grid: Grid<u8> = vec![vec![0; 3]; 2];
    println!("{grid:?}");
    let s = Stack::empty().with(1).with(2);
    println!("{:?}", s.0);
    println!("{:?} {}", check(1).unwrap(), check(-1).unwrap_err());
}

//# derive of every common trait
use std::collections::{BTreeSet, HashSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
enum Level { #[default] Low, Mid(u8), High { by: i8 } }

fn main() {
    let mut list = vec![Level::High { by: -1 }, Level::Mid(3), Level::default(), Level::Mid(1)];
    list.sort();
    println!("{list:?}");
    let set: HashSet<Level> = list.iter().copied().collect();
    println!("{} {}", set.len(), set.contains(&Level::Mid(3)));
    let ordered: BTreeSet<_> = list.into_iter().rev().collect();
    println!("{:?}", ordered.first());
}

//# builder pattern
#[derive(Debug)]
struct Request { url: String, method: String, headers: Vec<(String, String)>, retries: Option<u32> }

#[derive(Default)]
struct RequestBuilder { url: Option<String>, method: Option<String>, headers: Vec<(String, String)>, retries: Option<u32> }

impl RequestBuilder {
    fn url(mut self, url: impl Into<String>) -> Self { self.url = Some(url.into()); self }
    fn header(mut self, k: &str, v: &str) -> Self { self.headers.push((k.into(), v.into())); self }
    fn retries(mut self, n: u32) -> Self { self.retries.replace(n); self }
    fn build(self) -> Result<Request, &'static str> {
        Ok(Request { url: self.url.ok_or("no url")?, method: self.method.unwrap_or_else(|| "GET".into()), headers: self.headers, retries: self.retries })
    }
}

fn main() {
    let request = RequestBuilder::default()
        .url("http://localhost")
        .header("accept", "*/*")
        .retries(3)
        .build();
    println!("{request:?}");
    println!("{:?}", RequestBuilder::default().build().err());
}

//# recursive types
#[derive(Debug)]
enum List { Cons(i32, Box<List>), Nil }
use List::{Cons, Nil};

impl List {
    fn sum(&self) -> i32 { match self { Cons(n, rest) => n + rest.sum(), Nil => 0 } }
    fn reversed(self) -> List {
        let mut out = Nil;
        let mut at = self;
        while let Cons(n, rest) = at { out = Cons(n, Box::new(out)); at = *rest; }
        out
    }
}

fn main() {
    let list = Cons(1, Box::new(Cons(2, Box::new(Cons(3, Box::new(Nil))))));
    println!("{}", list.sum());
    println!("{:?}", list.reversed());
}

//# a binary search tree
//together a type is inferred from a later statement
#[derive(Default)]
struct Tree<K, V> { root: Option<Box<Node<K, V>>>, size: usize }
struct Node<K, V> { key: K, value: V, left: Option<Box<Node<K, V>>>, right: Option<Box<Node<K, V>>> }

impl<K: Ord, V> Tree<K, V> {
    fn new() -> Self { Tree { root: None, size: 0 } }
    fn insert(&mut self, key: K, value: V) -> Option<V> {
        let mut at = &mut self.root;
        while let Some(node) = at {
            match key.cmp(&node.key) {
                std::cmp::Ordering::Less => at = &mut node.left,
                std::cmp::Ordering::Greater => at = &mut node.right,
                std::cmp::Ordering::Equal => return Some(std::mem::replace(&mut node.value, value)),
            }
        }
        *at = Some(Box::new(Node { key, value, left: None, right: None }));
        self.size += 1;
        None
    }
    fn walk<'a>(node: &'a Option<Box<Node<K, V>>>, out: &mut Vec<(&'a K, &'a V)>) {
        if let Some(n) = node { Self::walk(&n.left, out); out.push((&n.key, &n.value)); Self::walk(&n.right, out); }
    }
    fn sorted(&self) -> Vec<(&K, &V)> { let mut out = vec![]; Self::walk(&self.root, &mut out); out }
}

fn main() {
    let mut tree = Tree::new();
    for (i, w) in ["m", "c", "x", "a", "d"].into_iter().enumerate() { tree.insert(w, i); }
    println!("{:?} {}", tree.insert("c", 99), tree.size);
    println!("{:?}", tree.sorted());
}

//# visibility of fields in a module
mod bank {
    pub struct Vault { pub name: &'static str, gold: u32 }
    impl Vault {
        pub fn new(name: &'static str, gold: u32) -> Vault { Vault { name, gold } }
        pub fn take(&mut self, n: u32) -> Result<u32, String> {
            if n > self.gold { return Err(format!("{} has only {}", self.name, self.gold)); }
            self.gold -= n;
            Ok(n)
        }
    }
}

fn main() {
    let mut vault = bank::Vault::new("north", 10);
    println!("{:?} {:?}", vault.take(7), vault.take(7));
    vault.name = "south";
    println!("{:?}", vault.take(5));
}

//# conversions between own types
use std::convert::TryFrom;
use std::str::FromStr;

#[derive(Debug, PartialEq)]
struct Celsius(f64);
#[derive(Debug, PartialEq)]
struct Fahrenheit(f64);
impl From<Celsius> for Fahrenheit { fn from(c: Celsius) -> Self { Fahrenheit(c.0 * 1.8 + 32.0) } }
#[derive(Debug)]
struct Even(u32);
impl TryFrom<u32> for Even { type Error = String; fn try_from(n: u32) -> Result<Self, String> { if n % 2 == 0 { Ok(Even(n)) } else { Err(format!("{n} is odd")) } } }
impl FromStr for Celsius { type Err = std::num::ParseFloatError; fn from_str(s: &str) -> Result<Self, Self::Err> { Ok(Celsius(s.trim_end_matches('C').parse()?)) } }

fn main() {
    let f: Fahrenheit = Celsius(100.0).into();
    println!("{f:?}");
    let e: Result<Even, _> = 7u32.try_into();
    println!("{e:?} {:?}", Even::try_from(8));
    let c = "36.5C".parse::<Celsius>();
    println!("{c:?} {:?}", "warm".parse::<Celsius>().is_err());
}

//# an interface between two structs that know each other
//together a borrow crosses statements
use std::collections::HashMap;

#[derive(Debug, Clone)]
struct Employee { name: String, manager: Option<usize> }
#[derive(Default)]
struct Company { people: Vec<Employee>, by_name: HashMap<String, usize> }

impl Company {
    fn hire(&mut self, name: &str, manager: Option<&str>) -> usize {
        let manager = manager.and_then(|m| self.by_name.get(m).copied());
        self.people.push(Employee { name: name.into(), manager });
        self.by_name.insert(name.into(), self.people.len() - 1);
        self.people.len() - 1
    }
    fn chain(&self, name: &str) -> Vec<&str> {
        std::iter::successors(self.by_name.get(name).copied(), |&i| self.people[i].manager).map(|i| self.people[i].name.as_str()).collect()
    }
}

fn main() {
    let mut company = Company::default();
    company.hire("ceo", None);
    company.hire("cto", Some("ceo"));
    company.hire("dev", Some("cto"));
    let chain = company.chain("dev");
    println!("{}", chain.join(" < "));
    println!("{:?}", company.chain("nobody"));
}

//# impl blocks for slices, options and functions by own traits
trait Stats { fn mean(&self) -> Option<f64>; }
impl Stats for [f64] { fn mean(&self) -> Option<f64> { if self.is_empty() { None } else { Some(self.iter().sum::<f64>() / self.len() as f64) } } }
trait OrZero { fn or_zero(self) -> i32; }
impl OrZero for Option<i32> { fn or_zero(self) -> i32 { self.unwrap_or(0) } }
trait Twice<T> { fn twice(&self, x: T) -> T; }
impl<T, F: Fn(T) -> T> Twice<T> for F { fn twice(&self, x: T) -> T { self(self(x)) } }

fn main() {
    println!("{:?} {:?}", [1.0, 2.0, 6.0].mean(), Vec::<f64>::new().mean());
    println!("{} {}", Some(4).or_zero(), None.or_zero());
    println!("{}", (|x: i32| x * 3).twice(2));
}
