//# matrix multiplication
fn multiply(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = b[0].len();
    a.iter().map(|row| (0..n).map(|j| row.iter().zip(b).map(|(x, r)| x * r[j]).sum()).collect()).collect()
}

fn main() {
    let a = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
    let identity = vec![vec![1.0, 0.0], vec![0.0, 1.0]];
    println!("{:?}", multiply(&a, &a));
    println!("{}", multiply(&a, &identity) == a);
    let trace: f64 = a.iter().enumerate().map(|(i, r)| r[i]).sum();
    println!("{trace}");
}

//# gaussian elimination
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for k in 0..n {
        let p = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()))?;
        if a[p][k].abs() < 1e-12 { return None; }
        a.swap(k, p);
        b.swap(k, p);
        for i in k + 1..n {
            let f = a[i][k] / a[k][k];
            let (top, bottom) = a.split_at_mut(i);
            for (x, y) in bottom[0][k..].iter_mut().zip(&top[k][k..]) { *x -= f * y; }
            b[i] -= f * b[k];
        }
    }
    let mut x = vec![0.0; n];
    for i in (0..n).rev() { x[i] = (b[i] - (i + 1..n).map(|j| a[i][j] * x[j]).sum::<f64>()) / a[i][i]; }
    Some(x)
}

fn main() {
    let a = vec![vec![2.0, 1.0, -1.0], vec![-3.0, -1.0, 2.0], vec![-2.0, 1.0, 2.0]];
    let x = solve(a, vec![8.0, -11.0, -3.0]);
    println!("{:?}", x.map(|v| v.iter().map(|x| format!("{x:.3}")).collect::<Vec<_>>()));
    println!("{:?}", solve(vec![vec![1.0, 1.0], vec![2.0, 2.0]], vec![1.0, 2.0]));
}

//# complex numbers
use std::fmt;
use std::ops::{Add, Mul, Sub};

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Complex { re: f64, im: f64 }
impl Add for Complex { type Output = Self; fn add(self, o: Self) -> Self { Complex { re: self.re + o.re, im: self.im + o.im } } }
impl Sub for Complex { type Output = Self; fn sub(self, o: Self) -> Self { Complex { re: self.re - o.re, im: self.im - o.im } } }
impl Mul for Complex { type Output = Self; fn mul(self, o: Self) -> Self { Complex { re: self.re * o.re - self.im * o.im, im: self.re * o.im + self.im * o.re } } }
impl fmt::Display for Complex { fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { write!(f, "{}{:+}i", self.re, self.im) } }
fn escape(c: Complex) -> u32 { let mut z = Complex::default(); (0..50).take_while(|_| { z = z * z + c; z.re * z.re + z.im * z.im <= 4.0 }).count() as u32 }

fn main() {
    let i = Complex { re: 0.0, im: 1.0 };
    println!("{} {} {}", i * i, i + i, Complex { re: 1.5, im: 0.0 } - i);
    for y in -4..=4 {
        let line: String = (-14..=5).map(|x| if escape(Complex { re: x as f64 / 7.0, im: y as f64 / 4.0 }) >= 50 { '#' } else { '.' }).collect();
        println!("{line}");
    }
}

//# statistics
fn mean(v: &[f64]) -> f64 { v.iter().sum::<f64>() / v.len() as f64 }
fn median(v: &[f64]) -> f64 { let mut s = v.to_vec(); s.sort_by(f64::total_cmp); let m = s.len() / 2; if s.len() % 2 == 0 { (s[m - 1] + s[m]) / 2.0 } else { s[m] } }

fn main() {
    let data = [2.5, 3.5, 1.0, 9.25, 4.0, 4.0];
    let m = mean(&data);
    let variance = data.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (data.len() - 1) as f64;
    println!("{m:.4} {:.4} {:.4}", median(&data), variance.sqrt());
    let (min, max) = data.iter().fold((f64::MAX, f64::MIN), |(lo, hi), &x| (lo.min(x), hi.max(x)));
    println!("{min} {max}");
    let z: Vec<String> = data.iter().map(|x| format!("{:.2}", (x - m) / variance.sqrt())).collect();
    println!("{}", z.join(" "));
}

//# a least squares line
//together a borrow crosses statements
fn fit(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len() as f64;
    let (sx, sy) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let sxy: f64 = points.iter().map(|(x, y)| x * y).sum();
    let sxx: f64 = points.iter().map(|(x, _)| x * x).sum();
    let slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    (slope, (sy - slope * sx) / n)
}

fn main() {
    let points: Vec<(f64, f64)> = (0..10).map(|i| { let x = i as f64; (x, 2.0 * x + 1.0 + if i % 2 == 0 { 0.1 } else { -0.1 }) }).collect();
    let (slope, intercept) = fit(&points);
    println!("{slope:.4} {intercept:.4}");
    let predict = |x: f64| slope * x + intercept;
    let worst = points.iter().map(|(x, y)| (predict(*x) - y).abs()).fold(0.0, f64::max);
    println!("{worst:.4} {:.3}", predict(20.0));
}

//# newton and bisection
//together a borrow crosses statements
fn newton(f: impl Fn(f64) -> f64, df: impl Fn(f64) -> f64, mut x: f64) -> Option<f64> {
    for _ in 0..50 { let step = f(x) / df(x); x -= step; if step.abs() < 1e-12 { return Some(x); } }
    None
}
fn bisect(f: &dyn Fn(f64) -> f64, mut a: f64, mut b: f64) -> f64 {
    while b - a > 1e-10 { let m = 0.5 * (a + b); if f(a) * f(m) <= 0.0 { b = m } else { a = m } }
    a
}

fn main() {
    let k = 2.0;
    let f = |x: f64| x * x - k;
    println!("{:.9?}", newton(f, |x| 2.0 * x, 1.0));
    println!("{:.6}", bisect(&f, 0.0, 2.0));
    println!("{:.6}", bisect(&|x| x.cos() - x, 0.0, 1.0));
}

//# numeric integration
fn simpson<F>(f: F, a: f64, b: f64, n: usize) -> f64 where F: Fn(f64) -> f64 {
    let h = (b - a) / n as f64;
    let inner: f64 = (1..n).map(|i| f(a + i as f64 * h) * if i % 2 == 0 { 2.0 } else { 4.0 }).sum();
    h / 3.0 * (f(a) + inner + f(b))
}

fn main() {
    let exponent = 3;
    println!("{:.6}", simpson(|x| x.powi(exponent), 0.0, 2.0, 10));
    println!("{:.6}", simpson(f64::sin, 0.0, std::f64::consts::PI, 100));
    let halves: Vec<String> = [4, 8, 16].iter().map(|&n| format!("{:.5}", simpson(|x| 1.0 / (1.0 + x * x), 0.0, 1.0, n) * 4.0)).collect();
    println!("{halves:?}");
}

//# a pendulum by Runge-Kutta
#[derive(Clone, Copy, Debug)]
struct State { angle: f64, speed: f64 }
fn derivative(s: State) -> State { State { angle: s.speed, speed: -9.81 * s.angle.sin() } }
fn step(s: State, h: f64) -> State {
    let add = |a: State, b: State, k: f64| State { angle: a.angle + k * b.angle, speed: a.speed + k * b.speed };
    let k1 = derivative(s);
    let k2 = derivative(add(s, k1, h / 2.0));
    let k3 = derivative(add(s, k2, h / 2.0));
    let k4 = derivative(add(s, k3, h));
    let sum = add(add(k1, k4, 1.0), add(k2, k3, 1.0), 2.0);
    add(s, sum, h / 6.0)
}

fn main() {
    let mut s = State { angle: 0.5, speed: 0.0 };
    let energy = |s: &State| s.speed * s.speed / 2.0 - 9.81 * s.angle.cos();
    let start = energy(&s);
    for i in 0..200 {
        if i % 50 == 0 { println!("{:.3} {:+.3}", i as f64 * 0.01, s.angle); }
        s = step(s, 0.01);
    }
    println!("{}", (energy(&s) - start).abs() < 1e-6);
}

//# random numbers by hand
struct Lcg(u64);
impl Lcg {
    fn next(&mut self) -> u32 { self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); (self.0 >> 33) as u32 }
    fn unit(&mut self) -> f64 { self.next() as f64 / (1u64 << 31) as f64 }
    fn shuffle<T>(&mut self, v: &mut [T]) { for i in (1..v.len()).rev() { let j = self.next() as usize % (i + 1); v.swap(i, j); } }
}

fn main() {
    let mut rng = Lcg(42);
    let mut cards: Vec<u32> = (1..=10).collect();
    rng.shuffle(&mut cards);
    println!("{}", cards.iter().sum::<u32>());
    let inside = (0..10_000).filter(|_| { let (x, y) = (rng.unit(), rng.unit()); x * x + y * y < 1.0 }).count();
    let pi = 4.0 * inside as f64 / 10_000.0;
    println!("{}", (pi - 3.14).abs() < 0.1);
    let mut again = Lcg(42);
    println!("{} {}", again.next() == Lcg(42).next(), again.unit() < 1.0);
}

//# fractions
use std::cmp::Ordering;
use std::fmt;
use std::ops::*;

fn gcd(a: i64, b: i64) -> i64 { if b == 0 { a.abs() } else { gcd(b, a % b) } }
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frac(i64, i64);
impl Frac { fn new(n: i64, d: i64) -> Frac { let g = gcd(n, d) * d.signum(); Frac(n / g, d / g) } }
impl Add for Frac { type Output = Frac; fn add(self, o: Frac) -> Frac { Frac::new(self.0 * o.1 + o.0 * self.1, self.1 * o.1) } }
impl Mul for Frac { type Output = Frac; fn mul(self, o: Frac) -> Frac { Frac::new(self.0 * o.0, self.1 * o.1) } }
impl Div for Frac { type Output = Frac; fn div(self, o: Frac) -> Frac { Frac::new(self.0 * o.1, self.1 * o.0) } }
impl Neg for Frac { type Output = Frac; fn neg(self) -> Frac { Frac(-self.0, self.1) } }
impl PartialOrd for Frac { fn partial_cmp(&self, o: &Frac) -> Option<Ordering> { (self.0 * o.1).partial_cmp(&(o.0 * self.1)) } }
impl From<i64> for Frac { fn from(n: i64) -> Frac { Frac(n, 1) } }
impl fmt::Display for Frac { fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result { if self.1 == 1 { write!(f, "{}", self.0) } else { write!(f, "{}/{}", self.0, self.1) } } }
impl std::iter::Sum for Frac { fn sum<I: Iterator<Item = Frac>>(i: I) -> Frac { i.fold(Frac(0, 1), Add::add) } }

fn main() {
    let half = Frac::new(1, 2);
    let third = Frac::new(-2, -6);
    println!("{} {} {} {}", half + third, half * third, half / third, -half);
    println!("{} {}", half > third, (1..=4).map(|n| Frac::new(1, n)).sum::<Frac>());
    println!("{}", Frac::from(4) * half);
}

//# big integers by digits
//together a type is inferred from a later statement
fn multiply(digits: &mut Vec<u32>, by: u32) {
    let mut carry = 0;
    for d in digits.iter_mut() { let n = *d * by + carry; *d = n % 10; carry = n / 10; }
    while carry > 0 { digits.push(carry % 10); carry /= 10; }
}
fn add(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (mut out, mut carry) = (vec![], 0);
    for i in 0..a.len().max(b.len()) { let n = a.get(i).unwrap_or(&0) + b.get(i).unwrap_or(&0) + carry; out.push(n % 10); carry = n / 10; }
    if carry > 0 { out.push(carry); }
    out
}
fn show(d: &[u32]) -> String { d.iter().rev().map(|d| char::from_digit(*d, 10).unwrap()).collect() }

fn main() {
    let mut factorial = vec![1];
    for n in 2..=30 { multiply(&mut factorial, n); }
    println!("{}", show(&factorial));
    let (mut a, mut b) = (vec![0], vec![1]);
    for _ in 0..100 { let c = add(&a, &b); a = b; b = c; }
    println!("{}", show(&a));
}

//# a tensor with strides
#[derive(Debug, Clone)]
struct Tensor3 { data: Vec<f32>, shape: [usize; 3] }
impl Tensor3 {
    fn from_fn(shape: [usize; 3], f: impl Fn(usize, usize, usize) -> f32) -> Self {
        let mut data = Vec::with_capacity(shape.iter().product());
        for i in 0..shape[0] { for j in 0..shape[1] { for k in 0..shape[2] { data.push(f(i, j, k)); } } }
        Tensor3 { data, shape }
    }
    fn at(&self, i: usize, j: usize, k: usize) -> f32 { self.data[(i * self.shape[1] + j) * self.shape[2] + k] }
    fn sum_axis0(&self) -> Vec<f32> { let n = self.shape[1] * self.shape[2]; self.data.chunks_exact(n).fold(vec![0.0; n], |mut a, c| { a.iter_mut().zip(c).for_each(|(x, y)| *x += y); a }) }
}

fn main() {
    let t = Tensor3::from_fn([2, 2, 3], |i, j, k| (100 * i + 10 * j + k) as f32);
    println!("{} {:?}", t.at(1, 0, 2), t.sum_axis0());
    let scaled = Tensor3 { data: t.data.iter().map(|x| x / 2.0).collect(), ..t };
    println!("{:?} {}", scaled.shape, scaled.data.iter().copied().fold(0.0, f32::max));
}
