//# a csv report
//together a borrow crosses statements
use std::collections::BTreeMap;

#[derive(Debug)]
struct Sale<'a> { region: &'a str, product: &'a str, units: u32, price: f64 }

fn parse(line: &str) -> Option<Sale<'_>> {
    let mut f = line.split(',').map(str::trim);
    Some(Sale { region: f.next()?, product: f.next()?, units: f.next()?.parse().ok()?, price: f.next()?.parse().ok()? })
}

fn main() {
    let data = "north, nut, 10, 0.5\nsouth, bolt, 3, 1.25\nbad line\nnorth, gear, 2, 20\nsouth, nut, x, 1";
    let sales: Vec<Sale> = data.lines().filter_map(parse).collect();
    let mut by_region: BTreeMap<&str, f64> = BTreeMap::new();
    for s in &sales { *by_region.entry(s.region).or_default() += s.units as f64 * s.price; }
    println!("{by_region:?} {} of {}", sales.len(), data.lines().count());
    let best = sales.iter().max_by(|a, b| a.price.total_cmp(&b.price)).unwrap();
    println!("{} {best:?}", best.product);
}

//# quoted csv fields
fn fields(line: &str) -> Vec<String> {
    let (mut out, mut now, mut quoted) = (vec![], String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => { now.push('"'); chars.next(); }
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(std::mem::take(&mut now)),
            c => now.push(c),
        }
    }
    out.push(now);
    out
}

fn main() {
    for line in [r#"a,"b, c",d"#, r#""say ""hi""",,x"#, ""] { println!("{:?}", fields(line)); }
}

//# grep with options
struct Options<'a> { pattern: &'a str, ignore_case: bool, invert: bool }
fn grep<'t>(text: &'t str, o: &Options) -> Vec<(usize, &'t str)> {
    let pattern = if o.ignore_case { o.pattern.to_lowercase() } else { o.pattern.to_string() };
    let hit = |l: &str| if o.ignore_case { l.to_lowercase().contains(&pattern) } else { l.contains(&pattern) };
    text.lines().enumerate().filter(|(_, l)| hit(l) != o.invert).map(|(i, l)| (i + 1, l)).collect()
}

fn main() {
    let text = String::from("Rust is fast\nrust is safe\nC is old");
    let plain = Options { pattern: "Rust", ignore_case: false, invert: false };
    println!("{:?}", grep(&text, &plain));
    println!("{:?}", grep(&text, &Options { ignore_case: true, ..plain }));
    println!("{:?}", grep(&text, &Options { invert: true, pattern: "is", ..plain }));
}

//# wrapping and justifying
//together a borrow crosses statements
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => { line.push(' '); line.push_str(word); }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}
fn justify(line: &str, width: usize) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let gaps = words.len() - 1;
    if gaps == 0 { return line.to_string(); }
    let spaces = width - words.iter().map(|w| w.len()).sum::<usize>();
    words.iter().enumerate().map(|(i, w)| format!("{w}{}", if i < gaps { " ".repeat(spaces / gaps + usize::from(i < spaces % gaps)) } else { String::new() })).collect()
}

fn main() {
    let text = "The quick brown fox jumps over the lazy dog and runs away";
    let lines = wrap(text, 18);
    let (last, rest) = lines.split_last().unwrap();
    for line in rest { println!("|{}|", justify(line, 18)); }
    println!("|{last:<18}|");
}

//# a template engine
//together a type is inferred from a later statement
use std::collections::HashMap;

fn render(template: &str, values: &HashMap<&str, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        out += &rest[..start];
        let after = &rest[start + 2..];
        let end = after.find("}}").ok_or("no end")?;
        let (name, filter) = after[..end].trim().split_once('|').map_or((after[..end].trim(), ""), |(n, f)| (n.trim(), f.trim()));
        let value = values.get(name).ok_or_else(|| format!("no value {name:?}"))?;
        out += &match filter { "upper" => value.to_uppercase(), "len" => value.len().to_string(), _ => value.clone() };
        rest = &after[end + 2..];
    }
    Ok(out + rest)
}

fn main() {
    let mut values = HashMap::new();
    values.insert("name", "ada".to_string());
    values.insert("n", 3.to_string());
    println!("{:?}", render("Hi {{name | upper}}, {{ n }} times ({{name|len}})", &values));
    println!("{:?} {:?}", render("{{x}}", &values), render("{{name", &values));
}

//# a histogram of letters
fn main() {
    let text = "The five boxing wizards jump quickly";
    let mut counts = [0usize; 26];
    for b in text.bytes().filter(u8::is_ascii_alphabetic) {
        counts[(b.to_ascii_lowercase() - b'a') as usize] += 1;
    }
    let max = *counts.iter().max().unwrap();
    for level in (1..=max).rev() {
        let line: String = counts.iter().map(|&c| if c >= level { '#' } else { ' ' }).collect();
        println!("{}", line.trim_end());
    }
    println!("{}", ('a'..='z').collect::<String>());
    let missing: Vec<char> = ('a'..='z').zip(counts).filter(|(_, n)| *n == 0).map(|(c, _)| c).collect();
    println!("{missing:?}");
}

//# pig latin and acronyms
fn pig(word: &str) -> String {
    let Some(first) = word.chars().next() else { return String::new() };
    if "aeiou".contains(first) { return format!("{word}-hay"); }
    let rest = &word[first.len_utf8()..];
    format!("{rest}-{first}ay")
}
fn acronym(text: &str) -> String { text.split(|c: char| !c.is_alphabetic()).filter_map(|w| w.chars().next()).flat_map(char::to_uppercase).collect() }

fn main() {
    let line: Vec<String> = "first apple is über".split(' ').map(pig).collect();
    println!("{}", line.join(" "));
    println!("{} {}", acronym("portable network graphics"), acronym("first-in, first-out"));
}

//# diff of two texts
//together a borrow crosses statements
#[derive(Debug, PartialEq)]
enum Change<'a> { Same(&'a str), Add(&'a str), Remove(&'a str) }
fn diff<'a>(old: &'a str, new: &'a str) -> Vec<Change<'a>> {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut t = vec![vec![0u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() { for j in (0..b.len()).rev() { t[i][j] = if a[i] == b[j] { t[i + 1][j + 1] + 1 } else { t[i + 1][j].max(t[i][j + 1]) } } }
    let (mut i, mut j, mut out) = (0, 0, vec![]);
    loop {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if x == y => { out.push(Change::Same(x)); i += 1; j += 1; }
            (Some(x), y) if y.is_none() || t[i + 1][j] >= t[i][j + 1] => { out.push(Change::Remove(x)); i += 1; }
            (_, Some(y)) => { out.push(Change::Add(y)); j += 1; }
            (None, None) => return out,
            _ => unreachable!(),
        }
    }
}

fn main() {
    let old = "a\nb\nc\nd";
    let new = String::from("a\nc\nx\nd");
    let changes = diff(old, &new);
    for c in &changes { match c { Change::Same(l) => println!("  {l}"), Change::Add(l) => println!("+ {l}"), Change::Remove(l) => println!("- {l}") } }
    println!("{}", changes.iter().filter(|c| !matches!(c, Change::Same(_))).count());
}

//# base64 and hex
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let n = chunk.iter().enumerate().fold(0u32, |n, (i, b)| n | (*b as u32) << (16 - 8 * i));
        for i in 0..4 { out.push(if i <= chunk.len() { ALPHABET[(n >> (18 - 6 * i)) as usize & 63] as char } else { '=' }); }
    }
    out
}
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = vec![];
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let n = chunk.iter().try_fold(0u32, |n, b| Some(n << 6 | ALPHABET.iter().position(|a| a == b)? as u32))? << (6 * (4 - chunk.len()));
        out.extend(&n.to_be_bytes()[1..chunk.len()]);
    }
    Some(out)
}

fn main() {
    for text in ["", "f", "fo", "foo", "foobar"] {
        let coded = encode(text.as_bytes());
        println!("{text:?} {coded} {}", decode(&coded).as_deref() == Some(text.as_bytes()));
    }
    let hex: String = "hi!".bytes().map(|b| format!("{b:02x}")).collect();
    let back: Result<Vec<u8>, _> = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16)).collect();
    println!("{hex} {back:?} {:?}", decode("a?"));
}

//# a log analyzer
//together a borrow crosses statements
use std::collections::{BTreeMap, HashSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level { Debug, Info, Warn, Error }
impl std::str::FromStr for Level {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> { Ok(match s { "DEBUG" => Level::Debug, "INFO" => Level::Info, "WARN" => Level::Warn, "ERROR" => Level::Error, _ => return Err(()) }) }
}
#[derive(Debug)]
struct Entry<'a> { at: u32, level: Level, source: &'a str, text: &'a str }
impl<'a> TryFrom<&'a str> for Entry<'a> {
    type Error = &'static str;
    fn try_from(line: &'a str) -> Result<Self, Self::Error> {
        let (at, rest) = line.split_once(' ').ok_or("no time")?;
        let (level, rest) = rest.split_once(' ').ok_or("no level")?;
        let (source, text) = rest.split_once(": ").ok_or("no source")?;
        let [h, m, s] = at.split(':').map(|p| p.parse().unwrap_or(0u32)).collect::<Vec<_>>()[..] else { return Err("bad time") };
        Ok(Entry { at: h * 3600 + m * 60 + s, level: level.parse().map_err(|()| "bad level")?, source, text })
    }
}

fn main() {
    let log = "10:00:00 INFO web: start\n10:00:05 WARN db: slow query\n10:01 ERROR db: x\n10:02:30 ERROR web: failed\nnonsense\n10:02:31 LOUD web: y";
    let (good, bad): (Vec<_>, Vec<_>) = log.lines().map(Entry::try_from).partition(|r| r.is_ok());
    let entries: Vec<Entry> = good.into_iter().flatten().collect();
    let errors: Vec<&str> = bad.into_iter().filter_map(Result::err).collect();
    println!("{errors:?}");
    let worst = entries.iter().max_by_key(|e| e.level).unwrap();
    println!("{worst:?}");
    let mut by_level: BTreeMap<Level, Vec<&str>> = BTreeMap::new();
    entries.iter().for_each(|e| by_level.entry(e.level).or_default().push(e.text));
    println!("{by_level:?}");
    let sources: HashSet<_> = entries.iter().map(|e| e.source).collect();
    println!("{} {}", sources.len(), entries.last().unwrap().at - entries[0].at);
}
