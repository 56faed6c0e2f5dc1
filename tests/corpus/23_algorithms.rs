//# bubble, insertion and selection sort
fn bubble(v: &mut [i32]) { let n = v.len(); for i in 0..n { for j in 0..n - 1 - i { if v[j] > v[j + 1] { v.swap(j, j + 1); } } } }
fn insertion(v: &mut [i32]) { for i in 1..v.len() { let mut j = i; while j > 0 && v[j - 1] > v[j] { v.swap(j - 1, j); j -= 1; } } }
fn selection<T: PartialOrd>(v: &mut [T]) { for i in 0..v.len() { let m = (i..v.len()).fold(i, |m, j| if v[j] < v[m] { j } else { m }); v.swap(i, m); } }

fn main() {
    let data = [5, -1, 3, 9, 0, 3];
    let mut a = data;
    let mut b = data.to_vec();
    let mut c = ["z", "b", "y"];
    bubble(&mut a);
    insertion(&mut b);
    selection(&mut c);
    println!("{a:?} {b:?} {c:?}");
}

//# quicksort and mergesort
fn quick<T: PartialOrd + Clone>(v: &[T]) -> Vec<T> {
    let Some((pivot, rest)) = v.split_first() else { return vec![] };
    let (small, large): (Vec<T>, Vec<T>) = rest.iter().cloned().partition(|x| x < pivot);
    [quick(&small), vec![pivot.clone()], quick(&large)].concat()
}
fn merge(a: &[i32], b: &[i32]) -> Vec<i32> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut out = Vec::new();
    loop {
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) => out.push(*if x <= y { a.next() } else { b.next() }.unwrap()),
            (Some(_), None) => out.extend(a.by_ref()),
            (None, Some(_)) => out.extend(b.by_ref()),
            (None, None) => return out,
        }
    }
}
fn merge_sort(v: &[i32]) -> Vec<i32> { if v.len() < 2 { v.to_vec() } else { let (l, r) = v.split_at(v.len() / 2); merge(&merge_sort(l), &merge_sort(r)) } }

fn main() {
    println!("{:?}", quick(&[3, 1, 2, 3, -5]));
    println!("{:?}", quick(&["b", "a", "c"]));
    println!("{:?}", merge_sort(&[9, 4, 7, 1, 1, 0]));
}

//# quicksort in place
fn partition<T: Ord>(v: &mut [T]) -> usize {
    let last = v.len() - 1;
    v.swap(v.len() / 2, last);
    let mut store = 0;
    for i in 0..last { if v[i] <= v[last] { v.swap(i, store); store += 1; } }
    v.swap(store, last);
    store
}
fn sort<T: Ord>(v: &mut [T]) {
    if v.len() <= 1 { return; }
    let p = partition(v);
    let (left, right) = v.split_at_mut(p);
    sort(left);
    sort(&mut right[1..]);
}

fn main() {
    let mut numbers: Vec<i64> = (0..20).map(|i| (i * 7919) % 31).collect();
    sort(&mut numbers);
    println!("{numbers:?} {}", numbers.is_sorted());
    let mut words: Vec<String> = "q w e r t y".split(' ').map(String::from).collect();
    sort(&mut words[1..5]);
    println!("{words:?}");
}

//# binary search by hand
fn search<T: Ord>(list: &[T], x: &T) -> Result<usize, usize> {
    let (mut lo, mut hi) = (0, list.len());
    while lo < hi {
        let mid = lo + (hi - lo) / 2;
        match list[mid].cmp(x) {
            std::cmp::Ordering::Less => lo = mid + 1,
            std::cmp::Ordering::Greater => hi = mid,
            std::cmp::Ordering::Equal => return Ok(mid),
        }
    }
    Err(lo)
}

fn main() {
    let list = [1, 4, 9, 16, 25];
    for x in [9, 10, 0, 100] { println!("{x}: {:?} {}", search(&list, &x), search(&list, &x) == list.binary_search(&x)); }
}

//# breadth first search
use std::collections::{HashMap, HashSet, VecDeque};

fn bfs<'g>(graph: &HashMap<&'g str, Vec<&'g str>>, from: &'g str, to: &str) -> Option<Vec<&'g str>> {
    let mut seen = HashSet::from([from]);
    let mut queue = VecDeque::from([vec![from]]);
    while let Some(path) = queue.pop_front() {
        let at = path[path.len() - 1];
        if at == to { return Some(path); }
        for next in graph.get(at).into_iter().flatten() {
            if seen.insert(next) { let mut longer = path.clone(); longer.push(next); queue.push_back(longer); }
        }
    }
    None
}

fn main() {
    let graph = HashMap::from([("a", vec!["b", "c"]), ("b", vec!["d"]), ("c", vec!["d", "e"]), ("d", vec!["f"])]);
    println!("{:?}", bfs(&graph, "a", "f"));
    println!("{:?}", bfs(&graph, "f", "a"));
}

//# depth first search and topological order
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq)]
enum Mark { Open, Done }
fn visit<'a>(node: &'a str, edges: &BTreeMap<&'a str, Vec<&'a str>>, marks: &mut BTreeMap<&'a str, Mark>, order: &mut Vec<&'a str>) -> Result<(), String> {
    match marks.get(node) { Some(Mark::Done) => return Ok(()), Some(Mark::Open) => return Err(format!("cycle at {node}")), None => {} }
    marks.insert(node, Mark::Open);
    if let Some(list) = edges.get(node) { for n in list { visit(n, edges, marks, order)?; } }
    marks.insert(node, Mark::Done);
    order.push(node);
    Ok(())
}
fn sort<'a>(edges: &BTreeMap<&'a str, Vec<&'a str>>) -> Result<Vec<&'a str>, String> {
    let (mut marks, mut order) = (BTreeMap::new(), vec![]);
    for node in edges.keys() { visit(node, edges, &mut marks, &mut order)?; }
    Ok(order)
}

fn main() {
    let mut edges = BTreeMap::from([("app", vec!["lib", "log"]), ("lib", vec!["core"]), ("log", vec!["core"])]);
    println!("{:?}", sort(&edges));
    edges.insert("core", vec!["app"]);
    println!("{:?}", sort(&edges));
}

//# knapsack and longest common subsequence
fn knapsack(items: &[(usize, u32)], capacity: usize) -> u32 {
    let mut best = vec![0; capacity + 1];
    for &(weight, value) in items { for c in (weight..=capacity).rev() { best[c] = best[c].max(best[c - weight] + value); } }
    best[capacity]
}
fn lcs(a: &str, b: &str) -> String {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut t = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() { for j in (0..b.len()).rev() { t[i][j] = if a[i] == b[j] { t[i + 1][j + 1] + 1 } else { t[i + 1][j].max(t[i][j + 1]) }; } }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    while i < a.len() && j < b.len() { if a[i] == b[j] { out.push(a[i]); i += 1; j += 1; } else if t[i + 1][j] >= t[i][j + 1] { i += 1 } else { j += 1 } }
    out
}

fn main() {
    println!("{}", knapsack(&[(12, 4), (2, 2), (1, 1), (4, 10), (1, 2)], 15));
    println!("{}", lcs("thisisatest", "testing123testing"));
}

//# edit distance
//together a borrow crosses statements
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (corner + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

fn main() {
    println!("{} {} {}", distance("kitten", "sitting"), distance("", "abc"), distance("flaw", "lawn"));
    let words = ["apple", "ample", "maple", "able"];
    let closest = words.iter().min_by_key(|w| distance(w, "aple")).unwrap();
    println!("{closest}");
}

//# permutations, combinations and subsets
fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() { return vec![vec![]]; }
    (0..items.len()).flat_map(|i| {
        let mut rest = items.to_vec();
        let first = rest.remove(i);
        permutations(&rest).into_iter().map(move |mut p| { p.insert(0, first.clone()); p })
    }).collect()
}
fn combinations(n: usize, k: usize) -> Vec<Vec<usize>> {
    fn go(from: usize, n: usize, k: usize, now: &mut Vec<usize>, out: &mut Vec<Vec<usize>>) {
        if now.len() == k { out.push(now.clone()); return; }
        for i in from..n { now.push(i); go(i + 1, n, k, now, out); now.pop(); }
    }
    let mut out = vec![];
    go(0, n, k, &mut vec![], &mut out);
    out
}

fn main() {
    println!("{:?}", permutations(&['a', 'b', 'c']).iter().map(|p| p.iter().collect::<String>()).collect::<Vec<_>>());
    println!("{:?}", combinations(4, 2));
    let items = ["x", "y", "z"];
    let subsets: Vec<Vec<&str>> = (0..1u32 << items.len()).map(|bits| items.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, x)| *x).collect()).collect();
    println!("{subsets:?}");
}

//# eight queens
//together a type is inferred from a later statement
fn place(row: usize, n: usize, columns: &mut Vec<usize>, count: &mut u32, first: &mut Option<Vec<usize>>) {
    if row == n { *count += 1; first.get_or_insert_with(|| columns.clone()); return; }
    for c in 0..n {
        if columns.iter().enumerate().all(|(r, &q)| q != c && q.abs_diff(c) != row - r) {
            columns.push(c);
            place(row + 1, n, columns, count, first);
            columns.pop();
        }
    }
}

fn main() {
    let (mut count, mut first) = (0, None);
    place(0, 6, &mut vec![], &mut count, &mut first);
    println!("{count} {first:?}");
    if let Some(queens) = &first {
        for q in queens { println!("{}", (0..6).map(|c| if c == *q { 'Q' } else { '.' }).collect::<String>()); }
    }
}

//# union find
//together a borrow crosses statements
struct Sets { parent: Vec<usize>, size: Vec<usize> }
impl Sets {
    fn new(n: usize) -> Self { Sets { parent: (0..n).collect(), size: vec![1; n] } }
    fn find(&mut self, x: usize) -> usize { if self.parent[x] != x { let root = self.find(self.parent[x]); self.parent[x] = root; } self.parent[x] }
    fn join(&mut self, a: usize, b: usize) -> bool {
        let (mut a, mut b) = (self.find(a), self.find(b));
        if a == b { return false; }
        if self.size[a] < self.size[b] { std::mem::swap(&mut a, &mut b); }
        self.parent[b] = a;
        self.size[a] += self.size[b];
        true
    }
}

fn main() {
    let mut edges = vec![(7, 0, 1), (5, 1, 2), (8, 0, 2), (9, 3, 4), (1, 2, 3)];
    edges.sort();
    let mut sets = Sets::new(5);
    let tree: Vec<_> = edges.iter().filter(|(_, a, b)| sets.join(*a, *b)).collect();
    println!("{tree:?} {}", tree.iter().map(|e| e.0).sum::<i32>());
    println!("{}", sets.find(0) == sets.find(4));
}

//# a trie
use std::collections::BTreeMap;

#[derive(Default, Debug)]
struct Trie { next: BTreeMap<char, Trie>, end: bool }
impl Trie {
    fn insert(&mut self, word: &str) { let mut at = self; for c in word.chars() { at = at.next.entry(c).or_default(); } at.end = true; }
    fn node(&self, prefix: &str) -> Option<&Trie> { prefix.chars().try_fold(self, |t, c| t.next.get(&c)) }
    fn words(&self, prefix: &str) -> Vec<String> {
        let mut out = vec![];
        let mut stack: Vec<(String, &Trie)> = self.node(prefix).map(|n| (prefix.to_string(), n)).into_iter().collect();
        while let Some((word, node)) = stack.pop() {
            if node.end { out.push(word.clone()); }
            stack.extend(node.next.iter().rev().map(|(c, n)| (format!("{word}{c}"), n)));
        }
        out
    }
}

fn main() {
    let mut trie = Trie::default();
    for w in "tea ten to inn in i".split(' ') { trie.insert(w); }
    println!("{:?} {:?} {:?}", trie.words("te"), trie.words("i"), trie.words("x"));
    println!("{}", trie.node("in").is_some_and(|n| n.end));
}

//# flood fill
fn fill(grid: &mut [Vec<u8>], x: usize, y: usize, with: u8) -> usize {
    let old = grid[y][x];
    if old == with { return 0; }
    let mut stack = vec![(x, y)];
    let mut n = 0;
    while let Some((x, y)) = stack.pop() {
        let Some(cell) = grid.get_mut(y).and_then(|r| r.get_mut(x)) else { continue };
        if *cell != old { continue; }
        *cell = with;
        n += 1;
        stack.extend([(x + 1, y), (x, y + 1), (x.wrapping_sub(1), y), (x, y.wrapping_sub(1))]);
    }
    n
}

fn main() {
    let picture = "..##\n.#..\n##..";
    let mut grid: Vec<Vec<u8>> = picture.lines().map(|l| l.bytes().collect()).collect();
    println!("{} {}", fill(&mut grid, 0, 0, b'o'), fill(&mut grid, 3, 2, b'x'));
    for row in &grid { println!("{}", String::from_utf8_lossy(row)); }
}

//# memoization
//together a type is inferred from a later statement
use std::collections::HashMap;

fn collatz(n: u64, known: &mut HashMap<u64, u32>) -> u32 {
    if n == 1 { return 1; }
    if let Some(&k) = known.get(&n) { return k; }
    let length = 1 + collatz(if n % 2 == 0 { n / 2 } else { 3 * n + 1 }, known);
    known.insert(n, length);
    length
}
fn ways(n: usize, coins: &[usize]) -> u64 { let mut t = vec![0; n + 1]; t[0] = 1; for &c in coins { for i in c..=n { t[i] += t[i - c]; } } t[n] }

fn main() {
    let mut known = HashMap::new();
    let best = (1..1000u64).max_by_key(|&n| collatz(n, &mut known)).unwrap();
    println!("{best} {} {}", collatz(best, &mut known), known.len() > 1000);
    println!("{}", ways(100, &[1, 5, 10, 25, 50]));
}

//# a maze by shortest path
//together a borrow crosses statements
use std::collections::{BinaryHeap, HashMap};
use std::cmp::Reverse;

fn main() {
    let maze = ["S.#.....", ".##.###.", "....#...", "##.#.##.", "...#...E"];
    let grid: Vec<Vec<char>> = maze.iter().map(|r| r.chars().collect()).collect();
    let find = |c: char| grid.iter().enumerate().find_map(|(y, r)| r.iter().position(|&k| k == c).map(|x| (x, y))).unwrap();
    let (start, end) = (find('S'), find('E'));
    let mut heap = BinaryHeap::from([Reverse((0u32, start))]);
    let mut from = HashMap::from([(start, start)]);
    while let Some(Reverse((d, (x, y)))) = heap.pop() {
        if (x, y) == end { println!("{d} steps"); break; }
        for (dx, dy) in [(1, 0), (0, 1), (-1, 0), (0, -1)] {
            let (Some(nx), Some(ny)) = (x.checked_add_signed(dx), y.checked_add_signed(dy)) else { continue };
            if grid.get(ny).and_then(|r| r.get(nx)).is_some_and(|&c| c != '#') && !from.contains_key(&(nx, ny)) {
                from.insert((nx, ny), (x, y));
                heap.push(Reverse((d + 1, (nx, ny))));
            }
        }
    }
    let path: Vec<_> = std::iter::successors(Some(end), |p| (*p != start).then(|| from[p])).collect();
    println!("{} {:?}", path.len(), path.last());
}
