//# literal, range and or patterns
fn kind(c: char) -> &'static str {
    match c {
        'a' | 'e' | 'i' | 'o' | 'u' => "vowel",
        'a'..='z' => "consonant",
        '0'..='9' => "digit",
        _ => "other",
    }
}

fn main() {
    for c in ['e', 'x', '7', '-'] {
        println!("{c}: {}", kind(c));
    }
}

//# bindings with at
fn main() {
    let numbers = [3, 17, 42, 99];
    for n in numbers {
        let text = match n {
            small @ 0..=9 => format!("small {small}"),
            teen @ (13 | 17 | 19) => format!("prime teen {teen}"),
            big @ 50.. => format!("big {big}"),
            other => format!("plain {other}"),
        };
        println!("{text}");
    }
    let whole @ [first, .., last] = numbers;
    println!("{whole:?} {first} {last}");
}

//# slice patterns
fn sum(list: &[i32]) -> i32 {
    match list {
        [] => 0,
        [x] => *x,
        [first, rest @ ..] => first + sum(rest),
    }
}

fn ends(list: &[&str]) -> String {
    match list {
        [a, .., b] if a == b => format!("both {a}"),
        [a, middle @ .., b] => format!("{a} .. {b}, {} between", middle.len()),
        [one] => format!("one {one}"),
        [] => "none".to_string(),
    }
}

fn main() {
    println!("{}", sum(&[1, 2, 3, 4]));
    println!("{}", ends(&["x", "y", "z"]));
    println!("{}", ends(&["x", "y", "x"]));
    println!("{} {}", ends(&["q"]), ends(&[]));
}

//# struct patterns with rest
struct Point3 { x: i32, y: i32, z: i32 }

fn main() {
    let p = Point3 { x: 1, y: -2, z: 3 };
    let Point3 { x, .. } = p;
    let Point3 { y: height, z, .. } = p;
    println!("{x} {height} {z}");
    match p {
        Point3 { x: 0, .. } => println!("on the plane"),
        Point3 { y: v @ ..=-1, .. } => println!("below by {}", -v),
        _ => println!("somewhere"),
    }
}

//# nested enums in patterns
enum Shape { Circle { radius: f64 }, Rect { size: (f64, f64) } }
enum Node { Leaf(Shape), Group(Vec<Node>) }

fn area(node: &Node) -> f64 {
    match node {
        Node::Leaf(Shape::Circle { radius: r }) => 3.0 * r * r,
        Node::Leaf(Shape::Rect { size: (w, h) }) => w * h,
        Node::Group(children) => children.iter().map(area).sum(),
    }
}

fn main() {
    let tree = Node::Group(vec![
        Node::Leaf(Shape::Circle { radius: 2.0 }),
        Node::Group(vec![Node::Leaf(Shape::Rect { size: (1.5, 4.0) })]),
    ]);
    println!("{:.2}", area(&tree));
}

//# tuples in let and for
fn main() {
    let (a, (b, c), [d, e]) = (1, ("two", 3.0), ['4', '5']);
    println!("{a} {b} {c} {d} {e}");
    let pairs = vec![(1, "one"), (2, "two"), (3, "three")];
    for &(number, name) in &pairs {
        println!("{number} is {name}");
    }
    for (index, (number, name)) in pairs.iter().enumerate() {
        println!("{index}: {number} {name}");
    }
}

//# reference patterns and ref bindings
//together a borrow crosses statements
fn main() {
    let names = vec![String::from("ada"), String::from("grace")];
    let pair = (String::from("left"), 5);
    let (ref word, number) = pair;
    println!("{word} {number} {}", pair.0);
    match names.first() {
        Some(name) if name.starts_with('a') => println!("first is {name}"),
        Some(_) | None => println!("something else"),
    }
    let mut value = Some(10);
    if let Some(ref mut inner) = value {
        *inner += 5;
    }
    if let Some(inner) = &mut value {
        *inner *= 2;
    }
    println!("{value:?}");
    let &x = &7;
    println!("{x}");
}

//# let else
fn parse(text: &str) -> Option<(u32, &str)> {
    let Some((count, name)) = text.split_once(' ') else {
        return None;
    };
    let Ok(count) = count.parse::<u32>() else {
        return None;
    };
    Some((count, name))
}

fn main() {
    println!("{:?}", parse("3 apples"));
    println!("{:?}", parse("apples"));
    println!("{:?}", parse("x apples"));
    let values = ["1", "b", "3"];
    for value in values {
        let Ok(n) = value.parse::<i32>() else {
            println!("skip {value}");
            continue;
        };
        println!("{}", n * 10);
    }
}

//# let else at the level of main
//together main returns early
fn main() {
    let input = "key=value";
    let Some((key, value)) = input.split_once('=') else {
        println!("no pair");
        return;
    };
    println!("{key} -> {value}");
    let Some(rest) = value.strip_prefix("nope") else {
        println!("no prefix in {value}");
        return;
    };
    println!("never {rest}");
}

//# if let with else if chains
fn describe(value: &Result<i32, String>, fallback: Option<&str>) -> String {
    if let Ok(n @ 1..=9) = value {
        format!("digit {n}")
    } else if let Err(text) = value {
        format!("error {text}")
    } else if let Some(name) = fallback {
        format!("fallback {name}")
    } else {
        String::from("nothing")
    }
}

fn main() {
    println!("{}", describe(&Ok(5), None));
    println!("{}", describe(&Err("bad".into()), None));
    println!("{}", describe(&Ok(50), Some("x")));
    println!("{}", describe(&Ok(50), None));
}

//# let chains
fn main() {
    let settings = [("width", "80"), ("height", "abc"), ("depth", "5")];
    for (name, text) in settings {
        if let Ok(number) = text.parse::<i32>() && number > 10 && name.len() == 5 {
            println!("{name} is {number}");
        } else if let Some(c) = text.chars().next() && c.is_alphabetic() {
            println!("{name} begins with {c}");
        } else {
            println!("{name} is left out");
        }
    }
}

//# while let with a stack
fn main() {
    let mut stack = vec![1, 2, 3];
    while let Some(top) = stack.pop() {
        if top == 2 {
            stack.push(10);
            stack.push(20);
        }
        print!("{top} ");
    }
    println!();
}

//# match on tuples with guards
fn fizz(n: u32) -> String {
    match (n % 3, n % 5) {
        (0, 0) => "FizzBuzz".into(),
        (0, _) => "Fizz".into(),
        (_, 0) => "Buzz".into(),
        (a, b) if a == b => format!("{n}="),
        _ => n.to_string(),
    }
}

fn main() {
    let line: Vec<String> = (1..=16).map(fizz).collect();
    println!("{}", line.join(" "));
}

//# constants and paths in patterns
const LIMIT: i32 = 100;
mod codes {
    pub const OK: u16 = 200;
    pub const GONE: u16 = 410;
}
struct Level;
impl Level { const TOP: i32 = 7; }

fn word(code: u16) -> &'static str {
    match code {
        codes::OK => "fine",
        codes::GONE => "gone",
        300..400 => "elsewhere",
        _ => "unknown",
    }
}

fn main() {
    println!("{} {} {} {}", word(200), word(410), word(301), word(1));
    for n in [100, 7, 3] {
        match n {
            LIMIT => println!("limit"),
            Level::TOP => println!("top"),
            i32::MIN..=6 => println!("low"),
            _ => println!("other"),
        }
    }
}

//# matches macro and box deref
#[derive(Debug)]
enum Token { Number(f64), Word(String), End }

fn main() {
    let tokens = [Token::Number(1.5), Token::Word("x".to_string()), Token::End];
    println!("{}", tokens.iter().filter(|t| matches!(t, Token::Number(n) if *n > 1.0)).count());
    println!("{}", matches!(tokens[1], Token::Word(_)));
    let boxed = Box::new((1, String::from("owned")));
    let (n, text) = *boxed;
    println!("{n} {text}");
    println!("{:?}", tokens[2]);
}

//# destructuring assignment
//together a variable is assigned later
fn main() {
    let (mut a, mut b) = (1, 1);
    for _ in 0..5 {
        (a, b) = (b, a + b);
    }
    println!("{a} {b}");
    let first;
    let rest;
    [first, .., rest] = [1, 2, 3, 4];
    println!("{first} {rest}");
    struct Pair { x: i32, y: i32 }
    let mut x = 0;
    let mut y = 0;
    Pair { x, y } = Pair { x: 8, y: 9 };
    println!("{x} {y}");
    (x, _) = (y, x);
    println!("{x}");
}

//# match ergonomics through several layers
fn main() {
    let data: Vec<Option<(String, Vec<i32>)>> =
        vec![Some(("a".to_string(), vec![1, 2])), None, Some(("b".to_string(), vec![]))];
    for entry in &data {
        match entry {
            Some((name, numbers)) if numbers.is_empty() => println!("{name}: empty"),
            Some((name, numbers)) => println!("{name}: {numbers:?}"),
            None => println!("none"),
        }
    }
    let total: i32 = data.iter().flatten().flat_map(|(_, numbers)| numbers).sum();
    println!("{total}");
}

//# match that moves and match that borrows
fn main() {
    let message = Some(String::from("hello"));
    match &message {
        Some(text) => println!("borrowed {text}"),
        None => println!("none"),
    }
    let length = match message {
        Some(ref text) => text.len(),
        None => 0,
    };
    println!("{length}");
    let owned = match message {
        Some(text) => text + " moved",
        None => String::new(),
    };
    println!("{owned}");
}

//# patterns in function and closure parameters
struct Size(u32, u32);

fn area(Size(w, h): Size) -> u32 { w * h }
fn first(&(a, _): &(i32, i32)) -> i32 { a }
fn head([h, ..]: [char; 3]) -> char { h }

fn main() {
    println!("{} {} {}", area(Size(3, 4)), first(&(5, 6)), head(['x', 'y', 'z']));
    let add = |(a, b): (i32, i32)| a + b;
    let scale = |Size(w, h), by: u32| Size(w * by, h * by);
    println!("{} {}", add((1, 2)), area(scale(Size(1, 2), 10)));
}

//# irrefutable enums and never patterns
use std::convert::Infallible;

enum Only { One(i32, &'static str) }

fn always() -> Result<i32, Infallible> { Ok(4) }

fn main() {
    let Only::One(n, name) = Only::One(1, "one");
    println!("{n} {name}");
    let Ok(value) = always();
    println!("{value}");
}
