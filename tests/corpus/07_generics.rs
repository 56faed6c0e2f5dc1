//# generic functions and structs
#[derive(Debug, Clone, PartialEq)]
struct Pair<A, B = A> { a: A, b: B }
impl<A, B> Pair<A, B> {
    fn new(a: A, b: B) -> Self { Pair { a, b } }
    fn swap(self) -> Pair<B, A> { Pair { a: self.b, b: self.a } }
    fn map<C>(self, f: impl FnOnce(A) -> C) -> Pair<C, B> { Pair { a: f(self.a), b: self.b } }
}
impl Pair<i32> { fn sum(&self) -> i32 { self.a + self.b } }

fn main() {
    let p = Pair::new(1, "x");
    println!("{:?} {:?}", p.clone().swap(), p.map(|n| n as f64 / 2.0));
    println!("{}", Pair { a: 3, b: 4 }.sum());
}

//# const generics
#[derive(Debug, Clone, Copy, PartialEq)]
struct Matrix<const R: usize, const C: usize>([[i64; C]; R]);
impl<const R: usize, const C: usize> Matrix<R, C> {
    fn transpose(self) -> Matrix<C, R> { let mut m = [[0; R]; C]; for r in 0..R { for c in 0..C { m[c][r] = self.0[r][c]; } } Matrix(m) }
    fn times<const K: usize>(self, o: Matrix<C, K>) -> Matrix<R, K> {
        let mut m = [[0; K]; R];
        for r in 0..R { for k in 0..K { m[r][k] = (0..C).map(|c| self.0[r][c] * o.0[c][k]).sum(); } }
        Matrix(m)
    }
}

fn main() {
    let m = Matrix([[1, 2, 3], [4, 5, 6]]);
    println!("{:?}", m.transpose());
    println!("{:?}", m.times(m.transpose()));
}

//# a ring buffer of constant size
struct Ring<T, const N: usize> { data: [Option<T>; N], head: usize, len: usize }
impl<T, const N: usize> Ring<T, N> {
    const CAPACITY: usize = N;
    fn new() -> Self { Ring { data: [const { None }; N], head: 0, len: 0 } }
    fn push(&mut self, x: T) -> Option<T> {
        let at = (self.head + self.len) % N;
        if self.len < N { self.len += 1; self.data[at].replace(x) } else { self.head = (self.head + 1) % N; self.data[at].replace(x) }
    }
    fn iter(&self) -> impl Iterator<Item = &T> { (0..self.len).filter_map(move |i| self.data[(self.head + i) % N].as_ref()) }
}

fn main() {
    let mut ring: Ring<String, 3> = Ring::new();
    for w in ["a", "b", "c", "d", "e"] {
        if let Some(old) = ring.push(w.to_string()) { print!("-{old} "); }
    }
    println!();
    println!("{:?} of {}", ring.iter().collect::<Vec<_>>(), Ring::<String, 3>::CAPACITY);
}

//# lifetimes and generics together
//together a borrow crosses statements
struct Parser<'a, F> { rest: &'a str, accept: F }
impl<'a, F: Fn(char) -> bool> Parser<'a, F> {
    fn next(&mut self) -> Option<&'a str> {
        let start = self.rest.find(|c| (self.accept)(c))?;
        let text = &self.rest[start..];
        let end = text.find(|c| !(self.accept)(c)).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        Some(word)
    }
}

fn main() {
    let text = "ab12cd345!6".to_string();
    let mut p = Parser { rest: &text, accept: |c: char| c.is_ascii_digit() };
    let a = p.next();
    let b = p.next();
    println!("{a:?} {b:?} {:?} {:?}", p.next(), p.next());
}

//# type states
use std::marker::PhantomData;
struct Open;
struct Closed;
struct Door<S> { opened: u32, state: PhantomData<S> }
impl Door<Closed> {
    fn new() -> Self { Door { opened: 0, state: PhantomData } }
    fn open(self) -> Door<Open> { Door { opened: self.opened + 1, state: PhantomData } }
}
impl Door<Open> { fn close(self) -> Door<Closed> { Door { opened: self.opened, state: PhantomData } } }

fn main() {
    let door = Door::new();
    let door = door.open().close().open();
    println!("{}", door.opened);
}

//# bounds with associated types and iterators
fn dot<'a, I, J>(a: I, b: J) -> f64 where I: IntoIterator<Item = &'a f64>, J: IntoIterator<Item = &'a f64> {
    a.into_iter().zip(b).map(|(x, y)| x * y).sum()
}
fn largest<T: PartialOrd + Copy>(list: &[T]) -> Option<T> {
    let mut it = list.iter().copied();
    let first = it.next()?;
    Some(it.fold(first, |m, x| if x > m { x } else { m }))
}

fn main() {
    let v = vec![1.0, 2.0, 3.0];
    println!("{}", dot(&v, &[4.0, 5.0, 6.0]));
    println!("{:?} {:?} {:?}", largest(&v), largest(&['a', 'z', 'c']), largest::<i32>(&[]));
}

//# generic methods by turbofish
fn parse_all<T: std::str::FromStr>(text: &str) -> Vec<Option<T>> { text.split(',').map(|s| s.parse().ok()).collect() }
fn size<T>() -> usize { std::mem::size_of::<T>() }
fn default_pair<A: Default, B: Default>() -> (A, B) { Default::default() }

fn main() {
    println!("{:?}", parse_all::<i32>("1,x,3"));
    println!("{:?}", parse_all::<f64>("1.5,2"));
    println!("{} {} {}", size::<u64>(), size::<[u16; 5]>(), size::<Option<Box<i32>>>());
    println!("{:?}", default_pair::<String, Vec<u8>>());
    let n = "77".parse::<u8>().map_or(0, u16::from);
    println!("{n} {:?}", "a b".split(' ').collect::<std::collections::BTreeSet<_>>());
}

//# PhantomData units
use std::{marker::PhantomData, ops::Add};
#[derive(Debug, Clone, Copy)] struct Meter;
#[derive(Debug, Clone, Copy)] struct Foot;
#[derive(Debug, Clone, Copy)] struct Length<U>(f64, PhantomData<U>);
impl<U> Add for Length<U> { type Output = Length<U>; fn add(self, o: Self) -> Self { Length(self.0 + o.0, PhantomData) } }
impl From<Length<Foot>> for Length<Meter> { fn from(f: Length<Foot>) -> Self { Length(f.0 * 0.3048, PhantomData) } }

fn main() {
    let a: Length<Meter> = Length(1.0, PhantomData);
    let b: Length<Foot> = Length(10.0, PhantomData);
    let sum = a + b.into();
    println!("{:.3}", sum.0);
}

//# generic traits with several implementations
trait Convert<T> { fn convert(&self) -> T; }
impl Convert<String> for i32 { fn convert(&self) -> String { format!("#{self}") } }
impl Convert<f64> for i32 { fn convert(&self) -> f64 { *self as f64 / 2.0 } }
impl<T: Convert<String>> Convert<Vec<String>> for [T] { fn convert(&self) -> Vec<String> { self.iter().map(|x| x.convert()).collect() } }

fn main() {
    let s: String = 5.convert();
    let f: f64 = 5.convert();
    println!("{s} {f} {:?}", [1, 2].convert());
    println!("{}", Convert::<f64>::convert(&9));
}

//# a generic graph with closures for weights
//together a type is inferred from a later statement
use std::collections::{BTreeMap, BinaryHeap};
use std::cmp::Reverse;

struct Graph<N> { edges: BTreeMap<N, Vec<(N, u32)>> }
impl<N: Ord + Copy> Graph<N> {
    fn new(list: &[(N, N, u32)]) -> Self {
        let mut edges: BTreeMap<N, Vec<(N, u32)>> = BTreeMap::new();
        for &(a, b, w) in list { edges.entry(a).or_default().push((b, w)); edges.entry(b).or_default().push((a, w)); }
        Graph { edges }
    }
    fn distances(&self, from: N, cost: impl Fn(u32) -> u32) -> BTreeMap<N, u32> {
        let mut best = BTreeMap::from([(from, 0)]);
        let mut heap = BinaryHeap::from([Reverse((0, from))]);
        while let Some(Reverse((d, at))) = heap.pop() {
            for &(to, w) in self.edges.get(&at).into_iter().flatten() {
                let nd = d + cost(w);
                if best.get(&to).is_none_or(|&old| nd < old) { best.insert(to, nd); heap.push(Reverse((nd, to))); }
            }
        }
        best
    }
}

fn main() {
    let graph = Graph::new(&[('a', 'b', 7), ('a', 'c', 3), ('c', 'b', 1), ('b', 'd', 2)]);
    println!("{:?}", graph.distances('a', |w| w));
    let toll = 5;
    println!("{:?}", graph.distances('a', |w| w + toll));
}

//# const functions and const blocks
const fn gcd(a: u64, b: u64) -> u64 { if b == 0 { a } else { gcd(b, a % b) } }
const fn table<const N: usize>() -> [u64; N] { let mut t = [0; N]; let mut i = 0; while i < N { t[i] = (i * i) as u64; i += 1; } t }
const SQUARES: [u64; 6] = table();
const G: u64 = gcd(48, 18);
struct Assert<const N: usize>;
impl<const N: usize> Assert<N> { const OK: () = assert!(N > 2, "too small"); }

fn main() {
    println!("{SQUARES:?} {G}");
    let () = Assert::<5>::OK;
    let word = const { if G == 6 { "six" } else { "other" } };
    println!("{word} {}", [(); G as usize].len());
}

//# a heterogeneous list by recursion of types
trait Count { const N: usize; fn show(&self) -> String; }
struct Nil;
struct Cons<H, T>(H, T);
impl Count for Nil { const N: usize = 0; fn show(&self) -> String { ".".into() } }
impl<H: std::fmt::Debug, T: Count> Count for Cons<H, T> { const N: usize = 1 + T::N; fn show(&self) -> String { format!("{:?},{}", self.0, self.1.show()) } }
fn count<C: Count>(_: &C) -> usize { C::N }

fn main() {
    let list = Cons(1, Cons("two", Cons(3.0, Nil)));
    println!("{} {}", count(&list), list.show());
}
