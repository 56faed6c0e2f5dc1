//# vectors
fn main() {
    let mut v = vec![5, 3, 8];
    v.push(1);
    v.insert(1, 9);
    v.extend([7, 7]);
    println!("{v:?} {:?} {:?}", v.first(), v.get(100));
    println!("{} {:?}", v.remove(0), v.pop());
    v.swap(0, 2);
    println!("{} {v:?}", v.swap_remove(1));
    v.sort();
    println!("{:?} {:?} {v:?}", v.binary_search(&7), v.binary_search(&2));
    v.resize(6, 0);
    v.rotate_right(2);
    println!("{v:?} {:?}", v.split_off(4));
    v.truncate(2);
    v.splice(0..1, [100, 200]);
    println!("{v:?} {}", v.contains(&200));
}

//# slices
//together a borrow crosses statements
fn main() {
    let v = [3, 1, 4, 1, 5, 9, 2, 6];
    let (a, b) = v.split_at(4);
    println!("{a:?} {b:?} {:?} {:?}", v.split_first(), v.split_last().map(|(l, _)| l));
    println!("{} {} {:?}", v.starts_with(&[3, 1]), v.contains(&9), v.iter().rev().take(2).collect::<Vec<_>>());
    let mut w = v;
    w.sort_unstable_by(|a, b| b.cmp(a));
    println!("{w:?}");
    w[2..6].reverse();
    w[..2].fill(0);
    println!("{w:?} {:?}", w.concat_check());
    let (small, pivot, large) = w.select_nth_unstable(4);
    println!("{} {pivot} {}", small.len(), large.len());
    println!("{:?} {:?}", [[1, 2], [3, 4]].concat(), ["a", "b"].join("+"));
    println!("{:?}", v.partition_point(|x| *x > 2));
    println!("{:?}", v.iter().copied().map(i64::from).sum::<i64>());
    w.copy_from_slice(&v);
    w.copy_within(0..2, 6);
    println!("{w:?}");
}
trait Check { fn concat_check(&self) -> bool; }
impl Check for [i32; 8] { fn concat_check(&self) -> bool { [&self[..4], &self[4..]].concat() == self.to_vec() } }

//# a deque
use std::collections::VecDeque;

fn main() {
    let mut d: VecDeque<i32> = (1..=5).collect();
    d.push_front(0);
    d.rotate_left(2);
    println!("{d:?} {:?} {:?}", d.front(), d.back());
    println!("{:?} {:?}", d.pop_front(), d.pop_back());
    d.extend([7, 8]);
    d.make_contiguous().sort_by(|a, b| b.cmp(a));
    println!("{:?} {}", d.as_slices().0, d.iter().rev().map(|x| x.to_string()).collect::<String>());
    println!("{:?} {:?}", d.range(1..3).collect::<Vec<_>>(), d.iter().position(|x| *x == 3));
    d.retain(|x| x % 2 == 0);
    let v: Vec<i32> = d.into();
    println!("{v:?}");
}

//# a hash map
use std::collections::hash_map::{Entry, HashMap};

fn main() {
    let mut map: HashMap<String, Vec<u32>> = HashMap::new();
    map.entry("a".into()).or_default().push(1);
    map.entry("a".to_string()).and_modify(|v| v.push(2)).or_insert_with(Vec::new);
    match map.entry("b".into()) { Entry::Vacant(v) => { v.insert(vec![9]); } Entry::Occupied(_) => unreachable!() }
    if let Entry::Occupied(mut o) = map.entry("b".into()) { o.get_mut().push(10); println!("{} {:?}", o.key(), o.get()); }
    println!("{:?} {}", map.get("a"), map.contains_key("b"));
    println!("{:?}", map.remove("zzz"));
    let mut keys: Vec<_> = map.keys().cloned().collect();
    keys.sort();
    println!("{keys:?} {}", map.values().flatten().sum::<u32>());
    for v in map.values_mut() { v.clear(); }
    map.retain(|k, _| k != "a");
    println!("{map:?} {:?}", map.insert("b".into(), vec![]));
    let inverted: HashMap<usize, String> = map.drain().map(|(k, v)| (v.len(), k)).collect();
    println!("{inverted:?} {}", map.is_empty());
}

//# a tree map
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

fn main() {
    let mut m: BTreeMap<i32, &str> = [(3, "c"), (1, "a"), (7, "g"), (5, "e")].into();
    println!("{m:?} {:?} {:?}", m.first_key_value(), m.last_key_value());
    println!("{:?}", m.range(2..6).collect::<Vec<_>>());
    println!("{:?}", m.range((Excluded(3), Included(7))).map(|(k, _)| *k).collect::<Vec<_>>());
    println!("{:?}", m.range((Unbounded, Excluded(5))).next_back());
    let upper = m.split_off(&5);
    println!("{m:?} {upper:?} {:?}", m.pop_first());
    m.append(&mut upper.clone());
    *m.get_mut(&7).unwrap() = "G";
    if let Some(mut e) = m.first_entry() { e.insert("first"); }
    for (k, v) in &mut m { if *k > 5 { *v = "big"; } }
    println!("{m:?} {}", m.iter().rev().map(|(k, v)| format!("{k}{v}")).collect::<String>());
}

//# sets
//together a type is inferred from a later statement
use std::collections::{BTreeSet, HashSet};

fn main() {
    let a: BTreeSet<i32> = (1..=6).collect();
    let b = BTreeSet::from([4, 5, 6, 7, 8]);
    println!("{:?} {:?}", a.intersection(&b).collect::<Vec<_>>(), a.difference(&b).collect::<Vec<_>>());
    println!("{:?} {:?}", &a ^ &b, &a | &b);
    println!("{} {}", a.is_subset(&b), BTreeSet::from([4]).is_subset(&(&a & &b)));
    let mut seen = HashSet::new();
    let duplicates: Vec<char> = "hello world".chars().filter(|c| !seen.insert(*c)).collect();
    println!("{duplicates:?} {}", seen.len());
    println!("{:?} {:?}", seen.take(&'h'), seen.get(&'h'));
    println!("{:?} {:?}", a.range(3..).next(), a.iter().next_back());
}

//# a heap and a linked list
use std::cmp::Reverse;
use std::collections::{BinaryHeap, LinkedList};

fn main() {
    let mut h = BinaryHeap::from(vec![2, 9, 4]);
    h.push(7);
    println!("{:?} {}", h.peek(), h.len());
    if let Some(mut top) = h.peek_mut() { *top = 1; }
    println!("{:?} {:?}", h.pop(), h.clone().into_sorted_vec());
    let smallest: Vec<i32> = { let mut m: BinaryHeap<_> = h.into_iter().map(Reverse).collect(); std::iter::from_fn(|| m.pop().map(|r| r.0)).collect() };
    println!("{smallest:?}");
    let mut l = LinkedList::from([1, 2, 3]);
    l.push_front(0);
    let mut tail = l.split_off(2);
    l.append(&mut LinkedList::from([9]));
    println!("{l:?} {tail:?} {:?} {:?}", tail.pop_back(), l.front());
}

//# arrays
//together a borrow crosses statements
fn main() {
    let a = [1, 2, 3];
    let b = a.map(|x| x * 10);
    println!("{b:?} {} {:?}", a == [1, 2, 3], a.iter().zip(b).map(|(x, y)| x * y).collect::<Vec<_>>());
    let grid = [[0u8; 3]; 2];
    println!("{grid:?} {}", grid.as_flattened().len());
    let squares: [usize; 4] = std::array::from_fn(|i| i * i);
    println!("{squares:?} {:?}", squares.first_chunk::<2>());
    let array: [i32; 2] = vec![7, 8].try_into().unwrap();
    let part: &[i32; 2] = a[1..].try_into().unwrap();
    println!("{array:?} {part:?} {}", <[i32; 3]>::try_from(&array[..]).is_err());
    let [x, y, z] = a;
    println!("{}", x + y * z);
    for (i, row) in grid.iter().enumerate() { print!("{i}:{} ", row.len()); }
    println!("{:?}", [String::from("m"), String::from("n")].into_iter().rev().collect::<Vec<_>>());
}

//# a map with a struct as key
//together a type is inferred from a later statement
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Pos { x: i32, y: i32 }
#[derive(Debug, Eq)]
struct Caseless(String);
impl PartialEq for Caseless { fn eq(&self, o: &Self) -> bool { self.0.eq_ignore_ascii_case(&o.0) } }
impl Hash for Caseless { fn hash<H: Hasher>(&self, h: &mut H) { self.0.to_ascii_lowercase().hash(h) } }

fn main() {
    let mut board: BTreeMap<Pos, char> = BTreeMap::new();
    board.insert(Pos { x: 1, y: 0 }, 'a');
    board.insert(Pos { x: 0, y: 5 }, 'b');
    println!("{board:?}");
    let near: Vec<char> = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| Pos { x: dx, y: dy })).filter_map(|p| board.get(&p).copied()).collect();
    println!("{near:?}");
    let mut names = HashMap::new();
    names.insert(Caseless("Ann".into()), 1);
    *names.entry(Caseless("ANN".into())).or_insert(0) += 5;
    println!("{} {:?}", names.len(), names.get(&Caseless("ann".into())));
}

//# inventory with nested maps
//together a borrow crosses statements
use std::collections::BTreeMap;

type Stock = BTreeMap<String, BTreeMap<String, u32>>;
fn add(stock: &mut Stock, shelf: &str, item: &str, n: u32) { *stock.entry(shelf.into()).or_default().entry(item.into()).or_insert(0) += n; }
fn take<'s>(stock: &'s mut Stock, shelf: &str, item: &str) -> Option<&'s mut u32> { stock.get_mut(shelf)?.get_mut(item).filter(|n| **n > 0) }

fn main() {
    let mut stock = Stock::new();
    for (shelf, item, n) in [("a", "nut", 3), ("b", "bolt", 1), ("a", "nut", 4), ("a", "gear", 2)] { add(&mut stock, shelf, item, n); }
    if let Some(n) = take(&mut stock, "a", "nut") { *n -= 1; }
    println!("{:?}", take(&mut stock, "c", "nut"));
    let totals: Vec<(&str, u32)> = stock.iter().map(|(s, items)| (s.as_str(), items.values().sum())).collect();
    println!("{totals:?}");
    stock.values_mut().for_each(|items| items.retain(|_, n| *n > 1));
    println!("{stock:?}");
}

//# an lru cache
//together a type is inferred from a later statement
use std::collections::{HashMap, VecDeque};

struct Lru<V> { capacity: usize, map: HashMap<String, V>, order: VecDeque<String> }
impl<V> Lru<V> {
    fn new(capacity: usize) -> Self { Lru { capacity, map: HashMap::new(), order: VecDeque::new() } }
    fn touch(&mut self, key: &str) { if let Some(i) = self.order.iter().position(|k| k == key) { let k = self.order.remove(i).unwrap(); self.order.push_back(k); } }
    fn get(&mut self, key: &str) -> Option<&V> { self.touch(key); self.map.get(key) }
    fn put(&mut self, key: &str, value: V) -> Option<String> {
        if self.map.insert(key.into(), value).is_some() { self.touch(key); return None; }
        self.order.push_back(key.into());
        (self.order.len() > self.capacity).then(|| { let old = self.order.pop_front().unwrap(); self.map.remove(&old); old })
    }
}

fn main() {
    let mut cache = Lru::new(2);
    cache.put("a", 1);
    cache.put("b", 2);
    println!("{:?}", cache.get("a"));
    println!("{:?}", cache.put("c", 3));
    println!("{:?} {:?} {:?}", cache.get("b").is_none(), cache.get("a").copied(), cache.order);
}

//# words counted and ranked
use std::collections::HashMap;

fn main() {
    let text = "It was the best of times, it was the worst of times";
    let mut counts: HashMap<String, u32> = HashMap::new();
    for word in text.split(|c: char| !c.is_alphabetic()).filter(|w| !w.is_empty()) {
        *counts.entry(word.to_lowercase()).or_insert(0) += 1;
    }
    let mut ranked: Vec<(String, u32)> = counts.into_iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    for (word, n) in ranked.iter().take(4) { println!("{n} {word}"); }
    let once = ranked.iter().filter(|(_, n)| *n == 1).count();
    println!("{once} once");
}
