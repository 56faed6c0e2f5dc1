//# a trait with a default method
trait Greet {
    fn name(&self) -> String;
    fn greet(&self) -> String { format!("Hello, {}!", self.name()) }
}
struct Person(String);
struct Robot { id: u32 }
impl Greet for Person { fn name(&self) -> String { self.0.clone() } }
impl Greet for Robot {
    fn name(&self) -> String { format!("unit {}", self.id) }
    fn greet(&self) -> String { format!("BEEP {}", self.name()) }
}

fn main() {
    let all: Vec<Box<dyn Greet>> = vec![Box::new(Person("Ann".into())), Box::new(Robot { id: 7 })];
    for one in all.iter() { println!("{}", one.greet()); }
}

//# supertraits and upcasting
//together a borrow crosses statements
use std::fmt::{self, Debug, Display};

trait Entity: Debug { fn id(&self) -> u32; }
trait Animal: Entity + Display { fn noise(&self) -> &str; }
#[derive(Debug)]
struct Dog(u32);
impl Entity for Dog { fn id(&self) -> u32 { self.0 } }
impl Display for Dog { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "dog #{}", self.0) } }
impl Animal for Dog { fn noise(&self) -> &str { "woof" } }
fn identify(e: &dyn Entity) -> String { format!("{} {e:?}", e.id()) }

fn main() {
    let dog: Box<dyn Animal> = Box::new(Dog(3));
    println!("{dog} {}", dog.noise());
    let entity: &dyn Entity = &*dog;
    println!("{}", identify(entity));
}

//# static and dynamic dispatch
//together a borrow crosses statements
trait Shape { fn area(&self) -> f64; fn scale(&mut self, by: f64); }
struct Sq(f64);
struct Disc(f64);
impl Shape for Sq { fn area(&self) -> f64 { self.0 * self.0 } fn scale(&mut self, by: f64) { self.0 *= by; } }
impl Shape for Disc { fn area(&self) -> f64 { 3.14 * self.0 * self.0 } fn scale(&mut self, by: f64) { self.0 *= by; } }
fn total(shapes: &[&dyn Shape]) -> f64 { shapes.iter().map(|s| s.area()).sum() }
fn bigger<A: Shape, B: Shape>(a: &A, b: &B) -> bool { a.area() > b.area() }
fn grow(shape: &mut impl Shape) { shape.scale(2.0) }

fn main() {
    let mut s = Sq(2.0);
    let d = Disc(1.0);
    println!("{:.2}", total(&[&s, &d]));
    grow(&mut s);
    println!("{} {}", bigger(&s, &d), s.area());
    let r: &mut dyn Shape = &mut s;
    r.scale(0.25);
    println!("{}", r.area());
}

//# associated types
//together a type is inferred from a later statement
trait Container {
    type Item;
    fn get(&self, i: usize) -> Option<&Self::Item>;
    fn first(&self) -> Option<&Self::Item> { self.get(0) }
    fn put(&mut self, item: Self::Item);
}
struct Bag<T>(Vec<T>);
impl<T> Container for Bag<T> {
    type Item = T;
    fn get(&self, i: usize) -> Option<&T> { self.0.get(i) }
    fn put(&mut self, item: T) { self.0.push(item) }
}
fn fill<C: Container<Item = i32>>(c: &mut C) { for i in 1..=3 { c.put(i * i) } }

fn main() {
    let mut bag = Bag(vec![]);
    fill(&mut bag);
    println!("{:?} {:?} {:?}", bag.first(), bag.get(2), bag.get(3));
}

//# generic associated types
//together a borrow crosses statements
trait Lending {
    type Item<'a> where Self: 'a;
    fn next<'a>(&'a mut self) -> Option<Self::Item<'a>>;
}
struct Windows<'s> { data: &'s mut [i32], at: usize }
impl<'s> Lending for Windows<'s> {
    type Item<'a> = &'a mut [i32] where Self: 'a;
    fn next<'a>(&'a mut self) -> Option<&'a mut [i32]> {
        let w = self.data.get_mut(self.at..self.at + 2)?;
        self.at += 1;
        Some(w)
    }
}

fn main() {
    let mut data = [1, 2, 3, 4];
    let mut w = Windows { data: &mut data, at: 0 };
    while let Some(pair) = w.next() { pair[1] += pair[0]; }
    println!("{data:?}");
}

//# operator overloading
use std::ops::{Add, AddAssign, Index, IndexMut, Mul, Neg, Not, Rem, Shl, Sub};

#[derive(Debug, Clone, Copy, PartialEq)]
struct V(i32, i32);
impl Add for V { type Output = V; fn add(self, o: V) -> V { V(self.0 + o.0, self.1 + o.1) } }
impl Sub for V { type Output = V; fn sub(self, o: V) -> V { V(self.0 - o.0, self.1 - o.1) } }
impl Mul<i32> for V { type Output = V; fn mul(self, k: i32) -> V { V(self.0 * k, self.1 * k) } }
impl Mul<V> for i32 { type Output = V; fn mul(self, v: V) -> V { v * self } }
impl Neg for V { type Output = V; fn neg(self) -> V { V(-self.0, -self.1) } }
impl Not for V { type Output = V; fn not(self) -> V { V(self.1, self.0) } }
impl Rem<i32> for V { type Output = V; fn rem(self, k: i32) -> V { V(self.0 % k, self.1 % k) } }
impl Shl<u32> for V { type Output = V; fn shl(self, k: u32) -> V { V(self.0 << k, self.1 << k) } }
impl AddAssign for V { fn add_assign(&mut self, o: V) { *self = *self + o } }
impl Index<char> for V { type Output = i32; fn index(&self, c: char) -> &i32 { if c == 'x' { &self.0 } else { &self.1 } } }
impl IndexMut<char> for V { fn index_mut(&mut self, c: char) -> &mut i32 { if c == 'x' { &mut self.0 } else { &mut self.1 } } }

fn main() {
    let mut v = V(1, 2) + V(3, 4) * 2 - V(1, 1);
    println!("{v:?} {:?} {:?}", -v, !v);
    v += 10 * V(1, 0);
    v['y'] = 7;
    println!("{v:?} {} {:?} {:?}", v['x'], v % 3, V(1, 1) << 3);
}

//# blanket implementations
use std::fmt::Display;

trait Shout { fn shout(&self) -> String; }
impl<T: Display + ?Sized> Shout for T { fn shout(&self) -> String { self.to_string().to_uppercase() + "!" } }
trait Pipe: Sized { fn pipe<R>(self, f: impl FnOnce(Self) -> R) -> R { f(self) } }
impl<T> Pipe for T {}

fn main() {
    println!("{} {} {}", "abc".shout(), 12.shout(), 'x'.shout());
    let n = 5.pipe(|x| x + 1).pipe(|x| format!("<{x}>"));
    println!("{n}");
}

//# fully qualified calls
struct Human;
trait Pilot { fn fly(&self) -> &'static str; fn title() -> &'static str { "pilot" } }
trait Wizard { fn fly(&self) -> &'static str; fn title() -> &'static str { "wizard" } }
impl Pilot for Human { fn fly(&self) -> &'static str { "captain" } }
impl Wizard for Human { fn fly(&self) -> &'static str { "up" } }
impl Human { fn fly(&self) -> &'static str { "arms" } fn title() -> &'static str { "human" } }

fn main() {
    let h = Human;
    println!("{} {} {}", h.fly(), Pilot::fly(&h), Wizard::fly(&h));
    println!("{} {} {}", Human::title(), <Human as Pilot>::title(), <Human as Wizard>::title());
    println!("{}", <str as ToString>::to_string("x") + &<i32 as Default>::default().to_string());
}

//# trait objects in a map
use std::collections::BTreeMap;

trait Command { fn run(&self, args: &[&str]) -> String; fn help(&self) -> &'static str { "no help" } }
struct Echo;
struct Sum;
impl Command for Echo { fn run(&self, args: &[&str]) -> String { args.join(" ") } }
impl Command for Sum {
    fn run(&self, args: &[&str]) -> String { args.iter().filter_map(|a| a.parse::<i64>().ok()).sum::<i64>().to_string() }
    fn help(&self) -> &'static str { "adds numbers" }
}

fn main() {
    let mut commands: BTreeMap<&str, Box<dyn Command>> = BTreeMap::new();
    commands.insert("sum", Box::new(Sum));
    commands.insert("echo", Box::new(Echo));
    for line in ["echo a b", "sum 1 2 x 3", "quit"] {
        let mut parts = line.split(' ');
        let name = parts.next().unwrap();
        let args: Vec<&str> = parts.collect();
        match commands.get(name) {
            Some(c) => println!("{}", c.run(&args)),
            None => println!("unknown {name}"),
        }
    }
    for (name, c) in &commands { println!("{name}: {}", c.help()); }
}

//# impl Trait in arguments and returns
//together a type has no name
fn evens(limit: u32) -> impl Iterator<Item = u32> + Clone { (0..limit).filter(|n| n % 2 == 0) }
fn show_all(items: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    items.into_iter().map(|i| i.to_string()).collect::<Vec<_>>().join(",")
}
fn either(up: bool) -> Box<dyn Iterator<Item = i32>> { if up { Box::new(0..3) } else { Box::new((0..3).rev()) } }

fn main() {
    let e = evens(10);
    println!("{}", show_all(e.clone()));
    println!("{}", e.sum::<u32>());
    println!("{} {}", show_all(either(true)), show_all(either(false)));
    println!("{}", show_all(["a", "b"]));
}

//# Display and Debug by hand
use std::fmt;

struct Matrix { rows: Vec<Vec<i32>> }
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, row) in self.rows.iter().enumerate() {
            if i > 0 { writeln!(f)?; }
            let line: Vec<String> = row.iter().map(|x| format!("{x:>3}")).collect();
            write!(f, "[{}]", line.join(""))?;
        }
        Ok(())
    }
}
impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { f.debug_struct("Matrix").field("rows", &self.rows.len()).finish_non_exhaustive() }
}

fn main() {
    let m = Matrix { rows: vec![vec![1, 20], vec![-3, 4]] };
    println!("{m}");
    println!("{m:?}");
    println!("{}", format!("{m}").lines().count());
}

//# PartialEq and PartialOrd between types
use std::cmp::Ordering;

#[derive(Debug, Clone, Copy)]
struct Version { major: u32, minor: u32 }
impl PartialEq for Version { fn eq(&self, o: &Self) -> bool { self.cmp_key() == o.cmp_key() } }
impl PartialEq<u32> for Version { fn eq(&self, o: &u32) -> bool { self.major == *o } }
impl PartialOrd for Version { fn partial_cmp(&self, o: &Self) -> Option<Ordering> { self.cmp_key().partial_cmp(&o.cmp_key()) } }
impl Version { fn cmp_key(&self) -> (u32, u32) { (self.major, self.minor) } }

fn main() {
    let a = Version { major: 1, minor: 4 };
    let b = Version { major: 1, minor: 10 };
    println!("{} {} {} {}", a < b, a == b, a == 1, b >= a);
    let newest = [a, b].into_iter().fold(a, |x, y| if y > x { y } else { x });
    println!("{newest:?}");
}

//# Ord for a priority queue
//together a type is inferred from a later statement
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

#[derive(Debug, PartialEq, Eq)]
struct Task { priority: u8, name: String }
impl Ord for Task { fn cmp(&self, o: &Self) -> Ordering { self.priority.cmp(&o.priority).then_with(|| o.name.cmp(&self.name)) } }
impl PartialOrd for Task { fn partial_cmp(&self, o: &Self) -> Option<Ordering> { Some(self.cmp(o)) } }

fn main() {
    let mut heap = BinaryHeap::new();
    for (priority, name) in [(2, "write"), (5, "fix"), (2, "read"), (9, "panic")] {
        heap.push(Task { priority, name: name.to_string() });
    }
    while let Some(Task { priority, name }) = heap.pop() { println!("{priority} {name}"); }
    let mut small = BinaryHeap::from([Reverse(3), Reverse(1), Reverse(2)]);
    println!("{:?}", small.pop());
}

//# iterators of own types
struct Fib { a: u64, b: u64 }
impl Iterator for Fib {
    type Item = u64;
    fn next(&mut self) -> Option<u64> { let r = self.a; (self.a, self.b) = (self.b, self.a + self.b); Some(r) }
}
struct Countdown(u32);
impl Iterator for Countdown { type Item = u32; fn next(&mut self) -> Option<u32> { self.0 = self.0.checked_sub(1)?; Some(self.0) } }
impl DoubleEndedIterator for Countdown { fn next_back(&mut self) -> Option<u32> { None } }

fn main() {
    let fib = Fib { a: 0, b: 1 };
    println!("{:?}", fib.skip(5).step_by(2).take(5).collect::<Vec<_>>());
    for n in Countdown(3) { print!("{n} "); }
    println!("{}", Countdown(5).zip(Fib { a: 1, b: 1 }).map(|(a, b)| a as u64 * b).sum::<u64>());
}

//# IntoIterator for a reference and a value
struct Deck { cards: Vec<String> }
impl IntoIterator for Deck { type Item = String; type IntoIter = std::vec::IntoIter<String>; fn into_iter(self) -> Self::IntoIter { self.cards.into_iter() } }
impl<'a> IntoIterator for &'a Deck { type Item = &'a String; type IntoIter = std::slice::Iter<'a, String>; fn into_iter(self) -> Self::IntoIter { self.cards.iter() } }
impl FromIterator<String> for Deck { fn from_iter<I: IntoIterator<Item = String>>(i: I) -> Self { Deck { cards: i.into_iter().collect() } } }
impl Extend<String> for Deck { fn extend<I: IntoIterator<Item = String>>(&mut self, i: I) { for c in i { self.cards.push(c) } } }

fn main() {
    let mut deck: Deck = ["ace", "king"].into_iter().map(String::from).collect();
    deck.extend(["queen".to_string()]);
    for card in &deck { print!("{card} "); }
    println!();
    let total: usize = (&deck).into_iter().map(|c| c.len()).sum();
    println!("{total}");
    for card in deck { print!("{} ", card.to_uppercase()); }
    println!();
}

//# where clauses and several bounds
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

fn group<K, V, I, F>(items: I, key: F) -> Vec<(K, Vec<V>)>
where
    I: IntoIterator<Item = V>,
    F: Fn(&V) -> K,
    K: Hash + Eq + Ord + Clone,
{
    let mut map: HashMap<K, Vec<V>> = HashMap::new();
    for item in items { map.entry(key(&item)).or_default().push(item); }
    let mut all: Vec<_> = map.into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn show<T>(x: T) -> String where T: Debug, { format!("{x:?}") }

fn main() {
    println!("{}", show(group(1..=10, |n| n % 3)));
    println!("{}", show(group(["a", "bb", "cc", "d"], |w| w.len())));
}

//# a trait with a static method and generics over it
trait Zero { fn zero() -> Self; fn is_zero(&self) -> bool; }
macro_rules! zero { ($($t:ty => $z:expr),*) => { $(impl Zero for $t { fn zero() -> Self { $z } fn is_zero(&self) -> bool { *self == $z } })* } }
zero!(i32 => 0, f64 => 0.0, u8 => 0);

fn sum<T: Zero + Copy + std::ops::Add<Output = T>>(list: &[T]) -> T { list.iter().fold(T::zero(), |a, b| a + *b) }

fn main() {
    println!("{} {} {}", sum(&[1, 2, 3]), sum(&[0.5, 0.25]), sum::<u8>(&[]));
    println!("{}", sum(&[1, -1]).is_zero());
}

//# dyn Any and downcasting
use std::any::Any;

fn describe(x: &dyn Any) -> String {
    if let Some(n) = x.downcast_ref::<i32>() { format!("i32 {n}") }
    else if let Some(s) = x.downcast_ref::<String>() { format!("String {s}") }
    else { "unknown".to_string() }
}

fn main() {
    let things: Vec<Box<dyn Any>> = vec![Box::new(5), Box::new(String::from("x")), Box::new(1.5)];
    for t in &things { println!("{}", describe(t.as_ref())); }
    let first = things.into_iter().next().unwrap();
    match first.downcast::<i32>() { Ok(n) => println!("{}", *n + 1), Err(_) => println!("no") }
}

//# extension traits and method chains
trait StrExt { fn vowels(&self) -> usize; fn title(&self) -> String; }
impl StrExt for str {
    fn vowels(&self) -> usize { self.chars().filter(|c| "aeiou".contains(*c)).count() }
    fn title(&self) -> String {
        let mut c = self.chars();
        c.next().map(|f| f.to_uppercase().collect::<String>() + c.as_str()).unwrap_or_default()
    }
}
trait IterExt: Iterator { fn every(self, n: usize) -> Vec<Self::Item> where Self: Sized { self.enumerate().filter(|(i, _)| i % n == 0).map(|(_, x)| x).collect() } }
impl<I: Iterator> IterExt for I {}

fn main() {
    println!("{} {}", "education".vowels(), "word".title());
    println!("{:?}", (10..20).every(4));
    let line: String = "some short text".split(' ').map(|w| w.title()).collect::<Vec<_>>().join(" ");
    println!("{line}");
}

//# the strategy pattern with generics and with dyn
trait Pricing { fn price(&self, base: f64) -> f64; }
struct Regular;
struct Discount { percent: f64 }
impl Pricing for Regular { fn price(&self, base: f64) -> f64 { base } }
impl Pricing for Discount { fn price(&self, base: f64) -> f64 { base * (1.0 - self.percent / 100.0) } }
impl<F: Fn(f64) -> f64> Pricing for F { fn price(&self, base: f64) -> f64 { self(base) } }
struct Shop { pricing: Box<dyn Pricing> }

fn main() {
    let mut shop = Shop { pricing: Box::new(Regular) };
    println!("{}", shop.pricing.price(100.0));
    shop.pricing = Box::new(Discount { percent: 25.0 });
    println!("{}", shop.pricing.price(100.0));
    let fee = 3.0;
    shop.pricing = Box::new(move |b: f64| b + fee);
    println!("{}", shop.pricing.price(100.0));
}

//# higher ranked bounds
fn apply_all<F>(texts: &[String], f: F) -> Vec<usize> where F: for<'a> Fn(&'a str) -> &'a str {
    texts.iter().map(|t| f(t).len()).collect()
}
fn first_word(s: &str) -> &str { s.split(' ').next().unwrap_or("") }

fn main() {
    let texts = vec!["hello big world".to_string(), "x y".to_string()];
    println!("{:?}", apply_all(&texts, first_word));
    println!("{:?}", apply_all(&texts, |s| s.trim_start_matches('h')));
}

//# async-free plugin registry with constructors
type Maker = fn(&str) -> Box<dyn Plugin>;
trait Plugin { fn name(&self) -> String; fn apply(&self, x: i64) -> i64; }
struct AddN(i64);
struct MulN(i64);
impl Plugin for AddN { fn name(&self) -> String { format!("add {}", self.0) } fn apply(&self, x: i64) -> i64 { x + self.0 } }
impl Plugin for MulN { fn name(&self) -> String { format!("mul {}", self.0) } fn apply(&self, x: i64) -> i64 { x * self.0 } }
const MAKERS: &[(&str, Maker)] = &[("add", |s| Box::new(AddN(s.parse().unwrap_or(0)))), ("mul", |s| Box::new(MulN(s.parse().unwrap_or(1))))];

fn make(spec: &str) -> Option<Box<dyn Plugin>> {
    let (kind, argument) = spec.split_once(':')?;
    MAKERS.iter().find(|(k, _)| *k == kind).map(|(_, m)| m(argument))
}

fn main() {
    let chain: Vec<_> = "add:3 mul:4 what add:1".split(' ').filter_map(make).collect();
    let names: Vec<String> = chain.iter().map(|p| p.name()).collect();
    println!("{names:?} {}", chain.iter().fold(2, |x, p| p.apply(x)));
}
