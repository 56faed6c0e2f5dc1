//# a macro with repetition
macro_rules! map {
    ($($k:expr => $v:expr),* $(,)?) => {{
        let mut m = std::collections::BTreeMap::new();
        $(m.insert($k, $v);)*
        m
    }};
}

fn main() {
    let m = map! { "one" => 1, "two" => 2, };
    println!("{m:?}");
    let empty: std::collections::BTreeMap<i32, i32> = map!();
    println!("{}", empty.len());
}

//# a recursive macro
macro_rules! max {
    ($x:expr) => { $x };
    ($x:expr, $($rest:expr),+) => {{ let a = $x; let b = max!($($rest),+); if a > b { a } else { b } }};
}
macro_rules! count { () => { 0usize }; ($head:tt $($tail:tt)*) => { 1usize + count!($($tail)*) }; }

fn main() {
    println!("{} {}", max!(3), max!(1, 9, 4));
    let n = count!(a b c d);
    println!("{n} {}", count!());
}

//# a macro that makes functions used below
macro_rules! getters {
    ($($name:ident: $t:ty = $value:expr;)*) => { $(fn $name() -> $t { $value })* };
}
getters! { width: u32 = 80; title: &'static str = "main"; ratio: f64 = 1.5; }

fn main() {
    println!("{} {} {}", width(), title(), ratio() * width() as f64);
}

//# a macro that makes a struct with methods
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($field:ident : $t:ty),* $(,)? }) => {
        $(#[$meta])* $vis struct $name { $($field: $t),* }
        impl $name {
            fn fields() -> &'static [&'static str] { &[$(stringify!($field)),*] }
            $(fn $field(&self) -> &$t { &self.$field })*
        }
    };
}
record! { #[derive(Debug, Clone)] pub struct User { name: String, age: u8 } }

fn main() {
    let user = User { name: "ann".into(), age: 30 };
    println!("{user:?} {:?}", User::fields());
    println!("{} {}", user.name(), user.age() + 1);
}

//# a macro that makes an enum with names
macro_rules! named_enum {
    ($name:ident { $($variant:ident = $text:literal),+ }) => {
        #[derive(Debug, Clone, Copy, PartialEq)]
        enum $name { $($variant),+ }
        impl $name {
            const ALL: &'static [$name] = &[$($name::$variant),+];
            fn as_str(self) -> &'static str { match self { $($name::$variant => $text),+ } }
        }
        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<Self, String> { match s { $($text => Ok($name::$variant),)+ other => Err(format!("no {} {other:?}", stringify!($name))) } }
        }
    };
}
named_enum!(Weekday { Mon = "monday", Tue = "tuesday" });

fn main() {
    for day in Weekday::ALL { println!("{day:?} {}", day.as_str()); }
    println!("{:?} {:?}", "tuesday".parse::<Weekday>(), "noday".parse::<Weekday>());
}

//# fragments of every kind
macro_rules! kinds {
    (expr $e:expr) => { println!("expr {}", $e) };
    (ident $i:ident) => { println!("ident {}", stringify!($i)) };
    (ty $t:ty) => { println!("ty {}", std::mem::size_of::<$t>()) };
    (pat $p:pat => $e:expr) => { println!("pat {}", matches!($e, $p)) };
    (block $b:block) => { println!("block {}", $b) };
    (stmt $s:stmt) => { $s };
    (lit $l:literal) => { println!("lit {}", $l) };
    (path $p:path) => { println!("path {:?}", $p::MAX) };
    (life $l:lifetime) => { $l: loop { println!("life"); break $l; } };
    (tt $($t:tt)*) => { println!("tt {}", [$(stringify!($t)),*].len()) };
}

fn main() {
    kinds!(expr 1 + 2);
    kinds!(ident foo);
    kinds!(ty (u8, u32));
    kinds!(pat Some(1 | 2) => Some(2));
    kinds!(block { let x = 4; x * x });
    kinds!(stmt let hidden = 5);
    kinds!(lit "text");
    kinds!(life 'a);
    kinds!(tt a + (b c) [d] {});
}

//# hygiene
macro_rules! swap { ($a:expr, $b:expr) => { let tmp = $a; $a = $b; $b = tmp; }; }
macro_rules! using { ($x:ident, $e:expr) => {{ let $x = 10; $e }}; }
macro_rules! define { ($name:ident, $value:expr) => { let $name = $value; }; }

fn main() {
    let tmp = 1;
    let mut x = 2;
    let mut y = 3;
    swap!(x, y);
    println!("{tmp} {x} {y}");
    println!("{}", using!(z, z * z));
    define!(made, 42);
    println!("{made}");
}

//# a macro defined inside of main
fn main() {
    macro_rules! square { ($x:expr) => { $x * $x }; }
    let side = 3;
    println!("{}", square!(side + 1));
    macro_rules! show { ($($x:ident),*) => { $(println!("{} = {}", stringify!($x), $x);)* }; }
    let area = square!(side);
    show!(side, area);
}

//# a macro that uses a local macro and a function
fn helper(x: i32) -> i32 { x + 100 }
macro_rules! inner { ($x:expr) => { helper($x) }; }
macro_rules! outer { ($($x:expr);+) => { vec![$(inner!($x)),+] }; }

fn main() {
    let v = outer!(1; 2; 3);
    println!("{v:?}");
}

//# macros for implementing a trait many times
trait Describe { fn describe() -> String; }
macro_rules! describe { ($($t:ty),* $(,)?) => { $(impl Describe for $t { fn describe() -> String { format!("{}:{}", stringify!($t), <$t>::BITS) } })* }; }
describe!(u8, i16, u32, i64, u128);

fn main() {
    println!("{} {} {} {} {}", u8::describe(), i16::describe(), u32::describe(), i64::describe(), u128::describe());
}

//# a small language in a macro
macro_rules! calc {
    (eval $e:expr) => { println!("{} = {}", stringify!($e), $e) };
    (eval $e:expr, $(eval $rest:expr),+) => {{ calc!(eval $e); calc!($(eval $rest),+) }};
}
macro_rules! html {
    ($tag:ident { $($inner:tt)* } $($rest:tt)*) => { format!("<{0}>{1}</{0}>{2}", stringify!($tag), html!($($inner)*), html!($($rest)*)) };
    ($text:literal $($rest:tt)*) => { format!("{}{}", $text, html!($($rest)*)) };
    () => { String::new() };
}

fn main() {
    calc!(eval 1 + 2, eval (3 * 4) - 5);
    println!("{}", html!(ul { li { "one" } li { "two" b { "!" } } }));
}

//# nested repetition
macro_rules! matrix { ($([$($x:expr),* $(,)?]),* $(,)?) => { vec![$(vec![$($x as f64),*]),*] }; }
macro_rules! table { ($($row:ident: $($cell:literal)|*);* $(;)?) => { vec![$((stringify!($row), vec![$($cell),*])),*] }; }

fn main() {
    let m = matrix!([1, 2], [3, 4.5]);
    println!("{m:?}");
    for (name, cells) in table! { a: 1 | 2 | 3; b: 4; } { println!("{name} {cells:?}"); }
}

//# a macro with internal rules
macro_rules! hash_set {
    (@unit $($x:tt)*) => { () };
    (@count $($x:expr),*) => { <[()]>::len(&[$(hash_set!(@unit $x)),*]) };
    ($($x:expr),* $(,)?) => {{ let mut s = std::collections::HashSet::with_capacity(hash_set!(@count $($x),*)); $(s.insert($x);)* s }};
}

fn main() {
    let s = hash_set!["a", "b", "a"];
    println!("{}", s.len());
    println!("{}", hash_set![1, 2, 3].contains(&2));
}

//# a macro that returns early
macro_rules! check { ($cond:expr, $($arg:tt)+) => { if !$cond { return Err(format!($($arg)+)); } }; }

fn validate(age: i32, name: &str) -> Result<String, String> {
    check!(age >= 0, "age {age} is negative");
    check!(!name.is_empty(), "name is empty ({} years)", age);
    Ok(format!("{name}:{age}"))
}

fn main() {
    println!("{:?}", validate(3, "x"));
    println!("{:?}", validate(-3, "x"));
    println!("{:?}", validate(3, ""));
}

//# builtin macros
//together a type has no name
fn main() {
    println!("{} {}", concat!("a", 1, 2.5, true), stringify!(a + b));
    assert!(1 < 2, "never");
    assert_eq!(vec![1, 2], [1, 2]);
    assert_ne!(1, 2);
    debug_assert!(true);
    let v = vec![0u8; 3];
    println!("{v:?} {}", format_args!("{}-{}", 1, 2));
    println!("{}", cfg!(target_pointer_width = "64"));
    println!("{}", option_env!("SURELY_NOT_SET_BY_ANYONE").is_none());
    let r = std::panic::catch_unwind(|| { unreachable!("x {}", 1) });
    println!("{:?}", r.unwrap_err().downcast_ref::<String>());
    let t = std::panic::catch_unwind(|| -> i32 { todo!() });
    println!("{}", t.is_err());
}

//# a macro exported by a module
#[macro_use]
mod tools {
    macro_rules! double { ($x:expr) => { $x * 2 }; }
    pub(crate) use double as twice;
}

fn main() {
    println!("{} {}", double!(4), tools::twice!(5));
}

//# callbacks between macros
macro_rules! with_types { ($callback:ident) => { $callback!(u8, u16, u32); }; }
macro_rules! sizes { ($($t:ident),*) => { println!("{:?}", [$((stringify!($t), std::mem::size_of::<$t>())),*]) }; }
macro_rules! makers { ($($t:ident),*) => { $(fn $t(x: u8) -> $t { x as $t + 1 })* }; }
with_types!(makers);

fn main() {
    with_types!(sizes);
    println!("{} {} {}", u8(1), u16(2), u32(3));
}

//# thread_local and const from a macro
use std::cell::Cell;
thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static NAME: std::cell::RefCell<String> = std::cell::RefCell::new(String::from("start"));
}
fn nested(n: u32) -> u32 {
    DEPTH.set(DEPTH.get() + 1);
    let d = if n == 0 { DEPTH.get() } else { nested(n - 1) };
    DEPTH.set(DEPTH.get() - 1);
    d
}

fn main() {
    println!("{} {}", nested(4), DEPTH.get());
    NAME.with_borrow_mut(|n| n.push_str("+more"));
    println!("{}", NAME.with(|n| n.borrow().clone()));
    let other = std::thread::spawn(|| NAME.take()).join().unwrap();
    println!("{other} {}", NAME.take());
}

//# a bitflags-like macro
macro_rules! flags {
    (struct $name:ident: $t:ty { $(const $flag:ident = $value:expr;)* }) => {
        #[derive(Clone, Copy, PartialEq, Eq)]
        struct $name($t);
        impl $name { $(const $flag: $name = $name($value);)* fn contains(self, o: $name) -> bool { self.0 & o.0 == o.0 } }
        impl std::ops::BitOr for $name { type Output = $name; fn bitor(self, o: $name) -> $name { $name(self.0 | o.0) } }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                let mut names: Vec<&str> = vec![];
                $(if self.contains($name::$flag) { names.push(stringify!($flag)); })*
                f.write_str(&names.join(" | "))
            }
        }
    };
}
flags! { struct Mode: u8 { const READ = 1; const WRITE = 2; const EXEC = 4; } }

fn main() {
    let mode = Mode::READ | Mode::EXEC;
    println!("{mode:?} {} {}", mode.contains(Mode::WRITE), mode == Mode(5));
}
