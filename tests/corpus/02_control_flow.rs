//# loop with a value
fn main() {
    let mut n = 27u64;
    let mut steps = 0;
    let peak = loop {
        if n == 1 {
            break steps;
        }
        n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
        steps += 1;
    };
    println!("{peak} steps");
}

//# labeled breaks and continues
//together a type is inferred from a later statement
fn main() {
    let mut found = Vec::new();
    'outer: for a in 1..20 {
        for b in a..20 {
            for c in b..20 {
                if a * a + b * b == c * c {
                    found.push((a, b, c));
                    if found.len() == 4 {
                        break 'outer;
                    }
                    continue 'outer;
                }
            }
        }
    }
    println!("{found:?}");
    let value = 'search: {
        for (i, w) in ["a", "bb", "ccc"].iter().enumerate() {
            if w.len() == 2 {
                break 'search Some(i);
            }
        }
        None
    };
    println!("{value:?}");
}

//# labeled loop with a value
//together a type is inferred from a later statement
fn main() {
    let grid = [[1, 2, 3], [4, 5, 6], [7, 8, 9]];
    let mut row = 0;
    let position = 'rows: loop {
        if row == grid.len() {
            break None;
        }
        let mut column = 0;
        while column < 3 {
            if grid[row][column] == 6 {
                break 'rows Some((row, column));
            }
            column += 1;
        }
        row += 1;
    };
    println!("{position:?}");
}

//# blocks are expressions
fn main() {
    let x = {
        let a = 3;
        let b = { let c = a * 2; c + 1 };
        a + b
    };
    let y = if x > 5 { "big" } else { "small" };
    let z = match x { 0 => 'z', 1..=9 => 'd', _ => 'm' };
    let unit = {};
    println!("{x} {y} {z} {unit:?}");
    let total = { let mut t = 0; for i in 0..4 { t += i; } t };
    println!("{total}");
}

//# early return in main
//together main returns early
fn main() {
    let limit = 3;
    let mut count = 0;
    println!("begin");
    while count < 10 {
        count += 1;
        if count > limit {
            println!("stop at {count}");
            return;
        }
    }
    println!("never seen");
}

//# early return from a nested block of main
//together main returns early
fn main() {
    let words = vec!["alpha", "beta", "gamma"];
    let wanted = "beta";
    for (i, word) in words.iter().enumerate() {
        if *word == wanted {
            println!("{wanted} at {i}");
            {
                println!("leaving");
                return;
            }
        }
    }
    println!("not found");
}

//# ranges of all kinds
fn main() {
    let a: Vec<i32> = (0..5).collect();
    println!("{:?} {:?} {:?}", &a[1..3], &a[..2], &a[3..]);
    println!("{:?} {:?}", &a[..=1], &a[..]);
    println!("{:?}", (1..=10).step_by(3).collect::<Vec<_>>());
    println!("{:?}", (0..10).rev().skip(7).collect::<Vec<_>>());
    println!("{:?}", ('a'..='e').collect::<String>());
    let r = 2..6;
    println!("{} {} {} {}", r.start, r.end, r.contains(&5), r.len());
    println!("{}", (1..1).is_empty());
    let inclusive = 3..=7;
    println!("{} {}", inclusive.start(), inclusive.end());
    println!("{}", inclusive.sum::<i32>());
}

//# shadowing
//together a borrow crosses statements
fn main() {
    let spaces = "   ";
    let spaces = spaces.len();
    println!("{spaces}");
    let x = 5;
    let x = x + 1;
    {
        let x = x * 2;
        println!("inner {x}");
    }
    println!("outer {x}");
    let x = format!("{x}!");
    let x = x.as_str();
    println!("{x}");
}

//# shadowing inside loops and closures
fn main() {
    let n = 10;
    let twice = |n: i32| { let n = n * 2; n };
    println!("{}", twice(n));
    let mut total = 0;
    for n in 0..3 {
        let n = n + 100;
        total += n;
    }
    println!("{n} {total}");
    let total = if let Some(total) = Some(total.to_string()) { total } else { String::new() };
    println!("{total} {}", total.len());
}

//# while with a complex condition
fn main() {
    let (mut low, mut high) = (0usize, 1000usize);
    let target = 617usize;
    let mut steps = 0;
    while { steps += 1; low < high } {
        let mid = low + (high - low) / 2;
        if mid < target { low = mid + 1 } else { high = mid }
    }
    println!("{low} after {steps}");
}

//# deferred initialization
//together a variable is assigned later
fn main() {
    let sign;
    let number = -4;
    if number < 0 {
        sign = "negative";
    } else {
        sign = "positive";
    }
    println!("{sign}");
    let text: String;
    let borrowed: &str;
    match number {
        -4 => { text = String::from("minus four"); borrowed = &text; }
        _ => borrowed = "other",
    }
    println!("{borrowed}");
}

//# functions that never return
fn fail(text: &str) -> ! {
    panic!("{text}")
}

fn check(n: i32) -> i32 {
    if n < 0 { fail("negative") }
    let value: i32 = match n { 0 => return -1, k => k };
    value * 2
}

fn main() {
    println!("{} {}", check(0), check(4));
    let result = std::panic::catch_unwind(|| check(-1));
    println!("{}", result.is_err());
}

//# nested functions and recursion
//together items of main name each other
fn main() {
    fn ackermann(m: u64, n: u64) -> u64 {
        match (m, n) {
            (0, n) => n + 1,
            (m, 0) => ackermann(m - 1, 1),
            (m, n) => ackermann(m - 1, ackermann(m, n - 1)),
        }
    }
    fn is_even(n: u32) -> bool { n == 0 || is_odd(n - 1) }
    fn is_odd(n: u32) -> bool { n != 0 && is_even(n - 1) }
    println!("{}", ackermann(2, 3));
    println!("{} {}", is_even(10), is_odd(7));
}

//# mutable loop variables and several accumulators
fn main() {
    let data = [5, 3, 8, 1, 9, 2];
    let (mut min, mut max, mut sum) = (i32::MAX, i32::MIN, 0);
    for mut value in data {
        value *= 2;
        min = min.min(value);
        max = max.max(value);
        sum += value;
    }
    println!("{min} {max} {sum}");
    let mean = sum as f64 / data.len() as f64;
    println!("{mean:.3}");
}

//# operators and precedence
fn main() {
    let a = 7 + 3 * 2 - 8 / 3 % 2;
    let b = !0u8 >> 4 ^ 0b1010 & 0b0110 | 1;
    let c = (-2i32.pow(2) as i64) << 2;
    let d = 1 < 2 && !(3 >= 4) || false;
    let e = 5 % -3;
    println!("{a} {b} {c} {d} {e}");
    let mut n = 1;
    n += 4; n *= 3; n -= 1; n /= 2; n %= 5; n <<= 3; n |= 1; n ^= 3; n &= 0xff; n >>= 1;
    println!("{n}");
    println!("{}", (1..4).contains(&3) as u8 + true as u8);
}

//# lines that begin with an operator
fn main() {
    let ready = false;
    let list: Vec<i32> = vec![1, 2, 3, 4, 5];
    let ok =
        !ready
        && !list.is_empty();
    println!("{ok}");
    let rest = list.len() as i32
        * 10
        % 7
        - 1;
    println!("{rest}");
    let inverted = {
        !ok
    };
    println!("{inverted}");
    let complement =
!0b1111_0000u8;
    println!("{complement}");
}

//# continue with conditions
//together a type is inferred from a later statement
fn main() {
    let mut primes = vec![];
    let mut n = 1;
    while primes.len() < 8 {
        n += 1;
        if n > 2 && n % 2 == 0 { continue; }
        if primes.iter().any(|p| n % p == 0) { continue; }
        primes.push(n);
    }
    println!("{primes:?}");
}

//# if as statement and as operand
fn main() {
    let n = 6;
    let r = 1 + if n % 2 == 0 { 10 } else { 20 } * 2;
    println!("{r}");
    if n > 3 { print!("a") } else { print!("b") }
    if n > 9 { print!("c") }
    println!();
    let word = if n == 1 { "one" } else if n == 6 { "six" } else { "many" };
    println!("{word}");
    println!("{}", if word.len() == 3 { "short" } else { "long" });
}
