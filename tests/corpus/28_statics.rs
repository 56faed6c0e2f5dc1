//# statics with interior mutability
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;

static NEXT: AtomicU32 = AtomicU32::new(1);
static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn id(name: &str) -> u32 { NAMES.lock().unwrap().push(name.to_string()); NEXT.fetch_add(1, Ordering::SeqCst) }

fn main() {
    let a = id("a");
    let b = id("b");
    println!("{a} {b}");
    println!("{} {:?}", NEXT.load(Ordering::SeqCst), NAMES.lock().unwrap());
}

//# a static inside of a function
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

fn calls() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    COUNT.fetch_add(1, Relaxed) + 1
}

fn main() {
    calls();
    calls();
    println!("{}", calls());
    let more: Vec<usize> = (0..3).map(|_| calls()).collect();
    println!("{more:?}");
}

//# constants of all kinds
const SECONDS: u32 = 60 * 60 * 24;
const NAMES: &[&str] = &["a", "b"];
const PAIR: (i32, f64) = (-1, 2.5);
const LOOKUP: [u8; 4] = { let mut t = [0; 4]; let mut i = 0; while i < 4 { t[i] = (i * i) as u8; i += 1; } t };
const F: fn(i32) -> i32 = double;
const EMPTY: Option<String> = None;
static TABLE: [[i32; 2]; 2] = [[1, 2], [3, 4]];
const _: () = assert!(SECONDS == 86_400);
const fn double(x: i32) -> i32 { x * 2 }

fn main() {
    println!("{SECONDS} {NAMES:?} {PAIR:?} {LOOKUP:?} {}", F(21));
    println!("{} {:?}", TABLE[1][0], EMPTY.unwrap_or_default());
    const LOCAL: usize = NAMES.len() + 1;
    let array = [LOCAL; LOCAL];
    println!("{array:?}");
}

//# a static that refers to others
static WORDS: [&str; 3] = ["x", "yy", "zzz"];
static FIRST: &&str = &WORDS[0];
static LENGTHS: [usize; 3] = [WORDS[0].len(), WORDS[1].len(), WORDS[2].len()];
struct Config { name: &'static str, limits: &'static [usize] }
static CONFIG: Config = Config { name: "main", limits: &LENGTHS };

fn longest() -> &'static str { WORDS.iter().max_by_key(|w| w.len()).unwrap() }

fn main() {
    println!("{FIRST} {} {:?}", CONFIG.name, CONFIG.limits);
    let word: &'static str = longest();
    println!("{word} {}", std::ptr::eq(CONFIG.limits, &LENGTHS[..]));
}

//# a registry filled at run time
use std::collections::BTreeMap;
use std::sync::{LazyLock, RwLock};

type Handler = fn(&str) -> String;
static REGISTRY: LazyLock<RwLock<BTreeMap<String, Handler>>> = LazyLock::new(Default::default);

fn register(name: &str, h: Handler) { REGISTRY.write().unwrap().insert(name.to_string(), h); }
fn call(name: &str, arg: &str) -> Option<String> { REGISTRY.read().unwrap().get(name).map(|h| h(arg)) }

fn main() {
    register("upper", |s| s.to_uppercase());
    register("twice", |s| s.repeat(2));
    println!("{:?} {:?} {:?}", call("upper", "x"), call("twice", "ab"), call("none", ""));
    println!("{:?}", REGISTRY.read().unwrap().keys().collect::<Vec<_>>());
}

//# leaked values live for ever
fn intern(text: &str) -> &'static str { Box::leak(text.to_owned().into_boxed_str()) }

fn main() {
    let a: &'static str = { let local = format!("{}-{}", "made", 1); intern(&local) };
    let list: &'static mut Vec<i32> = Box::leak(Box::new(vec![1]));
    list.push(2);
    println!("{a} {list:?}");
    let handle = std::thread::spawn(move || a.len());
    println!("{}", handle.join().unwrap());
}
