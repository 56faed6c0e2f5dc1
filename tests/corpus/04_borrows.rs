//# a slice held in a variable
//together a borrow crosses statements
fn main() {
    let a = [1, 2, 3, 4, 5];
    let s = &a[1..];
    println!("{s:?}");
    let (left, right) = s.split_at(2);
    println!("{left:?} {right:?} {}", a.len());
}

//# rows of words from a text
//together a borrow crosses statements
fn main() {
    let csv = String::from("a,1\nb,2\nc,3");
    let rows: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    println!("{rows:?}");
    let total: i32 = rows.iter().map(|r| r[1].parse::<i32>().unwrap()).sum();
    println!("{total} of {}", csv.len());
}

//# an iterator held in a variable
//together a borrow crosses statements
fn main() {
    let v = vec![10, 20, 30, 40];
    let mut it = v.iter();
    println!("{:?}", it.next());
    let second = it.next();
    println!("{second:?}");
    let rest: Vec<_> = it.collect();
    println!("{rest:?} {}", v.len());
}

//# a mutable borrow, then the owner again
//together a borrow crosses statements
fn main() {
    let mut v = vec![1, 2, 3];
    let last = v.last_mut().unwrap();
    *last = 30;
    println!("{v:?}");
    let first = &mut v[0];
    *first += 9;
    v.push(4);
    println!("{v:?}");
}

//# a guard held in a variable
//together a borrow crosses statements
use std::sync::Mutex;

fn main() {
    let m = Mutex::new(vec![1]);
    let mut g = m.lock().unwrap();
    g.push(2);
    g.push(3);
    println!("{:?}", *g);
    drop(g);
    println!("{}", m.lock().unwrap().len());
    let taken = m.try_lock().is_ok();
    println!("{taken}");
}

//# two halves of one vector
//together a borrow crosses statements
fn main() {
    let mut v = vec![1, 2, 3, 4, 5, 6];
    let (a, b) = v.split_at_mut(3);
    a[0] = 10;
    b[0] = 40;
    std::mem::swap(&mut a[1], &mut b[1]);
    println!("{a:?} {b:?}");
    println!("{v:?}");
}

//# a struct that holds a local's text
//together a borrow crosses statements
struct Excerpt<'a> { part: &'a str, line: usize }

impl<'a> Excerpt<'a> {
    fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> { self.part.split_whitespace() }
}

fn main() {
    let novel = String::from("Call me Ishmael. Some years ago...");
    let first = novel.split('.').next().unwrap();
    let e = Excerpt { part: first, line: 1 };
    let words: Vec<&str> = e.words().collect();
    println!("{words:?} line {}", e.line);
    println!("{}", novel.len());
}

//# a reference to a temporary lives as long as the block
//together a borrow crosses statements
fn main() {
    let s: &String = &String::from("extended");
    let n = &mut (1 + 2);
    *n += 10;
    println!("{s} {n}");
    let list: &[i32] = &[*n, 2, 3];
    println!("{list:?}");
    let pair = (&vec![1, 2], &mut 5);
    *pair.1 += pair.0.len();
    println!("{pair:?}");
}

//# the longest of two
//together a borrow crosses statements
fn longest<'a>(a: &'a str, b: &'a str) -> &'a str { if a.len() >= b.len() { a } else { b } }

fn main() {
    let a = String::from("a long text");
    let b = "short".to_string();
    let l = longest(&a, &b);
    println!("{l}");
    let upper = l.to_uppercase();
    let again = longest(&upper, l);
    println!("{again}");
}

//# the entry api with a held reference
//together a borrow crosses statements
use std::collections::HashMap;

fn main() {
    let text = "one two one three two one";
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in text.split(' ') {
        *counts.entry(word).or_insert(0) += 1;
    }
    let mut sorted: Vec<(&&str, &usize)> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    println!("{sorted:?}");
    let one = counts.get_mut("one").unwrap();
    *one += 100;
    println!("{}", counts["one"]);
    let new = counts.entry("four").or_default();
    *new += 4;
    println!("{}", counts["four"]);
}

//# a borrowed name is shadowed
//together a borrow crosses statements
fn main() {
    let text = String::from("  padded text ");
    let text = text.trim();
    let text = text.split(' ').collect::<Vec<_>>();
    println!("{text:?}");
    let v = vec![1, 2, 3];
    let v = &v[1..];
    let v: Vec<String> = v.iter().map(|x| x.to_string()).collect();
    println!("{}", v.join("-"));
}

//# a match on a reference to a local
//together a borrow crosses statements
enum Item { Text(String), Number(i64) }

fn main() {
    let items = vec![Item::Text("abc".into()), Item::Number(5)];
    let x = &items[0];
    let length = match &x {
        Item::Text(t) => t.len() as i64,
        Item::Number(n) => *n,
    };
    println!("{length}");
    let text = if let Item::Text(t) = x { t.as_str() } else { "" };
    println!("{text}");
    for item in &items {
        match item {
            Item::Text(t) => println!("text {t}"),
            Item::Number(n) => println!("number {n}"),
        }
    }
}

//# a peekable parser over characters
//together a borrow crosses statements
fn main() {
    let text = String::from("12+34*5");
    let mut chars = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(&c) = chars.peek() {
        if c.is_ascii_digit() {
            let mut n = 0;
            while let Some(d) = chars.peek().and_then(|c| c.to_digit(10)) {
                n = n * 10 + d;
                chars.next();
            }
            tokens.push(n.to_string());
        } else {
            tokens.push(c.to_string());
            chars.next();
        }
    }
    println!("{tokens:?}");
}

//# windows and chunks held in variables
//together a borrow crosses statements
fn main() {
    let data = [1, 4, 9, 16, 25, 36];
    let windows = data.windows(2);
    let differences: Vec<i32> = windows.map(|w| w[1] - w[0]).collect();
    println!("{differences:?}");
    let mut chunks = data.chunks(4);
    let a = chunks.next().unwrap();
    let b = chunks.next().unwrap();
    println!("{a:?} {b:?} {:?}", chunks.next());
}

//# zip of two borrowed vectors
//together a borrow crosses statements
fn main() {
    let names = vec!["x".to_string(), "y".to_string(), "z".to_string()];
    let values = vec![1.5, 2.5, 3.5];
    let pairs: Vec<(&String, &f64)> = names.iter().zip(&values).collect();
    let best = pairs.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    println!("{best:?}");
    let lookup = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| **v);
    println!("{:?} {:?}", lookup("y"), lookup("q"));
    println!("{}", names.len() + values.len());
}

//# scoped threads with borrowed locals
//together a borrow crosses statements
use std::thread;

fn main() {
    let numbers = vec![1, 2, 3, 4, 5, 6];
    let (left, right) = numbers.split_at(3);
    let (a, b) = thread::scope(|s| {
        let a = s.spawn(|| left.iter().sum::<i32>());
        let b = s.spawn(|| right.iter().product::<i32>());
        (a.join().unwrap(), b.join().unwrap())
    });
    println!("{a} {b} {}", numbers.len());
}

//# a borrowed or owned text
//together a borrow crosses statements
use std::borrow::Cow;

fn escape(text: &str) -> Cow<'_, str> {
    if text.contains('<') { Cow::Owned(text.replace('<', "&lt;")) } else { Cow::Borrowed(text) }
}

fn main() {
    let input = String::from("a < b");
    let plain = String::from("a b");
    let x = escape(&input);
    let y = escape(&plain);
    println!("{x} {y}");
    println!("{} {}", matches!(x, Cow::Owned(_)), matches!(y, Cow::Borrowed(_)));
    let mut z = y.clone();
    z.to_mut().push('!');
    println!("{z} {}", y.into_owned());
}

//# a mutable reference passed on
//together a borrow crosses statements
fn push_twice(list: &mut Vec<i32>, x: i32) { list.push(x); list.push(x); }
fn outer(list: &mut Vec<i32>) { push_twice(list, 1); push_twice(&mut *list, 2); list.push(3); }

fn main() {
    let mut data = Vec::new();
    let r = &mut data;
    outer(r);
    r.push(4);
    push_twice(r, 5);
    println!("{r:?}");
    data.dedup();
    println!("{data:?}");
}

//# references to several fields at once
//together a borrow crosses statements
#[derive(Debug)]
struct Player { name: String, score: u32, items: Vec<String> }

fn main() {
    let mut p = Player { name: "ann".into(), score: 1, items: vec!["key".into()] };
    let name = &p.name;
    let score = &mut p.score;
    let items = &mut p.items;
    *score += name.len() as u32;
    items.push(format!("badge of {name}"));
    println!("{p:?}");
    let Player { name, items, .. } = &mut p;
    name.push('a');
    items.clear();
    println!("{} {} {}", p.name, p.score, p.items.len());
}

//# references in a vector
//together a borrow crosses statements
fn main() {
    let a = String::from("a");
    let b = String::from("bb");
    let c = String::from("ccc");
    let all = vec![&a, &b, &c];
    let long: Vec<&&String> = all.iter().filter(|s| s.len() > 1).collect();
    println!("{long:?}");
    let mut x = 1;
    let mut y = 2;
    let both = [&mut x, &mut y];
    for r in both { *r *= 10; }
    println!("{x} {y}");
}

//# a linked chain of references
//together a borrow crosses statements
struct Scope<'p> { parent: Option<&'p Scope<'p>>, name: &'p str, value: i32 }

impl<'p> Scope<'p> {
    fn get(&self, name: &str) -> Option<i32> {
        if self.name == name { Some(self.value) } else { self.parent?.get(name) }
    }
}

fn main() {
    let root = Scope { parent: None, name: "x", value: 1 };
    let child = Scope { parent: Some(&root), name: "y", value: 2 };
    let leaf = Scope { parent: Some(&child), name: "z", value: 3 };
    println!("{:?} {:?} {:?}", leaf.get("x"), leaf.get("z"), child.get("z"));
}

//# string slices by position
//together a borrow crosses statements
fn main() {
    let s = String::from("hello world");
    let space = s.find(' ').unwrap();
    let hello = &s[..space];
    let world = &s[space + 1..];
    println!("{hello}|{world}");
    let bytes = s.as_bytes();
    println!("{} {}", bytes[0], bytes.len());
    let first_word = first(&s);
    println!("{first_word}");
}

fn first(s: &str) -> &str { s.split(' ').next().unwrap_or("") }

//# a drain keeps its vector borrowed
//together a borrow crosses statements
fn main() {
    let mut queue = vec![1, 2, 3, 4, 5];
    let mut drain = queue.drain(1..4);
    println!("{:?}", drain.next());
    println!("{:?}", drain.next_back());
    drop(drain);
    println!("{queue:?}");
    let evens: Vec<i32> = queue.extract_if(.., |x| *x % 2 == 1).collect();
    println!("{evens:?} {queue:?}");
}

//# groups of borrowed words
//together a borrow crosses statements
use std::collections::BTreeMap;

fn main() {
    let text = "apple avocado banana blueberry cherry".to_string();
    let words: Vec<&str> = text.split(' ').collect();
    let mut groups: BTreeMap<char, Vec<&str>> = BTreeMap::new();
    for word in &words {
        groups.entry(word.chars().next().unwrap()).or_default().push(word);
    }
    for (letter, group) in &groups {
        println!("{letter}: {}", group.join(", "));
    }
    let largest = groups.values().max_by_key(|g| g.len()).unwrap();
    println!("{}", largest.len());
}

//# an iterator adaptor over a local, step by step
//together a borrow crosses statements
fn main() {
    let words = vec!["a", "bb", "ccc", "dddd"];
    let lengths = words.iter().map(|w| w.len());
    let odd = lengths.filter(|n| n % 2 == 1);
    let mut odd = odd.peekable();
    println!("{:?}", odd.peek());
    let sum: usize = odd.sum();
    println!("{sum}");
    let mut by_ref = words.iter();
    let two: Vec<_> = by_ref.by_ref().take(2).collect();
    let rest: Vec<_> = by_ref.collect();
    println!("{two:?} {rest:?}");
}

//# a matrix and its rows
//together a borrow crosses statements
fn main() {
    let mut m = vec![vec![1, 2], vec![3, 4], vec![5, 6]];
    let row = &m[1];
    let total: i32 = row.iter().sum();
    println!("{total}");
    let row = &mut m[2];
    row.iter_mut().for_each(|x| *x *= 2);
    println!("{row:?}");
    let (top, bottom) = m.split_at_mut(1);
    top[0].swap_with_slice(&mut bottom[0]);
    println!("{m:?}");
    let column: Vec<&i32> = m.iter().map(|r| &r[0]).collect();
    println!("{column:?}");
}

//# a cell's borrow held in a variable
//together a borrow crosses statements
use std::cell::RefCell;

fn main() {
    let cell = RefCell::new(vec![1, 2, 3]);
    let a = cell.borrow();
    let b = cell.borrow();
    println!("{} {} {}", a.len(), b[0], cell.try_borrow_mut().is_err());
    drop(a);
    drop(b);
    let mut w = cell.borrow_mut();
    w.push(4);
    println!("{}", cell.try_borrow().is_err());
    drop(w);
    println!("{cell:?}");
}

//# options of references
//together a borrow crosses statements
fn main() {
    let name: Option<String> = Some("ann".to_string());
    let r: Option<&str> = name.as_deref();
    println!("{:?} {}", r, r.map_or(0, str::len));
    let mut slot = Some(3);
    if let Some(x) = slot.as_mut() { *x += 1; }
    let taken = slot.take();
    println!("{taken:?} {slot:?}");
    let filled = slot.get_or_insert(9);
    *filled += 1;
    println!("{slot:?} {name:?}");
}

//# a reborrow inside of a loop
//together a borrow crosses statements
fn main() {
    let mut grid = vec![vec!['.'; 4]; 3];
    let cells = &mut grid;
    for (y, row) in cells.iter_mut().enumerate() {
        for (x, cell) in row.iter_mut().enumerate() {
            if (x + y) % 2 == 0 { *cell = '#'; }
        }
    }
    cells[0][1] = '@';
    let text: Vec<String> = grid.iter().map(|r| r.iter().collect()).collect();
    println!("{}", text.join("\n"));
}

//# a view made of borrowed parts
//together a borrow crosses statements
#[derive(Debug, Clone, Copy)]
struct View<'a, T> { data: &'a [T], width: usize }

impl<'a, T> View<'a, T> {
    fn row(self, y: usize) -> &'a [T] { &self.data[y * self.width..][..self.width] }
    fn rows(self) -> impl Iterator<Item = &'a [T]> { self.data.chunks(self.width) }
}

fn main() {
    let data: Vec<i32> = (1..=6).collect();
    let view = View { data: &data, width: 3 };
    let second = view.row(1);
    println!("{second:?}");
    let sums: Vec<i32> = view.rows().map(|r| r.iter().sum()).collect();
    println!("{sums:?}");
}

//# the head of a list through a cursor
//together a borrow crosses statements
struct Node { value: i32, next: Option<Box<Node>> }

fn main() {
    let mut head = Node { value: 1, next: Some(Box::new(Node { value: 2, next: None })) };
    let mut cursor = &mut head;
    while let Some(ref mut next) = cursor.next {
        cursor = next;
    }
    cursor.next = Some(Box::new(Node { value: 3, next: None }));
    let mut at = Some(&head);
    let mut values = Vec::new();
    while let Some(node) = at {
        values.push(node.value);
        at = node.next.as_deref();
    }
    println!("{values:?}");
}

//# lines of a text with numbers
//together a borrow crosses statements
fn main() {
    let poem = "roses are red
violets are blue

sugar is sweet";
    let lines: Vec<(usize, &str)> = poem.lines().enumerate().filter(|(_, l)| !l.is_empty()).collect();
    for (n, line) in &lines {
        println!("{:>2} {line}", n + 1);
    }
    let query = "are";
    let hits: Vec<_> = lines.iter().filter(|(_, l)| l.contains(query)).map(|(n, _)| n).collect();
    println!("{hits:?}");
}

//# a reference to an element and a later copy
//together a borrow crosses statements
fn main() {
    let table = [[1.0, 2.0], [3.0, 4.0]];
    let row = &table[1];
    let x = row[0];
    let y = &row[1];
    println!("{} {}", x, *y);
    let point = (3, 4);
    let px = &point.0;
    let r = &px;
    println!("{}", **r + point.1);
}

//# bytes parsed by a cursor of slices
//together a borrow crosses statements
fn take<'a>(input: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (head, tail) = input.split_at(n);
    *input = tail;
    head
}

fn main() {
    let packet = vec![0x02, 0x00, b'h', b'i', 0xff];
    let mut rest = &packet[..];
    let length = u16::from_le_bytes(take(&mut rest, 2).try_into().unwrap());
    let body = take(&mut rest, length as usize);
    println!("{length} {:?} {rest:?}", std::str::from_utf8(body));
}

//# a two-phase borrow
//together a type is inferred from a later statement
fn main() {
    let mut v = vec![1, 2, 3];
    v.push(v.len());
    let n = v.len();
    v[n - 1] += v[0];
    v.extend_from_within(..2);
    println!("{v:?}");
    let mut s = String::from("ab");
    s.insert(s.len() / 2, '-');
    s.push_str(&s.clone());
    println!("{s}");
}

//# an index of words that borrows its text
//together a borrow crosses statements
use std::collections::BTreeMap;

struct Index<'t> { places: BTreeMap<&'t str, Vec<usize>> }

impl<'t> Index<'t> {
    fn new(text: &'t str) -> Self {
        let mut places: BTreeMap<&'t str, Vec<usize>> = BTreeMap::new();
        for (i, w) in text.split_whitespace().enumerate() { places.entry(w).or_default().push(i); }
        Index { places }
    }
    fn find(&self, word: &str) -> &[usize] { self.places.get(word).map_or(&[], |p| p) }
}

fn main() {
    let text = String::from("to be or not to be");
    let index = Index::new(&text);
    let to = index.find("to");
    println!("{to:?} {:?} {:?}", index.find("or"), index.find("nothing"));
    for (word, places) in &index.places { print!("{word}={} ", places.len()); }
    println!();
}

//# comparing through references
//together a borrow crosses statements
fn main() {
    let a = vec![1, 2, 3];
    let b = vec![1, 2, 4];
    let (ra, rb) = (&a, &b);
    println!("{} {} {:?}", ra < rb, ra == rb, ra.cmp(rb));
    let max = ra.max(rb);
    println!("{max:?}");
    let smallest = [ra, rb].into_iter().min_by_key(|v| v.iter().sum::<i32>()).unwrap();
    println!("{smallest:?} {}", std::ptr::eq(smallest, &a));
}

//# a visitor with a mutable accumulator
//together a borrow crosses statements
enum Tree { Leaf(i32), Branch(Vec<Tree>) }

fn visit(tree: &Tree, depth: usize, f: &mut dyn FnMut(usize, i32)) {
    match tree {
        Tree::Leaf(n) => f(depth, *n),
        Tree::Branch(list) => for t in list { visit(t, depth + 1, f) },
    }
}

fn main() {
    let tree = Tree::Branch(vec![Tree::Leaf(1), Tree::Branch(vec![Tree::Leaf(2), Tree::Leaf(3)])]);
    let mut deepest = 0;
    let mut sum = 0;
    let mut f = |depth: usize, n: i32| { deepest = deepest.max(depth); sum += n; };
    visit(&tree, 0, &mut f);
    println!("{deepest} {sum}");
}

//# a formatter's arguments borrow locals
//together a borrow crosses statements
fn main() {
    let name = String::from("disk");
    let used = 71.25;
    let line = format!("{name:>8}: {used:06.2}%");
    println!("{line}");
    let width = line.len();
    let rule = "-".repeat(width);
    let rule = &rule;
    println!("{rule}");
    let show = |label: &str| println!("{label}={used:.0} on {name}");
    show("used");
    show("again");
}

//# the second largest, by reference
//together a borrow crosses statements
fn main() {
    let scores = vec![("ann", 70), ("bob", 95), ("cy", 88)];
    let mut sorted: Vec<&(&str, i32)> = scores.iter().collect();
    sorted.sort_by_key(|s| -s.1);
    let second = sorted[1];
    let (name, score) = second;
    println!("{name} {score}");
    let above: Vec<&str> = scores.iter().filter(|s| s.1 > *score).map(|s| s.0).collect();
    println!("{above:?} {}", scores.len());
}

//# a struct that borrows mutably
//together a borrow crosses statements
struct Writer<'a> { out: &'a mut String, depth: usize }

impl Writer<'_> {
    fn line(&mut self, text: &str) -> &mut Self {
        self.out.push_str(&"  ".repeat(self.depth));
        self.out.push_str(text);
        self.out.push('\n');
        self
    }
    fn nested(&mut self, f: impl FnOnce(&mut Writer)) -> &mut Self {
        f(&mut Writer { out: self.out, depth: self.depth + 1 });
        self
    }
}

fn main() {
    let mut text = String::new();
    let mut w = Writer { out: &mut text, depth: 0 };
    w.line("a").nested(|w| { w.line("b").nested(|w| { w.line("c"); }); }).line("d");
    print!("{text}");
}
