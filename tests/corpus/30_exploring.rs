//# a data set explored
#[derive(Debug, Clone, PartialEq)]
struct Flower { species: String, petal: f64, sepal: f64 }

fn load(text: &str) -> Vec<Flower> {
    text.lines().filter_map(|l| { let mut c = l.split(','); Some(Flower { species: c.next()?.to_string(), petal: c.next()?.parse().ok()?, sepal: c.next()?.parse().ok()? }) }).collect()
}

fn main() {
    let flowers = load("setosa,1.4,5.1\nsetosa,1.3,4.7\nvirginica,6.0,6.3\nbad\nvirginica,5.1,5.8");
    println!("{}", flowers.len());
    let mut species: Vec<String> = flowers.iter().map(|f| f.species.clone()).collect();
    species.sort();
    species.dedup();
    println!("{species:?}");
    let means: Vec<(String, f64)> = species.iter().map(|s| { let p: Vec<f64> = flowers.iter().filter(|f| f.species == *s).map(|f| f.petal).collect(); (s.clone(), p.iter().sum::<f64>() / p.len() as f64) }).collect();
    for (name, mean) in &means { println!("{name:<10} {mean:.3}"); }
    let large: Vec<Flower> = flowers.into_iter().filter(|f| f.petal > 5.0 && f.sepal > 6.0).collect();
    println!("{large:?}");
}

//# a perceptron learns and
struct Perceptron { weights: Vec<f64>, bias: f64 }
impl Perceptron {
    fn new(n: usize) -> Self { Perceptron { weights: vec![0.0; n], bias: 0.0 } }
    fn predict(&self, x: &[f64]) -> f64 { if self.weights.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + self.bias > 0.0 { 1.0 } else { 0.0 } }
    fn learn(&mut self, x: &[f64], y: f64, rate: f64) -> f64 {
        let error = y - self.predict(x);
        for (w, x) in self.weights.iter_mut().zip(x) { *w += rate * error * x; }
        self.bias += rate * error;
        error.abs()
    }
}

fn main() {
    let data = vec![(vec![0.0, 0.0], 0.0), (vec![0.0, 1.0], 0.0), (vec![1.0, 0.0], 0.0), (vec![1.0, 1.0], 1.0)];
    let mut p = Perceptron::new(2);
    let rate = 0.1;
    let mut epochs = 0;
    loop {
        let errors: f64 = data.iter().map(|(x, y)| p.learn(x, *y, rate)).sum();
        epochs += 1;
        if errors == 0.0 || epochs > 100 { break; }
    }
    println!("{epochs} epochs");
    for (x, y) in &data { println!("{x:?} {} {y}", p.predict(x)); }
}

//# gradient descent on a line
fn main() {
    let xs: Vec<f64> = (0..10).map(|i| i as f64 / 10.0).collect();
    let ys: Vec<f64> = xs.iter().map(|x| 3.0 * x - 1.0).collect();
    let (mut w, mut b) = (0.0f64, 0.0f64);
    let rate = 0.5;
    let mut losses: Vec<f64> = Vec::new();
    for step in 0..500 {
        let errors: Vec<f64> = xs.iter().zip(&ys).map(|(x, y)| w * x + b - y).collect();
        let n = errors.len() as f64;
        w -= rate * errors.iter().zip(&xs).map(|(e, x)| e * x).sum::<f64>() * 2.0 / n;
        b -= rate * errors.iter().sum::<f64>() * 2.0 / n;
        if step % 100 == 0 { losses.push(errors.iter().map(|e| e * e).sum::<f64>() / n); }
    }
    println!("{w:.2} {b:.2}");
    println!("{}", losses.windows(2).all(|p| p[1] <= p[0]));
}

//# k means in one dimension
fn assign(points: &[f64], centers: &[f64]) -> Vec<usize> { points.iter().map(|p| (0..centers.len()).min_by(|&a, &b| (p - centers[a]).abs().total_cmp(&(p - centers[b]).abs())).unwrap()).collect() }

fn main() {
    let points = vec![1.0, 1.2, 0.8, 10.0, 10.4, 9.6, 5.0];
    let mut centers = vec![0.0, 4.0, 20.0];
    for _ in 0..10 {
        let labels = assign(&points, &centers);
        centers = (0..centers.len()).map(|k| {
            let own: Vec<f64> = points.iter().zip(&labels).filter(|(_, l)| **l == k).map(|(p, _)| *p).collect();
            if own.is_empty() { centers[k] } else { own.iter().sum::<f64>() / own.len() as f64 }
        }).collect();
    }
    let rounded: Vec<String> = centers.iter().map(|c| format!("{c:.2}")).collect();
    println!("{rounded:?}");
    println!("{:?}", assign(&points, &centers));
}

//# variables that change their type
fn main() {
    let x = "42";
    let x: i32 = x.parse().unwrap();
    let x = vec![x; 3];
    println!("{x:?}");
    let x = x.iter().map(|n| n.to_string()).collect::<Vec<String>>();
    let x = x.join("+");
    println!("{x}");
    let x = Some(x);
    let x = x.map(|s| s.len()).unwrap_or(0) as f64;
    println!("{:.1}", x / 3.0);
}

//# values moved from name to name
#[derive(Debug)]
struct Big { data: Vec<u8>, label: String }

fn shrink(mut b: Big) -> Big { b.data.truncate(2); b.label += "-small"; b }

fn main() {
    let first = Big { data: vec![1, 2, 3, 4], label: "big".to_string() };
    let second = first;
    println!("{}", second.data.len());
    let third = shrink(second);
    println!("{third:?}");
    let Big { data, label } = third;
    let boxed = Box::new((data, label));
    let (data, label) = *boxed;
    println!("{} {label}", data.iter().map(|b| *b as u32).sum::<u32>());
}

//# a simulation kept in one struct
#[derive(Debug, Clone, Default)]
struct World { foxes: f64, rabbits: f64, day: u32 }
impl World {
    fn step(&mut self, dt: f64) {
        let (f, r) = (self.foxes, self.rabbits);
        self.rabbits += dt * (1.1 * r - 0.4 * r * f);
        self.foxes += dt * (0.1 * r * f - 0.4 * f);
        self.day += 1;
    }
}

fn main() {
    let mut world = World { foxes: 10.0, rabbits: 10.0, day: 0 };
    let mut history: Vec<World> = vec![];
    for _ in 0..1000 {
        if world.day % 250 == 0 { history.push(world.clone()); }
        world.step(0.005);
    }
    for w in &history { println!("{:4} {:6.2} {:6.2}", w.day, w.rabbits, w.foxes); }
    let peak = history.iter().map(|w| w.foxes).fold(0.0, f64::max);
    println!("{peak:.2} {}", world.day);
}

//# strings taken apart and put together
fn main() {
    let text = String::from("The Rust Programming Language");
    let initials: String = text.split(' ').filter_map(|w| w.chars().next()).collect();
    println!("{initials}");
    let lengths: Vec<usize> = text.split(' ').map(str::len).collect();
    println!("{lengths:?}");
    let longest = text.split(' ').max_by_key(|w| w.len()).unwrap().to_string();
    println!("{longest}");
    let snake = text.to_lowercase().replace(' ', "_");
    println!("{snake}");
    let mut letters: Vec<char> = snake.chars().filter(|c| c.is_alphabetic()).collect();
    letters.sort_unstable();
    letters.dedup();
    println!("{}", letters.len());
    let camel: String = snake.split('_').map(|w| { let (a, b) = w.split_at(1); a.to_uppercase() + b }).collect();
    println!("{camel}");
}

//# a counter behind shared pointers
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Default, Debug)]
struct Metrics { counts: BTreeMap<String, u64> }
#[derive(Clone)]
struct Handle(Rc<RefCell<Metrics>>);
impl Handle { fn count(&self, name: &str, n: u64) { *self.0.borrow_mut().counts.entry(name.to_owned()).or_insert(0) += n; } }

fn main() {
    let handle = Handle(Rc::default());
    let other = handle.clone();
    handle.count("requests", 3);
    other.count("requests", 4);
    other.count("errors", 1);
    println!("{:?}", handle.0.borrow());
    let total: u64 = handle.0.borrow().counts.values().sum();
    println!("{total} {}", Rc::strong_count(&handle.0));
}

//# threads over several steps
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

fn main() {
    let results: Arc<Mutex<Vec<u64>>> = Arc::new(Mutex::new(Vec::new()));
    let (tx, rx) = mpsc::channel::<u64>();
    let sink = Arc::clone(&results);
    let worker = thread::spawn(move || for n in rx { sink.lock().unwrap().push(n * n); });
    tx.send(3).unwrap();
    tx.send(4).unwrap();
    drop(tx);
    worker.join().unwrap();
    println!("{:?}", results.lock().unwrap());
    let total: u64 = results.lock().unwrap().iter().sum();
    println!("{total}");
}

//# errors looked at one by one
use std::fmt;

#[derive(Debug, PartialEq)]
enum ParseError { Empty, Bad(char), TooBig(u64) }
impl fmt::Display for ParseError { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { match self { Self::Empty => f.write_str("empty"), Self::Bad(c) => write!(f, "bad {c:?}"), Self::TooBig(n) => write!(f, "{n} is too big") } } }
impl std::error::Error for ParseError {}

fn parse(text: &str) -> Result<u8, ParseError> {
    if text.is_empty() { return Err(ParseError::Empty); }
    let mut n = 0u64;
    for c in text.chars() { n = n * 10 + c.to_digit(10).ok_or(ParseError::Bad(c))? as u64; }
    u8::try_from(n).map_err(|_| ParseError::TooBig(n))
}

fn main() {
    let good = parse("200");
    println!("{good:?}");
    let bad = parse("2x");
    println!("{}", bad.as_ref().unwrap_err());
    let all: Vec<Result<u8, ParseError>> = ["1", "", "999"].iter().map(|t| parse(t)).collect();
    let errors: Vec<String> = all.iter().filter_map(|r| r.as_ref().err()).map(|e| e.to_string()).collect();
    println!("{errors:?}");
    let boxed: Box<dyn std::error::Error> = bad.unwrap_err().into();
    println!("{boxed} {}", boxed.downcast_ref::<ParseError>() == Some(&ParseError::Bad('x')));
    let sum: u32 = all.into_iter().flatten().map(u32::from).sum();
    println!("{sum}");
}

//# the question mark between statements
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers: Vec<i64> = "3 4 5".split(' ').map(|s| s.parse()).collect::<Result<_, _>>()?;
    println!("{numbers:?}");
    let first = *numbers.first().ok_or("no numbers")?;
    let text = String::from_utf8(vec![b'0' + first as u8])?;
    println!("{text}");
    let n: u8 = text.parse()?;
    let inverse = 255u8.checked_sub(n).ok_or_else(|| format!("{n} is too much"))?;
    println!("{inverse}");
    Ok(())
}

//# a matrix type used step by step
use std::ops::{Add, Index, IndexMut, Mul};

#[derive(Debug, Clone, PartialEq)]
struct Mat { n: usize, data: Vec<f64> }
impl Mat {
    fn identity(n: usize) -> Mat { let mut m = Mat { n, data: vec![0.0; n * n] }; for i in 0..n { m[(i, i)] = 1.0; } m }
    fn transpose(&self) -> Mat { let mut m = self.clone(); for i in 0..self.n { for j in 0..self.n { m[(i, j)] = self[(j, i)]; } } m }
}
impl Index<(usize, usize)> for Mat { type Output = f64; fn index(&self, (i, j): (usize, usize)) -> &f64 { &self.data[i * self.n + j] } }
impl IndexMut<(usize, usize)> for Mat { fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut f64 { &mut self.data[i * self.n + j] } }
impl Mul for &Mat { type Output = Mat; fn mul(self, o: &Mat) -> Mat { let mut m = Mat { n: self.n, data: vec![0.0; self.n * self.n] }; for i in 0..self.n { for j in 0..self.n { m[(i, j)] = (0..self.n).map(|k| self[(i, k)] * o[(k, j)]).sum(); } } m } }
impl Add for Mat { type Output = Mat; fn add(mut self, o: Mat) -> Mat { self.data.iter_mut().zip(o.data).for_each(|(a, b)| *a += b); self } }

fn main() {
    let mut m = Mat::identity(2);
    m[(0, 1)] = 3.0;
    println!("{:?}", m.data);
    let square = &m * &m;
    println!("{:?} {}", square.data, square == m);
    let sum = m.clone() + m.transpose();
    println!("{:?}", sum.data);
    let trace: f64 = (0..sum.n).map(|i| sum[(i, i)]).sum();
    println!("{trace}");
}

//# a deck of cards
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Suit { Clubs, Diamonds, Hearts, Spades }
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Card { rank: u8, suit: Suit }
const SUITS: [Suit; 4] = [Suit::Clubs, Suit::Diamonds, Suit::Hearts, Suit::Spades];

fn value(hand: &[Card]) -> u32 {
    let mut total: u32 = hand.iter().map(|c| match c.rank { 1 => 11, 10.. => 10, n => n as u32 }).sum();
    let mut aces = hand.iter().filter(|c| c.rank == 1).count();
    while total > 21 && aces > 0 { total -= 10; aces -= 1; }
    total
}

fn main() {
    let mut deck: Vec<Card> = SUITS.iter().flat_map(|&suit| (1..=13).map(move |rank| Card { rank, suit })).collect();
    println!("{}", deck.len());
    deck.sort_by_key(|c| (c.rank as u32 * 31 + c.suit as u32 * 17) % 53);
    let hand: Vec<Card> = deck.drain(..3).collect();
    println!("{hand:?}");
    println!("{} {}", value(&hand), deck.len());
    let best = deck.iter().max().copied();
    println!("{best:?}");
}

//# sets of numbers compared
use std::collections::{BTreeSet, HashMap, HashSet};

fn main() {
    let squares: BTreeSet<u32> = (1..=20).map(|n| n * n).collect();
    let cubes: BTreeSet<u32> = (1..=10).map(|n| n * n * n).collect();
    let both: Vec<u32> = squares.intersection(&cubes).copied().collect();
    println!("{both:?}");
    let only: usize = cubes.difference(&squares).count();
    println!("{only}");
    let mut digits: HashMap<char, u32> = HashMap::new();
    for n in &squares { for c in n.to_string().chars() { *digits.entry(c).or_default() += 1; } }
    let mut common: Vec<(u32, char)> = digits.into_iter().map(|(c, n)| (n, c)).collect();
    common.sort_by(|a, b| b.cmp(a));
    println!("{:?}", &common[..3]);
    let unique: HashSet<u32> = squares.iter().map(|n| n % 10).collect();
    println!("{}", unique.len());
}

//# an event queue
//together a type is inferred from a later statement
use std::cmp::Ordering;
use std::collections::BinaryHeap;

#[derive(Debug, PartialEq, Eq)]
enum Kind { Arrive(u32), Leave(u32) }
#[derive(Debug, PartialEq, Eq)]
struct Event { at: u32, kind: Kind }
impl Ord for Event { fn cmp(&self, o: &Self) -> Ordering { o.at.cmp(&self.at) } }
impl PartialOrd for Event { fn partial_cmp(&self, o: &Self) -> Option<Ordering> { Some(self.cmp(o)) } }

fn main() {
    let mut queue: BinaryHeap<Event> = BinaryHeap::new();
    for id in 1..=3u32 { queue.push(Event { at: id * 5, kind: Kind::Arrive(id) }); }
    let mut inside: Vec<u32> = vec![];
    let mut most = 0;
    while let Some(Event { at, kind }) = queue.pop() {
        match kind {
            Kind::Arrive(id) => { inside.push(id); queue.push(Event { at: at + 7 + id, kind: Kind::Leave(id) }); println!("{at:>3} in  {id}"); }
            Kind::Leave(id) => { inside.retain(|i| *i != id); println!("{at:>3} out {id}"); }
        }
        most = most.max(inside.len());
    }
    println!("{most} {}", inside.is_empty());
}

//# boxes with behavior
trait Step { fn apply(&self, x: f64) -> f64; fn name(&self) -> String; }
struct Scale(f64);
struct Clip { low: f64, high: f64 }
impl Step for Scale { fn apply(&self, x: f64) -> f64 { x * self.0 } fn name(&self) -> String { format!("scale by {}", self.0) } }
impl Step for Clip { fn apply(&self, x: f64) -> f64 { x.clamp(self.low, self.high) } fn name(&self) -> String { "clip".to_string() } }

fn main() {
    let mut steps: Vec<Box<dyn Step>> = vec![Box::new(Scale(2.0))];
    steps.push(Box::new(Clip { low: -1.0, high: 5.0 }));
    let names: Vec<String> = steps.iter().map(|s| s.name()).collect();
    println!("{names:?}");
    let inputs = [1.0, -3.0, 10.0];
    let outputs: Vec<f64> = inputs.iter().map(|x| steps.iter().fold(*x, |x, s| s.apply(x))).collect();
    println!("{outputs:?}");
    let function: Box<dyn Fn(f64) -> f64> = Box::new(move |x| steps[0].apply(x));
    println!("{}", function(4.0));
}

//# an encoder and its decoder
//together a type is inferred from a later statement
use std::collections::{BTreeMap, BinaryHeap};
use std::cmp::Reverse;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tree { Leaf(char), Node(Box<Tree>, Box<Tree>) }
fn codes(t: &Tree, prefix: String, out: &mut BTreeMap<char, String>) {
    match t { Tree::Leaf(c) => { out.insert(*c, prefix); } Tree::Node(l, r) => { codes(l, format!("{prefix}0"), out); codes(r, prefix + "1", out); } }
}
fn decode(t: &Tree, bits: &str) -> String {
    let mut out = String::new();
    let mut at = t;
    for b in bits.chars() { if let Tree::Node(l, r) = at { at = if b == '0' { l } else { r }; } if let Tree::Leaf(c) = at { out.push(*c); at = t; } }
    out
}

fn main() {
    let text = "abracadabra";
    let mut counts: BTreeMap<char, usize> = BTreeMap::new();
    for c in text.chars() { *counts.entry(c).or_default() += 1; }
    let mut heap: BinaryHeap<Reverse<(usize, Tree)>> = counts.iter().map(|(c, n)| Reverse((*n, Tree::Leaf(*c)))).collect();
    while heap.len() > 1 {
        let Reverse((a, left)) = heap.pop().unwrap();
        let Reverse((b, right)) = heap.pop().unwrap();
        heap.push(Reverse((a + b, Tree::Node(Box::new(left), Box::new(right)))));
    }
    let Reverse((total, tree)) = heap.pop().unwrap();
    let mut table = BTreeMap::new();
    codes(&tree, String::new(), &mut table);
    let bits: String = text.chars().map(|c| table[&c].as_str()).collect();
    println!("{total} {} {}", bits.len(), decode(&tree, &bits) == text);
}

//# a date without a library
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Date { year: i32, month: u8, day: u8 }
impl Date {
    fn is_leap(year: i32) -> bool { year % 4 == 0 && year % 100 != 0 || year % 400 == 0 }
    fn days_in(year: i32, month: u8) -> u8 { match month { 2 => 28 + Self::is_leap(year) as u8, 4 | 6 | 9 | 11 => 30, _ => 31 } }
    fn new(year: i32, month: u8, day: u8) -> Option<Date> { ((1..=12).contains(&month) && (1..=Self::days_in(year, month)).contains(&day)).then_some(Date { year, month, day }) }
    fn next(self) -> Date {
        if self.day < Self::days_in(self.year, self.month) { Date { day: self.day + 1, ..self } }
        else if self.month < 12 { Date { month: self.month + 1, day: 1, ..self } }
        else { Date { year: self.year + 1, month: 1, day: 1 } }
    }
    fn weekday(self) -> usize { let t = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4]; let y = self.year - (self.month < 3) as i32; ((y + y / 4 - y / 100 + y / 400 + t[self.month as usize - 1] + self.day as i32) % 7) as usize }
}

fn main() {
    let date = Date::new(2024, 2, 28).unwrap();
    println!("{:?} {:?}", date.next(), date.next().next());
    println!("{:?}", Date::new(2023, 2, 29));
    let names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    println!("{}", names[Date::new(2000, 1, 1).unwrap().weekday()]);
    let fridays = std::iter::successors(Date::new(2026, 1, 1), |d| Some(d.next())).take_while(|d| d.year == 2026).filter(|d| d.day == 13 && d.weekday() == 5).count();
    println!("{fridays}");
    let later = Date { year: 2025, ..date };
    println!("{}", later > date);
}

//# polynomials
use std::fmt;

#[derive(Debug, Clone, PartialEq)]
struct Poly(Vec<i64>);
impl Poly {
    fn at(&self, x: i64) -> i64 { self.0.iter().rev().fold(0, |a, c| a * x + c) }
    fn derivative(&self) -> Poly { Poly(self.0.iter().enumerate().skip(1).map(|(i, c)| i as i64 * c).collect()) }
    fn times(&self, o: &Poly) -> Poly { let mut r = vec![0; self.0.len() + o.0.len() - 1]; for (i, a) in self.0.iter().enumerate() { for (j, b) in o.0.iter().enumerate() { r[i + j] += a * b; } } Poly(r) }
}
impl fmt::Display for Poly {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut first = true;
        for (i, c) in self.0.iter().enumerate().rev().filter(|(_, c)| **c != 0) {
            let sign = if *c < 0 { "-" } else if first { "" } else { "+" };
            match i { 0 => write!(f, "{sign}{}", c.abs())?, 1 => write!(f, "{sign}{}x", c.abs())?, _ => write!(f, "{sign}{}x^{i}", c.abs())? }
            first = false;
        }
        if first { f.write_str("0")? }
        Ok(())
    }
}

fn main() {
    let p = Poly(vec![-1, 0, 2]);
    let q = Poly(vec![1, 1]);
    println!("{p} | {q} | {}", Poly(vec![0]));
    let product = p.times(&q);
    println!("{product} at 3 = {}", product.at(3));
    println!("{}", product.derivative());
    let values: Vec<i64> = (-2..=2).map(|x| p.at(x)).collect();
    println!("{values:?}");
}

//# text adventures as data
use std::collections::HashMap;

#[derive(Debug, Clone)]
struct Room { text: String, exits: HashMap<String, String> }

fn room(text: &str, exits: &[(&str, &str)]) -> Room { Room { text: text.to_string(), exits: exits.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect() } }

fn main() {
    let mut rooms: HashMap<String, Room> = HashMap::new();
    rooms.insert("hall".to_string(), room("a hall", &[("north", "kitchen"), ("down", "cellar")]));
    rooms.insert("kitchen".to_string(), room("a kitchen", &[("south", "hall")]));
    rooms.insert("cellar".to_string(), room("a dark cellar", &[]));
    let mut at = String::from("hall");
    for command in ["north", "up", "south", "down", "north"] {
        match rooms[&at].exits.get(command) {
            Some(next) => { at = next.clone(); println!("> {command}: {}", rooms[&at].text); }
            None => println!("> {command}: you cannot"),
        }
    }
    println!("{at}");
}

//# counting sort and buckets
fn main() {
    let data: Vec<usize> = (0..30).map(|i| (i * i * 7 + 3) % 11).collect();
    let mut counts = vec![0usize; 11];
    for &d in &data { counts[d] += 1; }
    println!("{counts:?}");
    let sorted: Vec<usize> = counts.iter().enumerate().flat_map(|(value, &n)| std::iter::repeat_n(value, n)).collect();
    println!("{}", sorted.is_sorted() && sorted.len() == data.len());
    let mut buckets: Vec<Vec<usize>> = vec![Vec::new(); 4];
    for d in data { buckets[d / 3].push(d); }
    let sizes: Vec<usize> = buckets.iter().map(Vec::len).collect();
    println!("{sizes:?}");
}

//# bits and masks
fn set(mask: u32, bit: u32) -> u32 { mask | 1 << bit }
fn bits(mask: u32) -> Vec<u32> { (0..32).filter(|b| mask >> b & 1 == 1).collect() }

fn main() {
    let mut mask = 0u32;
    for b in [1, 4, 9] { mask = set(mask, b); }
    println!("{mask:#012b} {:?}", bits(mask));
    mask &= !(1 << 4);
    println!("{:?} {} {}", bits(mask), mask.count_ones(), mask.leading_zeros());
    let gray: Vec<String> = (0..8u8).map(|n| format!("{:03b}", n ^ (n >> 1))).collect();
    println!("{}", gray.join(" "));
    let parity = (0..16u32).map(|n| n.count_ones() % 2).fold(0u16, |a, p| a << 1 | p as u16);
    println!("{parity:016b}");
}

//# a cellular automaton
fn rule(number: u8, cells: &[bool]) -> Vec<bool> {
    let n = cells.len();
    (0..n).map(|i| { let index = (cells[(i + n - 1) % n] as u8) << 2 | (cells[i] as u8) << 1 | cells[(i + 1) % n] as u8; number >> index & 1 == 1 }).collect()
}
fn show(cells: &[bool]) -> String { cells.iter().map(|&c| if c { '#' } else { ' ' }).collect() }

fn main() {
    let mut cells = vec![false; 31];
    cells[15] = true;
    for _ in 0..8 {
        println!("{}", show(&cells).trim_end());
        cells = rule(90, &cells);
    }
    let alive = cells.iter().filter(|c| **c).count();
    println!("{alive}");
}
