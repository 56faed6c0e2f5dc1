//# width, alignment and fill
//together a type is inferred from a later statement
fn main() {
    println!("[{:5}] [{:<5}] [{:>5}] [{:^5}]", 42, 42, 42, 42);
    println!("[{:5}] [{:>5}] [{:*^7}] [{:->6}]", "ab", "ab", "ab", 'c');
    println!("[{:05}] [{:+}] [{:<+6}] [{:#06x}]", -42, 7, 7, 255);
    let width = 8;
    let precision = 2;
    let pi = 3.14159;
    println!("[{:width$.precision$}] [{:>1$}] [{:.*}] [{:>w2$.1}]", pi, width, 3, pi, pi, w2 = width + 2);
    println!("[{0}-{1}-{0}] [{name}]", 1, 2, name = "n");
}

//# numbers in all bases
fn main() {
    let n = 202u8;
    println!("{n:b} {n:o} {n:x} {n:X} {n:#b} {n:#o} {n:#x}");
    println!("{:08b} {:#010b} {:e} {:E}", 5, 5, 1234.5, 0.00012);
    println!("{:x} {:b}", -1i8, -2i8);
    println!("{:?} {:?} {:?}", 1.0, 1e21, f64::NAN);
    println!("{} {} {}", 0.1 + 0.2, 1e7, f32::MAX);
    println!("{:5}|{:<5}|{:^5}|{:>5.1}", 1.5, 1.5, 1.5, 1.25);
    println!("{}", u128::MAX);
}

//# debug output
use std::collections::BTreeMap;

#[derive(Debug)] struct Unit;
#[derive(Debug)] struct Tuple(i32, &'static str);
#[derive(Debug)] struct Named { a: Option<Tuple>, b: Vec<Unit>, c: (), d: Result<u8, char> }

fn main() {
    let n = Named { a: Some(Tuple(1, "x\n")), b: vec![Unit, Unit], c: (), d: Err('\'') };
    println!("{n:?}");
    println!("{n:#?}");
    println!("{:?} {:#?}", BTreeMap::from([(1, "a")]), (1, "b"));
    println!("{:02x?} {:#?}", [10, 255], Vec::<u8>::new());
    println!("{:5?}|{:<6?}|{:.1?}", 1, Some(2), vec![1.25, 2.0]);
}

//# formatting traits of one's own
use std::fmt;

struct Rgb(u8, u8, u8);
impl fmt::Display for Rgb { fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { if f.alternate() { write!(f, "rgb({}, {}, {})", self.0, self.1, self.2) } else { f.pad(&format!("{self:x}")) } } }
impl fmt::LowerHex for Rgb { fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { write!(f, "{:02x}{:02x}{:02x}", self.0, self.1, self.2) } }
impl fmt::Binary for Rgb { fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { fmt::Binary::fmt(&(((self.0 as u32) << 16) | ((self.1 as u32) << 8) | self.2 as u32), f) } }
struct List(Vec<i32>);
impl fmt::Debug for List { fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { f.debug_list().entries(self.0.iter().map(|n| n * 2)).finish() } }

fn main() {
    let c = Rgb(255, 128, 0);
    println!("{c} {c:#} {c:x} {c:b} [{c:>8}] [{c:<8}]");
    println!("{:?} {:#?}", List(vec![1, 2]), List(vec![3]));
    println!("{}", format_args!("{:?}", f32::EPSILON > 0.0));
}

//# captured arguments and escapes
//together a type is inferred from a later statement
fn main() {
    let name = "x";
    let value = 3.14159;
    let width = 10;
    println!("{name}={value:.2} {{literal}} {value:>width$.3}");
    println!("{name:?} {value:+.1e} {0:>1$}", name, width);
    let list = [1, 2];
    println!("{list:?} {:?} {}", &list[..1], list.len());
    print!("no newline;");
    print!(" {}\n", "then one");
    eprintln!("this is not on stdout");
    println!();
    println!("{}", format!("{:>w$}", "r", w = list.len() * 2));
}

//# a table of text
fn main() {
    let rows = [("apple", 3, 1.25), ("kiwi", 12, 0.4), ("watermelon", 1, 12.0)];
    let width = rows.iter().map(|r| r.0.len()).max().unwrap();
    println!("{:<width$} | {:>5} | {:>7}", "name", "count", "price");
    println!("{:-<width$}-+-{:-<5}-+-{:-<7}", "", "", "");
    for (name, count, price) in &rows {
        println!("{name:<width$} | {count:>5} | {price:>7.2}");
    }
    let total: f64 = rows.iter().map(|(_, n, p)| *n as f64 * p).sum();
    println!("{total:>0$.2}", width + 18);
}

//# parsing numbers
fn main() {
    println!("{:?} {:?} {:?}", "42".parse::<i32>(), "-7".parse::<i8>(), "+5".parse::<u8>());
    for bad in ["", "-", "256", "1 ", "0x1f"] {
        println!("{bad:?}: {}", bad.parse::<u8>().unwrap_err());
    }
    println!("{:?} {:?} {:?}", "1e3".parse::<f64>(), ".5".parse::<f32>(), "inf".parse::<f64>());
    println!("{:?} {:?}", "nan".parse::<f64>().map(f64::is_nan), "1,5".parse::<f64>().map_err(|e| e.to_string()));
    println!("{:?} {:?}", i64::from_str_radix("-ff", 16), u8::from_str_radix("1012", 2).is_err());
    println!("{:?} {:?} {:?}", "true".parse::<bool>(), "c".parse::<char>(), "cc".parse::<char>().is_err());
    println!("{:?}", "192.168.0.1".parse::<std::net::Ipv4Addr>());
}

//# parsing into a struct
use std::str::FromStr;

#[derive(Debug, PartialEq, Clone, Copy)]
struct Rect { x: i32, y: i32, w: u32, h: u32 }
#[derive(Debug, PartialEq)]
enum Bad { Parts(usize), Number(String) }
impl FromStr for Rect {
    type Err = Bad;
    fn from_str(s: &str) -> Result<Self, Bad> {
        let parts: Vec<&str> = s.split(&['x', '+', ' '][..]).filter(|p| !p.is_empty()).collect();
        let [w, h, x, y] = parts[..] else { return Err(Bad::Parts(parts.len())) };
        let num = |t: &str| t.parse::<u32>().map_err(|_| Bad::Number(t.to_string()));
        Ok(Rect { x: num(x)? as i32, y: num(y)? as i32, w: num(w)?, h: num(h)? })
    }
}

fn main() {
    println!("{:?}", "80x24+10+5".parse::<Rect>());
    println!("{:?}", "80x24".parse::<Rect>());
    println!("{:?}", Rect::from_str("80xq+1+2"));
    let all: Result<Vec<Rect>, _> = "1x1+0+0;2x2+1+1".split(';').map(str::parse).collect();
    println!("{:?}", all.map(|v| v.iter().map(|r| r.w * r.h).sum::<u32>()));
}

//# human sizes and durations
use std::time::Duration;

fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit < UNITS.len() - 1 { size /= 1024.0; unit += 1; }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}
fn clock(d: Duration) -> String { let s = d.as_secs(); format!("{:02}:{:02}:{:02}.{:03}", s / 3600, s / 60 % 60, s % 60, d.subsec_millis()) }
fn thousands(n: i64) -> String {
    let digits = n.abs().to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|c| std::str::from_utf8(c).unwrap()).collect();
    format!("{}{}", if n < 0 { "-" } else { "" }, groups.join(","))
}

fn main() {
    println!("{} {} {}", human(512), human(1536), human(5 << 40));
    println!("{} {:?}", clock(Duration::from_millis(3_723_045)), Duration::from_micros(1500));
    println!("{} {} {}", thousands(1234567), thousands(-999), thousands(-1000));
}
