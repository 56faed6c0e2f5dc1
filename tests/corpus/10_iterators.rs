//# map, filter and fold
//together a borrow crosses statements
fn main() {
    let numbers = 1..=10;
    let squares: Vec<u32> = numbers.clone().map(|n| n * n).collect();
    let even: Vec<&u32> = squares.iter().filter(|n| *n % 2 == 0).collect();
    let joined = squares.iter().fold(String::new(), |mut s, n| { if !s.is_empty() { s.push(','); } s += &n.to_string(); s });
    println!("{even:?}");
    println!("{joined} {}", numbers.sum::<u32>());
}

//# take_while, skip_while, map_while
//together a borrow crosses statements
fn main() {
    let data = [1, 3, 5, 6, 7, 8];
    let odd: Vec<_> = data.iter().take_while(|n| *n % 2 == 1).collect();
    let rest: Vec<_> = data.iter().skip_while(|n| *n % 2 == 1).collect();
    let parsed: Vec<i32> = ["1", "2", "x", "4"].iter().map_while(|s| s.parse().ok()).collect();
    println!("{odd:?} {rest:?} {parsed:?}");
}

//# scan, successors and from_fn
//together a type is inferred from a later statement
fn main() {
    let running: Vec<i32> = [1, 2, 3, 4].iter().scan(0, |acc, x| { *acc += x; Some(*acc) }).collect();
    println!("{running:?}");
    let powers: Vec<u32> = std::iter::successors(Some(1u32), |x| x.checked_mul(10)).collect();
    println!("{powers:?}");
    let mut state = (0, 1);
    let fib: Vec<u64> = std::iter::from_fn(|| { let r = state.0; state = (state.1, state.0 + state.1); (r < 50).then_some(r) }).collect();
    println!("{fib:?} {state:?}");
}

//# flat_map, flatten and chain
fn main() {
    let text = "ab cd\nef";
    let letters: String = text.lines().flat_map(|l| l.split(' ')).flat_map(str::chars).rev().collect();
    println!("{letters}");
    let nested = vec![Some(vec![1, 2]), None, Some(vec![3])];
    let flat: Vec<i32> = nested.iter().flatten().flatten().copied().collect();
    println!("{flat:?}");
    let all: Vec<i32> = (0..2).chain([10, 11]).chain(std::iter::once(99)).chain(std::iter::empty()).collect();
    println!("{all:?}");
}

//# zip, unzip and enumerate
fn main() {
    let (small, large): (Vec<i32>, Vec<i32>) = (1..5).map(|n| (n, n * 100)).unzip();
    println!("{small:?} {large:?}");
    for ((i, a), b) in small.iter().enumerate().zip(large.iter().rev()) { print!("{i}:{a}/{b} "); }
    println!();
    let index = small.iter().zip(&large).position(|(a, b)| a + b == 303);
    println!("{index:?}");
}

//# partition, any, all, find
fn main() {
    let words = ["apple", "fig", "plum", "banana"];
    let (short, long): (Vec<&str>, Vec<&str>) = words.iter().partition(|w| w.len() < 5);
    println!("{short:?} {long:?}");
    println!("{} {}", words.iter().any(|w| w.starts_with('p')), words.iter().all(|w| w.contains('a')));
    println!("{:?} {:?}", words.iter().find(|w| w.len() == 4), words.iter().rposition(|w| w.len() == 3));
    println!("{:?}", words.iter().find_map(|w| w.find('n')));
}

//# min, max and their keys
fn main() {
    let points = [(1, 9), (4, 2), (4, 8), (0, 5)];
    println!("{:?} {:?}", points.iter().max(), points.iter().min());
    println!("{:?}", points.iter().min_by_key(|p| p.1));
    println!("{:?}", points.iter().max_by(|a, b| (a.0 + a.1).cmp(&(b.0 + b.1))));
    let floats = [2.5, -1.0, 9.75];
    println!("{:?}", floats.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    println!("{:?}", floats.iter().min_by(|a, b| a.total_cmp(b)));
}

//# collecting into results and options
fn main() {
    let good: Result<Vec<i32>, _> = "1 2 3".split(' ').map(str::parse::<i32>).collect();
    let bad: Result<Vec<i32>, _> = "1 x 3".split(' ').map(|s| s.parse::<i32>()).collect();
    println!("{good:?} {}", bad.unwrap_err());
    let all: Option<Vec<u32>> = "123".chars().map(|c| c.to_digit(10)).collect();
    let none: Option<Vec<u32>> = "1a3".chars().map(|c| c.to_digit(10)).collect();
    println!("{all:?} {none:?}");
    let sum: Option<u32> = [Some(1), None].into_iter().sum();
    println!("{sum:?}");
}

//# try_fold and early ends
use std::ops::ControlFlow;

fn main() {
    let sum = [100u8, 100, 100].iter().try_fold(0u8, |a, &b| a.checked_add(b));
    println!("{sum:?}");
    let flow = (1..).try_for_each(|n| if n * n > 50 { ControlFlow::Break(n) } else { ControlFlow::Continue(()) });
    println!("{flow:?}");
    let r: Result<i32, String> = ["1", "2", "q"].iter().try_fold(0, |a, s| s.parse::<i32>().map(|n| a + n).map_err(|e| format!("{s}: {e}")));
    println!("{r:?}");
}

//# double-ended iteration
fn main() {
    let mut it = (1..=6).into_iter();
    println!("{:?} {:?}", it.next(), it.next_back());
    println!("{:?} {:?}", it.size_hint(), it.nth(1));
    println!("{:?}", it.rev().collect::<Vec<_>>());
    let word = "level";
    let palindrome = word.chars().eq(word.chars().rev());
    println!("{palindrome}");
    let mut d = "abcdef".chars();
    let mut out = String::new();
    while let (Some(a), Some(b)) = (d.next(), d.next_back()) { out.push(b); out.push(a); }
    println!("{out}");
}

//# peekable groups
fn runs(data: &[i32]) -> Vec<(i32, usize)> {
    let mut out = vec![];
    let mut it = data.iter().peekable();
    while let Some(&x) = it.next() {
        let mut n = 1;
        while it.next_if(|&&y| y == x).is_some() { n += 1; }
        out.push((x, n));
    }
    out
}

fn main() {
    let r = runs(&[1, 1, 2, 3, 3, 3]);
    println!("{r:?}");
    println!("{:?}", runs(&[]));
}

//# step_by, cycle and take
//together a borrow crosses statements
fn main() {
    let colors = ["r", "g", "b"];
    let line: String = colors.iter().cycle().skip(1).step_by(2).take(7).copied().collect();
    println!("{line}");
    let dice: Vec<String> = colors.iter().cycle().take(4).enumerate().map(|(i, c)| format!("{c}{i}")).collect();
    println!("{}", dice.join("|"));
    let last = colors.iter().last();
    println!("{last:?} {}", colors.iter().count());
}

//# inspect and lazy evaluation
//together a borrow crosses statements
use std::cell::Cell;

fn main() {
    let calls = Cell::new(0);
    let mut it = (1..100).inspect(|_| calls.set(calls.get() + 1)).filter(|n| n % 7 == 0);
    println!("{}", calls.get());
    println!("{:?} {}", it.next(), calls.get());
    println!("{:?} {}", it.next(), calls.get());
}

//# comparing and ordering iterators
use std::cmp::Ordering;

fn main() {
    println!("{}", [1, 2].iter().lt([1, 3].iter()));
    println!("{:?}", "abc".chars().cmp("abd".chars()));
    println!("{:?}", [1.0, f64::NAN].iter().partial_cmp([1.0, 2.0].iter()));
    println!("{}", [1, 2, 2, 9].is_sorted());
    println!("{}", ["b", "A"].iter().is_sorted_by_key(|s| s.to_lowercase()));
    let order = [3, 1, 2].iter().min().map_or(Ordering::Less, |m| m.cmp(&1));
    println!("{order:?}");
}

//# own adaptors
struct Pairs<I: Iterator> { inner: I }
impl<I: Iterator> Iterator for Pairs<I> {
    type Item = (I::Item, I::Item);
    fn next(&mut self) -> Option<Self::Item> { Some((self.inner.next()?, self.inner.next()?)) }
    fn size_hint(&self) -> (usize, Option<usize>) { let (l, h) = self.inner.size_hint(); (l / 2, h.map(|h| h / 2)) }
}
trait PairsExt: Iterator + Sized { fn pairs(self) -> Pairs<Self> { Pairs { inner: self } } }
impl<I: Iterator> PairsExt for I {}

fn main() {
    let v: Vec<_> = "k1 v1 k2 v2 odd".split(' ').pairs().collect();
    println!("{v:?}");
    println!("{:?}", (0..7).pairs().size_hint());
    println!("{}", (1..=6).pairs().map(|(a, b)| a * b).sum::<i32>());
}

//# iterators behind a box and by reference
fn numbers(kind: &str) -> Box<dyn Iterator<Item = u32> + '_> {
    match kind { "odd" => Box::new((1..).step_by(2)), "squares" => Box::new((1..).map(|n| n * n)), other => Box::new(other.bytes().map(u32::from)) }
}
fn take_two(it: &mut dyn Iterator<Item = u32>) -> Vec<u32> { it.take(2).collect() }

fn main() {
    let mut it = numbers("squares");
    println!("{:?} {:?}", take_two(&mut it), take_two(&mut it));
    println!("{:?}", take_two(&mut *numbers("odd")));
    let name = String::from("AZ");
    println!("{:?}", numbers(&name).collect::<Vec<_>>());
}

//# sum and product of own types
use std::iter::{Product, Sum};
#[derive(Debug, Clone, Copy, PartialEq)]
struct Money(i64);
impl Sum for Money { fn sum<I: Iterator<Item = Money>>(i: I) -> Money { Money(i.map(|m| m.0).sum()) } }
impl<'a> Sum<&'a Money> for Money { fn sum<I: Iterator<Item = &'a Money>>(i: I) -> Money { i.copied().sum() } }
struct Prob(f64);
impl Product for Prob { fn product<I: Iterator<Item = Prob>>(i: I) -> Prob { Prob(i.fold(1.0, |a, p| a * p.0)) } }

fn main() {
    let wallet = [Money(5), Money(20)];
    let total: Money = wallet.iter().sum();
    println!("{total:?} {:?}", wallet.into_iter().sum::<Money>());
    println!("{}", [0.5, 0.5].map(Prob).into_iter().product::<Prob>().0);
}

//# chunk_by, rchunks, array_chunks by hand
//together a borrow crosses statements
fn main() {
    let data = [1, 2, 2, 5, 6, 9];
    let runs: Vec<&[i32]> = data.chunk_by(|a, b| b - a <= 1).collect();
    println!("{runs:?}");
    println!("{:?}", data.rchunks(4).collect::<Vec<_>>());
    let (pairs, rest) = data.as_chunks::<4>();
    println!("{pairs:?} {rest:?}");
    println!("{:?}", data.split(|x| *x == 5).collect::<Vec<_>>());
    println!("{:?}", data.iter().copied().reduce(|a, b| a * 10 + b));
}

//# grouping by a map of vectors
//together a borrow crosses statements
use std::collections::{BTreeMap, HashMap};

fn main() {
    let people = [("ann", 31), ("bob", 25), ("cid", 38), ("dee", 22)];
    let by_decade: BTreeMap<u32, Vec<&str>> = people.iter().fold(BTreeMap::new(), |mut m, (name, age)| { m.entry(age / 10 * 10).or_insert_with(Vec::new).push(*name); m });
    println!("{by_decade:?}");
    let ages: HashMap<_, _> = people.into_iter().collect();
    let oldest = ages.iter().max_by_key(|(_, age)| **age).map(|(n, _)| n);
    println!("{oldest:?} {}", ages["dee"]);
}

//# the sieve and lazily chained primes
fn sieve(limit: usize) -> Vec<usize> {
    let mut is = vec![true; limit + 1];
    (2..=limit).filter(|&n| { if is[n] { (n * n..=limit).step_by(n).for_each(|m| is[m] = false); true } else { false } }).collect()
}

fn main() {
    let primes = sieve(50);
    println!("{primes:?}");
    let twins: Vec<(usize, usize)> = primes.windows(2).filter(|w| w[1] - w[0] == 2).map(|w| (w[0], w[1])).collect();
    println!("{twins:?}");
    let gaps = primes.iter().skip(1).zip(&primes).map(|(a, b)| a - b).max();
    println!("{gaps:?}");
}

//# rev, sort and dedup of collected values
fn main() {
    let mut words: Vec<String> = "the quick the lazy quick dog".split(' ').map(str::to_owned).collect();
    words.sort_unstable();
    words.dedup();
    println!("{words:?}");
    words.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    println!("{words:?}");
    words.retain(|w| w.len() > 3);
    words.reverse();
    println!("{}", words.concat());
    words.sort_by_cached_key(|w| w.chars().rev().collect::<String>());
    println!("{words:?}");
}
