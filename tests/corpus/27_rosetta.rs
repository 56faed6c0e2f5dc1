//# ninety-nine bottles, the last four
fn bottles(n: u32) -> String { match n { 0 => "no bottles".into(), 1 => "1 bottle".into(), n => format!("{n} bottles") } }

fn main() {
    for n in (1..=3).rev() {
        println!("{} of beer on the wall,", bottles(n));
        println!("take {} down: {}.", if n == 1 { "it" } else { "one" }, bottles(n - 1));
    }
}

//# towers of hanoi
//together a type is inferred from a later statement
fn hanoi(n: u32, from: char, to: char, via: char, moves: &mut Vec<(char, char)>) {
    if n == 0 { return; }
    hanoi(n - 1, from, via, to, moves);
    moves.push((from, to));
    hanoi(n - 1, via, to, from, moves);
}

fn main() {
    let mut moves = Vec::new();
    hanoi(3, 'A', 'C', 'B', &mut moves);
    println!("{}", moves.iter().map(|(a, b)| format!("{a}{b}")).collect::<Vec<_>>().join(" "));
    moves.clear();
    hanoi(10, 'A', 'C', 'B', &mut moves);
    println!("{}", moves.len());
}

//# game of life
use std::collections::HashSet;

type Cell = (i32, i32);
fn step(live: &HashSet<Cell>) -> HashSet<Cell> {
    let around = |(x, y): Cell| (-1..=1).flat_map(move |dx| (-1..=1).map(move |dy| (x + dx, y + dy)));
    let candidates: HashSet<Cell> = live.iter().flat_map(|&c| around(c)).collect();
    candidates.into_iter().filter(|&c| { let n = around(c).filter(|p| live.contains(p)).count(); n == 3 || n == 4 && live.contains(&c) }).collect()
}
fn show(live: &HashSet<Cell>, size: i32) -> String { (0..size).map(|y| (0..size).map(|x| if live.contains(&(x, y)) { '#' } else { '.' }).collect::<String>() + "\n").collect() }

fn main() {
    let mut live: HashSet<Cell> = [(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)].into();
    for generation in 0..9 {
        if generation % 4 == 0 { println!("{generation}:\n{}", show(&live, 6)); }
        live = step(&live);
    }
    println!("{}", live.len());
}

//# sieve with a bit set
struct Bits(Vec<u64>);
impl Bits {
    fn new(n: usize) -> Self { Bits(vec![0; n.div_ceil(64)]) }
    fn set(&mut self, i: usize) { self.0[i / 64] |= 1 << (i % 64); }
    fn get(&self, i: usize) -> bool { self.0[i / 64] >> (i % 64) & 1 == 1 }
    fn count(&self) -> u32 { self.0.iter().map(|w| w.count_ones()).sum() }
}

fn main() {
    const N: usize = 1000;
    let mut composite = Bits::new(N);
    composite.set(0);
    composite.set(1);
    for i in 2..N { if !composite.get(i) { for j in (i * i..N).step_by(i) { composite.set(j); } } }
    println!("{}", N as u32 - composite.count());
    println!("{:?}", (0..N).rev().find(|&i| !composite.get(i)));
}

//# pascal's triangle
fn main() {
    let mut row = vec![1u32];
    for n in 0..6 {
        let text: Vec<String> = row.iter().map(|x| format!("{x:^4}")).collect();
        println!("{:^28}", text.concat());
        row = std::iter::once(1).chain(row.windows(2).map(|w| w[0] + w[1])).chain([1]).collect();
        if n == 5 { println!("{}", row.iter().sum::<u32>()); }
    }
}

//# perfect numbers and divisors
fn divisors(n: u32) -> impl Iterator<Item = u32> { (1..=n / 2).filter(move |d| n % d == 0) }

fn main() {
    let perfect: Vec<u32> = (2..500).filter(|&n| divisors(n).sum::<u32>() == n).collect();
    println!("{perfect:?}");
    let amicable: Vec<(u32, u32)> = (2..1300u32).filter_map(|a| { let b = divisors(a).sum(); (b > a && divisors(b).sum::<u32>() == a).then_some((a, b)) }).collect();
    println!("{amicable:?} {:?}", divisors(28).collect::<Vec<_>>());
}

//# balanced brackets
fn balanced(text: &str) -> Result<(), (usize, char)> {
    let mut stack = Vec::new();
    for (i, c) in text.chars().enumerate() {
        match c {
            '(' | '[' | '{' => stack.push((i, c)),
            ')' | ']' | '}' => {
                let wanted = match c { ')' => '(', ']' => '[', _ => '{' };
                match stack.pop() { Some((_, open)) if open == wanted => {} _ => return Err((i, c)) }
            }
            _ => {}
        }
    }
    stack.pop().map_or(Ok(()), Err)
}

fn main() {
    for text in ["a(b[c]{d})", "(]", "((", "", ")"] { println!("{text:?} {:?}", balanced(text)); }
}

//# matrix spiral and rotation
fn spiral(n: usize) -> Vec<Vec<u32>> {
    let mut m = vec![vec![0; n]; n];
    let (mut x, mut y, mut dx, mut dy) = (0i32, 0i32, 1i32, 0i32);
    for i in 1..=(n * n) as u32 {
        m[y as usize][x as usize] = i;
        let (nx, ny) = (x + dx, y + dy);
        let free = (0..n as i32).contains(&nx) && (0..n as i32).contains(&ny) && m[ny as usize][nx as usize] == 0;
        if !free { (dx, dy) = (-dy, dx); }
        x += dx;
        y += dy;
    }
    m
}
fn rotate<T: Copy>(m: &[Vec<T>]) -> Vec<Vec<T>> { (0..m[0].len()).map(|c| m.iter().rev().map(|r| r[c]).collect()).collect() }

fn main() {
    let m = spiral(4);
    for row in &m { println!("{}", row.iter().map(|n| format!("{n:3}")).collect::<String>()); }
    let r = rotate(&m);
    println!("{:?} {}", r[0], rotate(&rotate(&rotate(&r))) == m);
}

//# luhn and isbn
fn luhn(text: &str) -> Option<bool> {
    let digits: Vec<u32> = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(10)).collect::<Option<_>>()?;
    let sum: u32 = digits.iter().rev().enumerate().map(|(i, &d)| if i % 2 == 1 { let d = d * 2; if d > 9 { d - 9 } else { d } } else { d }).sum();
    Some(sum % 10 == 0)
}
fn isbn10(text: &str) -> bool {
    let digits: Option<Vec<u32>> = text.chars().filter(|c| *c != '-').enumerate().map(|(i, c)| if c == 'X' && i == 9 { Some(10) } else { c.to_digit(10) }).collect();
    digits.is_some_and(|d| d.len() == 10 && d.iter().zip((1..=10).rev()).map(|(d, w)| d * w).sum::<u32>() % 11 == 0)
}

fn main() {
    println!("{:?} {:?} {:?}", luhn("4539 3195 0343 6467"), luhn("8273 1232 7352 0569"), luhn("12a"));
    println!("{} {}", isbn10("3-598-21507-X"), isbn10("3-598-21508-8"));
}

//# look and say
fn next(s: &str) -> String {
    let mut out = String::new();
    let mut rest = s;
    while let Some(c) = rest.chars().next() {
        let tail = rest.trim_start_matches(c);
        out += &format!("{}{c}", rest.len() - tail.len());
        rest = tail;
    }
    out
}

fn main() {
    let list: Vec<String> = std::iter::successors(Some("1".to_string()), |s| Some(next(s))).take(7).collect();
    println!("{}", list.join(" "));
    let ratio = list[6].len() as f64 / list[5].len() as f64;
    println!("{ratio:.2}");
}

//# numbers in words
fn words(n: u64) -> String {
    const SMALL: [&str; 20] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"];
    const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    match n {
        0..20 => SMALL[n as usize].to_string(),
        20..100 => TENS[n as usize / 10].to_string() + &if n % 10 > 0 { format!("-{}", words(n % 10)) } else { String::new() },
        100..1000 => format!("{} hundred{}", words(n / 100), if n % 100 > 0 { format!(" {}", words(n % 100)) } else { String::new() }),
        _ => {
            let (unit, name) = [(1_000_000_000, "billion"), (1_000_000, "million"), (1000, "thousand")].into_iter().find(|(u, _)| n >= *u).unwrap();
            let rest = n % unit;
            format!("{} {name}{}", words(n / unit), if rest > 0 { format!(" {}", words(rest)) } else { String::new() })
        }
    }
}

fn main() {
    for n in [0, 13, 85, 100, 342, 1_000_001, 98_765] { println!("{n}: {}", words(n)); }
}

//# tic tac toe to the end
//together a type is inferred from a later statement
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark { X, O }
type Board = [Option<Mark>; 9];
const LINES: [[usize; 3]; 8] = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]];
fn winner(b: &Board) -> Option<Mark> { LINES.iter().find_map(|&[i, j, k]| b[i].filter(|m| b[j] == Some(*m) && b[k] == Some(*m))) }
fn score(b: &mut Board, turn: Mark, count: &mut u32) -> i32 {
    *count += 1;
    if let Some(w) = winner(b) { return if w == Mark::X { 1 } else { -1 }; }
    let free: Vec<usize> = (0..9).filter(|&i| b[i].is_none()).collect();
    let scores = free.iter().map(|&i| { b[i] = Some(turn); let s = score(b, if turn == Mark::X { Mark::O } else { Mark::X }, count); b[i] = None; s });
    if turn == Mark::X { scores.max() } else { scores.min() }.unwrap_or(0)
}

fn main() {
    let mut board: Board = [None; 9];
    board[0] = Some(Mark::X);
    board[4] = Some(Mark::O);
    let mut count = 0;
    println!("{} {count}", score(&mut board, Mark::X, &mut count));
    println!("{}", count > 1000);
    board[1] = Some(Mark::X);
    println!("{}", score(&mut board, Mark::X, &mut 0));
    let text: String = board.iter().map(|m| match m { Some(Mark::X) => 'X', Some(Mark::O) => 'O', None => '.' }).collect();
    println!("{}", text.as_bytes().chunks(3).map(|r| std::str::from_utf8(r).unwrap()).collect::<Vec<_>>().join("/"));
}

//# a bank queue simulation
//together a type has no name
use std::collections::VecDeque;

#[derive(Debug)]
struct Customer { arrived: u32, needs: u32 }
struct Teller { busy_until: u32, served: u32 }

fn main() {
    let mut seed = 7u32;
    let mut random = move |n: u32| { seed = seed.wrapping_mul(1103515245).wrapping_add(12345); (seed >> 16) % n };
    let mut queue: VecDeque<Customer> = VecDeque::new();
    let mut tellers: Vec<Teller> = (0..2).map(|_| Teller { busy_until: 0, served: 0 }).collect();
    let (mut longest, mut waited) = (0, 0);
    for minute in 0..60 {
        if random(10) < 6 { queue.push_back(Customer { arrived: minute, needs: 1 + random(5) }); }
        longest = longest.max(queue.len());
        for teller in tellers.iter_mut().filter(|t| t.busy_until <= minute) {
            let Some(Customer { arrived, needs }) = queue.pop_front() else { break };
            waited += minute - arrived;
            teller.busy_until = minute + needs;
            teller.served += 1;
        }
    }
    let served: u32 = tellers.iter().map(|t| t.served).sum();
    println!("{} {}", served + queue.len() as u32 <= 60, longest >= 1);
    println!("{}", waited as f64 / served as f64 >= 0.0);
}

//# knight moves
use std::collections::{HashMap, VecDeque};

fn square(s: &str) -> Option<(i8, i8)> { let b = s.as_bytes(); (b.len() == 2).then(|| ((b[0] - b'a') as i8, (b[1] - b'1') as i8)).filter(|(x, y)| (0..8).contains(x) && (0..8).contains(y)) }
fn moves(from: (i8, i8)) -> impl Iterator<Item = (i8, i8)> {
    [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)].into_iter().map(move |(dx, dy)| (from.0 + dx, from.1 + dy)).filter(|(x, y)| (0..8).contains(x) && (0..8).contains(y))
}

fn main() {
    let start = square("a1").unwrap();
    let mut distance = HashMap::from([(start, 0)]);
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        let d = distance[&at];
        for next in moves(at) { distance.entry(next).or_insert_with(|| { queue.push_back(next); d + 1 }); }
    }
    println!("{} {} {:?}", distance.len(), distance[&square("h8").unwrap()], square("i9"));
    println!("{:?}", distance.values().max());
}
