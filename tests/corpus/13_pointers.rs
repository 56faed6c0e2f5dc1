//# Box for recursion and for trait objects
//together a type is inferred from a later statement
#[derive(Debug, Clone)]
enum Tree { Leaf, Node(Box<Tree>, i32, Box<Tree>) }
impl Tree {
    fn insert(self, x: i32) -> Tree {
        match self {
            Tree::Leaf => Tree::Node(Box::new(Tree::Leaf), x, Box::new(Tree::Leaf)),
            Tree::Node(l, v, r) if x < v => Tree::Node(Box::new(l.insert(x)), v, r),
            Tree::Node(l, v, r) => Tree::Node(l, v, Box::new(r.insert(x))),
        }
    }
    fn walk(&self, f: &mut impl FnMut(i32)) { if let Tree::Node(l, v, r) = self { l.walk(f); f(*v); r.walk(f); } }
    fn depth(&self) -> usize { match self { Tree::Leaf => 0, Tree::Node(l, _, r) => 1 + l.depth().max(r.depth()) } }
}

fn main() {
    let tree = [5, 2, 8, 1, 9, 3].into_iter().fold(Tree::Leaf, Tree::insert);
    let mut list = vec![];
    tree.walk(&mut |v| list.push(v));
    println!("{list:?} {}", tree.depth());
    let boxed: Box<[i32]> = list.into_boxed_slice();
    println!("{}", boxed.len());
}

//# Rc and RefCell graph
use std::cell::RefCell;
use std::rc::{Rc, Weak};

#[derive(Debug)]
struct Node { name: String, parent: RefCell<Weak<Node>>, children: RefCell<Vec<Rc<Node>>> }
fn node(name: &str) -> Rc<Node> { Rc::new(Node { name: name.into(), parent: RefCell::default(), children: RefCell::new(vec![]) }) }
fn adopt(parent: &Rc<Node>, child: Rc<Node>) {
    *child.parent.borrow_mut() = Rc::downgrade(parent);
    parent.children.borrow_mut().push(child);
}
fn path(n: &Rc<Node>) -> String { match n.parent.borrow().upgrade() { Some(p) => format!("{}/{}", path(&p), n.name), None => n.name.clone() } }

fn main() {
    let root = node("root");
    let leaf = node("leaf");
    adopt(&root, leaf.clone());
    adopt(&leaf, node("deep"));
    let deep = leaf.children.borrow()[0].clone();
    println!("{}", path(&deep));
    println!("{} {}", Rc::strong_count(&leaf), Rc::weak_count(&leaf));
    drop(root);
    println!("{}", path(&deep));
}

//# RefCell rules at run time
//together a borrow crosses statements
use std::cell::{Cell, RefCell};

fn main() {
    let list = RefCell::new(vec![1]);
    list.borrow_mut().push(2);
    {
        let reader = list.borrow();
        println!("{:?} {}", reader, list.try_borrow_mut().is_err());
    }
    let old = list.replace(vec![9]);
    println!("{old:?} {:?}", list.take());
    let c = Cell::new(5);
    c.set(c.get() + 1);
    println!("{} {} {}", c.replace(10), c.get(), c.take());
    let n = RefCell::new((1, "x"));
    let first = std::cell::Ref::map(n.borrow(), |t| &t.0);
    println!("{}", *first);
}

//# Rc make_mut, try_unwrap and pointer equality
use std::rc::Rc;

fn main() {
    let mut a = Rc::new(vec![1, 2]);
    let b = a.clone();
    Rc::make_mut(&mut a).push(3);
    println!("{a:?} {b:?} {}", Rc::ptr_eq(&a, &b));
    println!("{:?}", Rc::get_mut(&mut a).map(|v| v.len()));
    let c = b.clone();
    println!("{}", Rc::try_unwrap(b).is_err());
    println!("{:?}", Rc::try_unwrap(c));
    let text: Rc<str> = "shared".into();
    let slice: Rc<[u8]> = Rc::from(vec![1, 2, 3]);
    println!("{} {}", &text[1..], slice.len());
}

//# observers through weak references
use std::cell::RefCell;
use std::rc::{Rc, Weak};

trait Observer { fn notify(&self, event: &str); }
struct Logger { prefix: &'static str, lines: RefCell<Vec<String>> }
impl Observer for Logger { fn notify(&self, e: &str) { self.lines.borrow_mut().push(format!("{}{e}", self.prefix)); } }
#[derive(Default)]
struct Subject { observers: RefCell<Vec<Weak<dyn Observer>>> }
impl Subject {
    fn attach(&self, o: &Rc<dyn Observer>) { self.observers.borrow_mut().push(Rc::downgrade(o)); }
    fn emit(&self, e: &str) -> usize {
        self.observers.borrow_mut().retain(|o| o.upgrade().is_some());
        self.observers.borrow().iter().filter_map(Weak::upgrade).map(|o| o.notify(e)).count()
    }
}

fn main() {
    let subject = Subject::default();
    let a = Rc::new(Logger { prefix: "a:", lines: RefCell::default() });
    let a_dyn: Rc<dyn Observer> = a.clone();
    subject.attach(&a_dyn);
    {
        let b: Rc<dyn Observer> = Rc::new(Logger { prefix: "b:", lines: RefCell::default() });
        subject.attach(&b);
        println!("{}", subject.emit("one"));
    }
    println!("{}", subject.emit("two"));
    println!("{:?}", a.lines.borrow());
}

//# a doubly linked deque
use std::cell::RefCell;
use std::rc::Rc;
type Link = Option<Rc<RefCell<Node>>>;
struct Node { value: i32, next: Link, prev: Link }
#[derive(Default)]
struct Deque { head: Link, tail: Link }
impl Deque {
    fn push_back(&mut self, value: i32) {
        let new = Rc::new(RefCell::new(Node { value, next: None, prev: self.tail.clone() }));
        match self.tail.replace(new.clone()) { Some(old) => old.borrow_mut().next = Some(new), None => self.head = Some(new) }
    }
    fn pop_front(&mut self) -> Option<i32> {
        self.head.take().map(|old| {
            match old.borrow_mut().next.take() { Some(next) => { next.borrow_mut().prev = None; self.head = Some(next); } None => { self.tail.take(); } }
            Rc::try_unwrap(old).ok().unwrap().into_inner().value
        })
    }
}

fn main() {
    let mut d = Deque::default();
    for i in 1..=3 { d.push_back(i * 11); }
    println!("{:?} {:?}", d.pop_front(), d.pop_front());
    d.push_back(99);
    println!("{:?} {:?} {:?}", d.pop_front(), d.pop_front(), d.pop_front());
}

//# OnceCell and LazyCell
//together a type has no name
use std::cell::{LazyCell, OnceCell};

struct Page { text: String, words: OnceCell<Vec<String>> }
impl Page { fn words(&self) -> &[String] { self.words.get_or_init(|| { println!("splitting"); self.text.split(' ').map(String::from).collect() }) } }

fn main() {
    let page = Page { text: "a b c".into(), words: OnceCell::new() };
    println!("{}", page.words.get().is_none());
    println!("{} {}", page.words().len(), page.words()[1]);
    let lazy = LazyCell::new(|| { println!("computing"); 6 * 7 });
    println!("before");
    println!("{} {}", *lazy, *lazy);
}

//# Cow in a struct
use std::borrow::Cow;

#[derive(Debug, Clone)]
struct Label<'a> { text: Cow<'a, str>, parts: Cow<'a, [u8]> }
impl<'a> Label<'a> {
    fn new(text: impl Into<Cow<'a, str>>) -> Self { Label { text: text.into(), parts: Cow::Borrowed(&[1, 2]) } }
    fn owned(self) -> Label<'static> { Label { text: Cow::Owned(self.text.into_owned()), parts: Cow::Owned(self.parts.into_owned()) } }
}

fn main() {
    let label = Label::new("static");
    let mut other = Label::new(String::from("heap"));
    other.parts.to_mut().push(3);
    other.text += "!";
    println!("{label:?} {other:?}");
    let kept = { let local = String::from("local"); Label::new(local.as_str()).owned() };
    println!("{} {}", kept.text, matches!(kept.text, Cow::Owned(_)));
}

//# Deref, AsRef and Borrow in signatures
use std::borrow::Borrow;
use std::collections::HashMap;
use std::ops::Deref;
use std::path::Path;

struct Wrapper(Vec<u8>);
impl Deref for Wrapper { type Target = [u8]; fn deref(&self) -> &[u8] { &self.0 } }
impl AsRef<[u8]> for Wrapper { fn as_ref(&self) -> &[u8] { &self.0 } }
fn total(x: impl AsRef<[u8]>) -> u32 { x.as_ref().iter().map(|&b| b as u32).sum() }
fn ext<P: AsRef<Path>>(p: P) -> Option<String> { p.as_ref().extension().map(|e| e.to_string_lossy().into_owned()) }
fn lookup<K: Borrow<str> + std::hash::Hash + Eq>(map: &HashMap<K, i32>, key: &str) -> i32 { map.get(key).copied().unwrap_or(-1) }

fn main() {
    let w = Wrapper(vec![1, 2, 3]);
    println!("{} {} {}", w.len(), w.first().unwrap(), total(&*w));
    println!("{} {} {}", total("AB"), total(vec![7]), total(w));
    println!("{:?} {:?}", ext("a/b.rs"), ext(String::from("none")));
    println!("{}", lookup(&HashMap::from([("k".to_string(), 4)]), "k"));
}

//# an arena with indices
#[derive(Debug)]
struct Arena<T> { slots: Vec<Option<T>>, free: Vec<usize> }
#[derive(Debug, Clone, Copy, PartialEq)]
struct Id(usize);
impl<T> Arena<T> {
    const fn new() -> Self { Arena { slots: Vec::new(), free: Vec::new() } }
    fn add(&mut self, x: T) -> Id {
        match self.free.pop() { Some(i) => { self.slots[i] = Some(x); Id(i) } None => { self.slots.push(Some(x)); Id(self.slots.len() - 1) } }
    }
    fn remove(&mut self, id: Id) -> Option<T> { let x = self.slots.get_mut(id.0)?.take(); if x.is_some() { self.free.push(id.0) } x }
}
impl<T> std::ops::Index<Id> for Arena<T> { type Output = T; fn index(&self, i: Id) -> &T { self.slots[i.0].as_ref().expect("a live slot") } }

fn main() {
    let mut arena: Arena<&str> = Arena::new();
    let a = arena.add("a");
    let b = arena.add("b");
    println!("{:?} {:?}", arena.remove(a), arena.remove(a));
    let c = arena.add("c");
    println!("{c:?} {} {}", arena[b], arena[c]);
}
