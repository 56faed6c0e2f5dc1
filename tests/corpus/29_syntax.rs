//# comments of every kind
//! The program's documentation.

/// A documented function.
///
/// ```
/// assert_eq!(f(), 1);
/// ```
fn f() -> i32 { /* inner /* nested */ comment */ 1 }

/** Block documentation. */
mod m {
    //! Inner documentation of the module.
    pub const X: i32 = 2; // trailing
}

fn main() {
    // a comment
    let a = f(); /* between */ let b = m::X;
    /* a block
       over lines with "quotes" and 'c' */
    println!("{} // not a comment", a + b);
    /// Documentation on a statement's item.
    fn g() -> i32 { 3 }
    println!("{}", g() /* last */ );
}

//# raw identifiers and unicode names
fn r#match(r#type: i32) -> i32 { r#type + 1 }
struct Größe { höhe: f64, r#fn: &'static str }

fn main() {
    let r#let = r#match(1);
    let größe = Größe { höhe: 1.5, r#fn: "name" };
    let 数 = r#let + 1;
    println!("{} {数} {} {}", r#let, größe.höhe, größe.r#fn);
    let _unused = 0;
    let __two = 2;
    println!("{__two}");
}

//# literals
fn main() {
    println!("{} {} {} {}", 1_000_000, 0xff_u8, 0o17, 0b1010_1010);
    println!("{} {} {}", 1.5e3, 2.0_f32, 1e-3);
    println!("{:?} {:?} {:?}", '\'', '\u{1F600}', "\\ \" \t \0");
    println!("{} {}", b'a', b"\x41\n"[0]);
    println!("{} {}", i128::MIN, 340282366920938463463374607431768211455u128);
    println!("{} {}", 5i8.pow(2), 7usize.count_ones());
    println!("{}", -1.0f64.abs());
    println!("{:?}", (1,));
}

//# several statements on a line and odd layout
fn main() { let a = 1; let b = 2; println!("{}", a
+ b); let c
    = {
    a *
    b }
; println!("{c}") ; ; ;
    if a < b
    { println!("less") }
    else
    { println!("more") }
    let v = vec![
        1,
        2,   // two
    ]; println!("{v:?}"); }

//# semicolons and values of blocks
fn unit() {}
fn five() -> i32 { 5 }

fn main() {
    five();
    let u = unit();
    let t = { five(); };
    println!("{u:?} {t:?}");
    { println!("block") };
    { five() };
    if five() > 3 { println!("if") };
    match five() { 5 => println!("five"), _ => () }
    let x = if false { 1 } else { { { 2 } } };
    (|| println!("{x}"))();
    unsafe { println!("unsafe") }
    loop { break }
    let _ = five();
    _ = five();
}

//# generic arguments and comparisons that look alike
//together a borrow crosses statements
fn id<T>(x: T) -> T { x }

fn main() {
    let (a, b, c) = (1, 2, 3);
    println!("{} {}", a < b, (a < b) == (c > b));
    println!("{:?} {:?}", id::<Vec<i32>>(vec![a]), Vec::<Vec<u8>>::new());
    let shifted = 256 >> 2 << 1;
    println!("{shifted} {}", (a as usize) < 5);
    let f: fn(i32) -> i32 = id::<i32>;
    println!("{} {:?}", f(b), <i32 as std::str::FromStr>::from_str("8"));
    let range = ..=c;
    println!("{} {}", range.contains(&3), !range.contains(&4) && !!true);
    let r = &&&a;
    println!("{} {}", ***r, -(-c));
}

//# attributes inside of expressions
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Settings { #[doc(hidden)] pub level: u8, #[allow(dead_code)] pub(crate) name: String }

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
#[allow(clippy::enum_variant_names, non_camel_case_types)]
enum kind { #[allow(dead_code)] first_kind, second_kind }

#[track_caller]
fn checked(n: i32) -> i32 { if n < 0 { -n } else { n } }

fn main() {
    #[allow(unused_mut)]
    let mut settings = Settings { level: 3, ..Default::default() };
    #[allow(clippy::identity_op)]
    let n = checked(-4) + 0;
    match n {
        #[cfg(all())]
        4 => println!("four"),
        #[cfg(any())]
        5 => println!("five"),
        _ => println!("other"),
    }
    println!("{settings:?} {:?}", kind::second_kind);
}

//# main with arguments and an exit code
use std::env;

fn run(args: &[String]) -> Result<usize, String> {
    let wanted = args.iter().find(|a| a.starts_with("--surely-not-given"));
    match wanted { Some(w) => Err(w.clone()), None => Ok(0) }
}

fn main() {
    let args: Vec<String> = env::args().collect();
    match run(&args[1..]) {
        Ok(n) => println!("fine {n}"),
        Err(e) => println!("unexpected {e}"),
    }
}

//# main with an alias for its result
use std::io;

type Result<T> = io::Result<T>;

fn check(text: &str) -> Result<u8> { text.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput)) }

fn main() -> Result<()> {
    let n = check("200")?;
    println!("{n}");
    if let Err(e) = check("300") { println!("{:?}", e.kind()); }
    Ok(())
}

//# never type and diverging expressions
fn parse(s: &str) -> i32 {
    let n = match s.parse() { Ok(n) => n, Err(_) => return -1 };
    let m: i32 = if n > 100 { return 100 } else { n };
    m + 1
}
fn forever() -> &'static str { loop { if true { return "out of it"; } } }

fn main() {
    println!("{} {} {} {}", parse("5"), parse("x"), parse("500"), forever());
    let mut n = 0;
    let word = loop { n += 1; let _: () = if n < 3 { continue } else { break "done" }; };
    println!("{word} {n}");
    let x: u32 = (|| { if n == 3 { return 7; } panic!("no") })();
    println!("{x}");
}
