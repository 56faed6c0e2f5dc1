//# building strings
fn main() {
    let mut s = String::with_capacity(10);
    s.push('a');
    s.push_str("bc");
    s += "de";
    s.insert(0, '>');
    s.insert_str(1, "> ");
    s.extend(['x', 'y']);
    println!("{s} {}", s.len());
    println!("{:?} {:?}", s.pop(), s.remove(0));
    s.truncate(4);
    s.retain(|c| c != ' ');
    println!("{s}");
    s.replace_range(0..1, "<<");
    let tail = s.split_off(3);
    println!("{s}|{tail}|{}", s.clone() + &tail);
    s.clear();
    println!("{}", s.is_empty());
}

//# searching
fn main() {
    let text = "the cat sat on the mat";
    println!("{:?} {:?} {:?}", text.find("at"), text.rfind("at"), text.find('z'));
    println!("{:?}", text.find(|c: char| c == 's' || c == 'o'));
    println!("{} {} {}", text.contains("sat"), text.starts_with("the"), text.ends_with(['t', 'x']));
    println!("{}", text.matches("the").count());
    println!("{:?}", text.match_indices("at").map(|(i, _)| i).collect::<Vec<_>>());
    println!("{:?} {:?}", text.strip_prefix("the "), text.strip_suffix("cat"));
    println!("{}", text.char_indices().filter(|(_, c)| *c == 't').map(|(i, _)| i.to_string()).collect::<Vec<_>>().join(","));
}

//# splitting
fn main() {
    let line = "a, b,,c , d";
    let parts: Vec<&str> = line.split(',').map(str::trim).collect();
    println!("{parts:?}");
    println!("{:?}", line.split(", ").collect::<Vec<_>>());
    println!("{:?}", line.splitn(2, ',').collect::<Vec<_>>());
    println!("{:?}", line.rsplitn(2, ',').collect::<Vec<_>>());
    println!("{:?} {:?}", line.split_once(','), line.rsplit_once(';'));
    println!("{:?}", "one  two\tthree\n".split_whitespace().collect::<Vec<_>>());
    println!("{:?}", "k=v;k2=v2;".split_terminator(';').collect::<Vec<_>>());
    println!("{:?}", "a1b22c".split(char::is_numeric).collect::<Vec<_>>());
    println!("{:?}", "x\ny\r\nz".lines().collect::<Vec<_>>());
    println!("{:?}", "one!two?".split_inclusive(['!', '?']).collect::<Vec<_>>());
}

//# trimming and replacing
fn main() {
    let s = "  --value--  ";
    println!("[{}] [{}] [{}]", s.trim(), s.trim_start(), s.trim_end());
    println!("{}", s.trim().trim_matches('-'));
    println!("{} {}", "xxabxx".trim_start_matches('x'), "12ab34".trim_end_matches(|c: char| c.is_ascii_digit()));
    println!("{} {}", "banana".replace("an", "_"), "banana".replacen('a', "o", 2));
    println!("{} {}", "ab".repeat(3), "-".repeat(0).is_empty());
    println!("{} {} {}", "Straße".to_uppercase(), "ÀÉ".to_lowercase(), "Abc".to_ascii_uppercase());
    println!("{}", "HeLLo".eq_ignore_ascii_case("hEllO"));
}

//# unicode text
fn main() {
    let word = "naïve 日本 😀";
    println!("{} bytes, {} chars", word.len(), word.chars().count());
    for (i, c) in word.char_indices().filter(|(_, c)| !c.is_ascii()) { println!("{i} {c} {}", c.len_utf8()); }
    println!("{:?}", word.char_indices().nth(6));
    println!("{} {}", word.is_char_boundary(2), word.is_char_boundary(3));
    println!("{:?} {:?}", word.get(2..4), word.get(3..4));
    let reversed: String = word.chars().rev().collect();
    println!("{reversed}");
    println!("{}", "\u{41}\u{308} \x41 \t|".escape_unicode().count());
    println!("{:?} {}", "tab\t\"quote\" \u{7f}", "ö".escape_default());
}

//# characters
fn main() {
    let c = 'ß';
    println!("{} {} {}", c.is_alphabetic(), c.is_uppercase(), c.to_uppercase());
    println!("{:?} {:?} {:?}", 'f'.to_digit(16), 'g'.to_digit(16), char::from_digit(11, 16));
    println!("{} {} {}", 'a' as u32, 97u8 as char, ('a' as u8 + 2) as char);
    println!("{:?} {:?}", char::from_u32(0x1F600), char::from_u32(0xD800));
    println!("{} {}", '\n'.is_whitespace(), '!'.is_ascii_punctuation());
    let shifted: String = "xyz".chars().map(|c| (((c as u8 - b'a' + 3) % 26) + b'a') as char).collect();
    println!("{shifted}");
    println!("{:?}", ('a'..='e').step_by(2).collect::<Vec<char>>());
    println!("{} {}", 'é'.len_utf8(), '😀'.len_utf16());
}

//# bytes and strings
fn main() {
    let bytes = b"hello\n\xff";
    println!("{bytes:?} {}", bytes.len());
    println!("{:?}", std::str::from_utf8(&bytes[..5]));
    println!("{}", String::from_utf8_lossy(bytes));
    println!("{:?}", String::from_utf8(vec![104, 105]));
    let error = String::from_utf8(vec![104, 200]).unwrap_err();
    println!("{} {:?}", error.utf8_error().valid_up_to(), error.into_bytes());
    let mut owned = String::from("abc").into_bytes();
    owned.reverse();
    println!("{:?}", String::from_utf8(owned).unwrap());
    println!("{}", "hi".bytes().map(|b| format!("{b:02x}")).collect::<String>());
    println!("{:?} {}", "é".as_bytes(), "a".as_bytes()[0].is_ascii_alphabetic());
}

//# raw strings, byte strings and C strings
fn main() {
    let path = r"C:\dir\new";
    let quoted = r#"she said "hi" # yes"#;
    let deep = r##"a "# b"##;
    println!("{path} {quoted} {deep}");
    println!("{:?} {:?}", br"\n", b'\n');
    let c = c"null terminated";
    println!("{:?} {}", c, c.to_bytes().len());
    println!("{}", "a\
              b \
              c");
    println!("{}", "line one
line two
    indented // no comment
/* nor this */ {{}}");
}

//# a text over several lines stays as it is
fn main() {
    let poem = "first
  second
	third with a tab
%not a magic
!not a command
:not one either

last";
    println!("{poem}");
    println!("{}", poem.lines().count());
    let sql = "
        SELECT *
        FROM t  -- comment
        WHERE a = 'x'
    ";
    for line in sql.lines() { println!("[{line}]"); }
}

//# comparing and sorting text
fn main() {
    let mut words = vec!["banana", "Apple", "cherry", "apple"];
    words.sort();
    println!("{words:?}");
    words.sort_by_key(|w| w.to_lowercase());
    println!("{words:?}");
    words.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    println!("{words:?}");
    println!("{} {:?}", "abc" < "abd", "Zebra".cmp("apple"));
    let owned: Vec<String> = words.iter().map(|w| w.to_string()).collect();
    println!("{} {}", owned.contains(&"apple".to_string()), owned.iter().any(|w| w == "cherry"));
    println!("{:?}", words.binary_search_by_key(&6, |w| w.len()).is_ok());
}

//# caesar and vigenere
fn shift(c: char, by: u8) -> char {
    match c {
        'a'..='z' => ((c as u8 - b'a' + by) % 26 + b'a') as char,
        'A'..='Z' => ((c as u8 - b'A' + by) % 26 + b'A') as char,
        _ => c,
    }
}
fn caesar(text: &str, by: u8) -> String { text.chars().map(|c| shift(c, by)).collect() }
fn vigenere(text: &str, key: &str) -> String {
    let mut key = key.bytes().cycle();
    text.chars().map(|c| if c.is_ascii_alphabetic() { shift(c, key.next().unwrap() - b'a') } else { c }).collect()
}

fn main() {
    let secret = caesar("Hello, World!", 3);
    println!("{secret} {}", caesar(&secret, 23));
    println!("{}", vigenere("attack at dawn", "lemon"));
}

//# palindromes and anagrams
use std::collections::HashMap;

fn clean(s: &str) -> impl DoubleEndedIterator<Item = char> + '_ { s.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()) }
fn palindrome(s: &str) -> bool { clean(s).eq(clean(s).rev()) }
fn anagram(a: &str, b: &str) -> bool {
    let count = |s: &str| s.chars().fold(HashMap::new(), |mut m, c| { *m.entry(c).or_insert(0) += 1; m });
    count(a) == count(b)
}

fn main() {
    for s in ["A man, a plan, a canal: Panama", "race a car", ""] { println!("{s:?} {}", palindrome(s)); }
    println!("{} {}", anagram("listen", "silent"), anagram("aab", "abb"));
}

//# run length coding
fn encode(s: &str) -> String {
    let mut out = String::new();
    let mut chars = s.chars().peekable();
    while let Some(c) = chars.next() {
        let mut n = 1;
        while chars.next_if_eq(&c).is_some() { n += 1; }
        if n > 1 { out += &n.to_string(); }
        out.push(c);
    }
    out
}
fn decode(s: &str) -> String {
    let (mut out, mut n) = (String::new(), 0);
    for c in s.chars() {
        if let Some(d) = c.to_digit(10) { n = n * 10 + d as usize; } else { out.extend(std::iter::repeat_n(c, n.max(1))); n = 0; }
    }
    out
}

fn main() {
    let text = "aaabccddddddddddde";
    let coded = encode(text);
    println!("{coded} {}", decode(&coded) == text);
}

//# a string from many sources
use std::fmt::Write;

fn main() {
    let joined = ["a", "b", "c"].join("/");
    let concat = [String::from("x"), String::from("y")].concat();
    let collected: String = vec!["p", "q"].into_iter().collect();
    let chars = String::from_iter(['d', 'e']);
    let boxed: Box<str> = "boxed".into();
    let number = 3.5f32.to_string() + &true.to_string() + &'c'.to_string();
    println!("{joined} {concat} {collected} {chars} {boxed} {number}");
    let mut out = String::new();
    write!(&mut out, "{:>4}", 7).unwrap();
    writeln!(out, "|{:<4}|", "ab").unwrap();
    for i in 0..3 { write!(out, "{i};").unwrap(); }
    println!("{out}");
}
