//# guess the number, with the guesses given
//together a type is inferred from a later statement
use std::cmp::Ordering;

fn main() {
    let secret = 42;
    let guesses = ["50", "abc", "25", "42", "1"];
    for (n, guess) in guesses.iter().enumerate() {
        let guess: u32 = match guess.trim().parse() {
            Ok(num) => num,
            Err(_) => continue,
        };
        println!("You guessed: {guess}");
        match guess.cmp(&secret) {
            Ordering::Less => println!("Too small!"),
            Ordering::Greater => println!("Too big!"),
            Ordering::Equal => {
                println!("You win after {}!", n + 1);
                break;
            }
        }
    }
}

//# temperatures
fn to_celsius(f: f64) -> f64 {
    (f - 32.0) * 5.0 / 9.0
}

fn main() {
    let mut f = 0.0;
    while f <= 212.0 {
        println!("{:5.1} F = {:6.2} C", f, to_celsius(f));
        f += 53.0;
    }
}

//# the twelve days
fn main() {
    let days = ["first", "second", "third", "fourth"];
    let gifts = ["a partridge in a pear tree", "two turtle doves", "three french hens", "four calling birds"];
    for (i, day) in days.iter().enumerate() {
        println!("On the {day} day:");
        for j in (0..=i).rev() {
            let prefix = if j == 0 && i > 0 { "and " } else { "" };
            println!("  {prefix}{}", gifts[j]);
        }
    }
}

//# rectangles
//together a type is inferred from a later statement
#[derive(Debug)]
struct Rectangle {
    width: u32,
    height: u32,
}

impl Rectangle {
    fn square(size: u32) -> Self {
        Self { width: size, height: size }
    }
    fn area(&self) -> u32 {
        self.width * self.height
    }
    fn can_hold(&self, other: &Rectangle) -> bool {
        self.width > other.width && self.height > other.height
    }
}

fn main() {
    let scale = 2;
    let rect1 = Rectangle { width: dbg!(30 * scale), height: 50 };
    let rect2 = Rectangle::square(40);
    println!("rect1 is {rect1:?}");
    println!("{} square pixels", rect1.area());
    println!("Can rect1 hold rect2? {}", rect1.can_hold(&rect2));
    println!("{rect2:#?}");
}

//# ownership and functions
fn main() {
    let s = String::from("hello");
    takes_ownership(s);
    let x = 5;
    makes_copy(x);
    println!("{x}");
    let s1 = gives_ownership();
    let s2 = String::from("back");
    let s3 = takes_and_gives_back(s2);
    println!("{s1} {s3}");
    let (s4, len) = calculate_length(s3);
    println!("The length of '{s4}' is {len}.");
}

fn takes_ownership(some_string: String) {
    println!("{some_string}");
}

fn makes_copy(some_integer: i32) {
    println!("{some_integer}");
}

fn gives_ownership() -> String {
    let some_string = String::from("yours");
    some_string
}

fn takes_and_gives_back(a_string: String) -> String {
    a_string
}

fn calculate_length(s: String) -> (String, usize) {
    let length = s.len();
    (s, length)
}

//# references and slices
//together a borrow crosses statements
fn main() {
    let mut s = String::from("hello");
    let len = calculate_length(&s);
    println!("{len}");
    change(&mut s);
    let r1 = &s;
    let r2 = &s;
    println!("{r1} and {r2}");
    let r3 = &mut s;
    r3.push('!');
    println!("{r3}");
    let word = first_word(&s);
    println!("{word}");
    let a = [1, 2, 3, 4, 5];
    let slice = &a[1..3];
    assert_eq!(slice, &[2, 3]);
    println!("{slice:?}");
}

fn calculate_length(s: &String) -> usize {
    s.len()
}

fn change(some_string: &mut String) {
    some_string.push_str(", world");
}

fn first_word(s: &str) -> &str {
    let bytes = s.as_bytes();
    for (i, &item) in bytes.iter().enumerate() {
        if item == b' ' {
            return &s[0..i];
        }
    }
    &s[..]
}

//# enums and coins
#[derive(Debug)]
enum UsState {
    Alabama,
    Alaska,
}

enum Coin {
    Penny,
    Nickel,
    Dime,
    Quarter(UsState),
}

fn value_in_cents(coin: &Coin) -> u8 {
    match coin {
        Coin::Penny => {
            println!("Lucky penny!");
            1
        }
        Coin::Nickel => 5,
        Coin::Dime => 10,
        Coin::Quarter(state) => {
            println!("State quarter from {state:?}!");
            25
        }
    }
}

fn plus_one(x: Option<i32>) -> Option<i32> {
    match x {
        None => None,
        Some(i) => Some(i + 1),
    }
}

fn main() {
    let coins = vec![Coin::Penny, Coin::Quarter(UsState::Alaska), Coin::Dime, Coin::Nickel, Coin::Quarter(UsState::Alabama)];
    let total: u32 = coins.iter().map(|c| value_in_cents(c) as u32).sum();
    println!("{total}");
    let five = Some(5);
    let six = plus_one(five);
    let none = plus_one(None);
    println!("{six:?} {none:?}");
    let mut count = 0;
    for coin in &coins {
        if let Coin::Quarter(state) = coin {
            println!("{state:?}");
        } else {
            count += 1;
        }
    }
    println!("{count}");
}

//# median and mode
//together a borrow crosses statements
use std::collections::HashMap;

fn main() {
    let mut numbers = vec![3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
    numbers.sort();
    let median = numbers[numbers.len() / 2];
    let mut occurrences = HashMap::new();
    for n in &numbers {
        *occurrences.entry(n).or_insert(0) += 1;
    }
    let mode = occurrences.iter().max_by_key(|(_, count)| **count).map(|(n, _)| n).unwrap();
    println!("median {median}, mode {mode}");
    let mean = numbers.iter().sum::<i32>() as f32 / numbers.len() as f32;
    println!("mean {mean:.2}");
}

//# a company directory by commands
//together a borrow crosses statements
use std::collections::HashMap;

fn main() {
    let commands = "Add Sally to Engineering\nAdd Amir to Sales\nAdd Bob to Engineering\nFire Bob\nList Engineering";
    let mut directory: HashMap<String, Vec<String>> = HashMap::new();
    for command in commands.lines() {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["Add", name, "to", department] => {
                let people = directory.entry(department.to_string()).or_insert_with(Vec::new);
                people.push(name.to_string());
                people.sort();
            }
            ["List", department] => {
                if let Some(people) = directory.get(*department) {
                    println!("{department}: {}", people.join(", "));
                }
            }
            _ => println!("What is {command:?}?"),
        }
    }
    let mut departments: Vec<_> = directory.keys().collect();
    departments.sort();
    println!("{departments:?}");
}

//# generic largest and a summary trait
//together a borrow crosses statements
pub trait Summary {
    fn summarize_author(&self) -> String;
    fn summarize(&self) -> String {
        format!("(Read more from {}...)", self.summarize_author())
    }
}

pub struct Post {
    pub username: String,
    pub content: String,
}

pub struct Article {
    pub headline: String,
    pub author: String,
}

impl Summary for Post {
    fn summarize_author(&self) -> String {
        format!("@{}", self.username)
    }
}

impl Summary for Article {
    fn summarize_author(&self) -> String {
        self.author.clone()
    }
    fn summarize(&self) -> String {
        format!("{}, by {}", self.headline, self.author)
    }
}

fn notify(item: &impl Summary) {
    println!("Breaking news! {}", item.summarize());
}

fn largest<T: PartialOrd>(list: &[T]) -> &T {
    let mut largest = &list[0];
    for item in list {
        if item > largest {
            largest = item;
        }
    }
    largest
}

fn main() {
    let post = Post { username: String::from("horse_ebooks"), content: String::from("of course") };
    println!("1 new post: {} {}", post.summarize(), post.content.len());
    let article = Article { headline: "Cup won".to_string(), author: "Ann".to_string() };
    notify(&article);
    notify(&post);
    let number_list = vec![34, 50, 25, 100, 65];
    let result = largest(&number_list);
    println!("The largest number is {result}");
    let char_list = vec!['y', 'm', 'a', 'q'];
    let result = largest(&char_list);
    println!("The largest char is {result}");
}

//# longest with announcement
use std::fmt::Display;

fn longest_with_an_announcement<'a, T>(x: &'a str, y: &'a str, ann: T) -> &'a str
where
    T: Display,
{
    println!("Announcement! {ann}");
    if x.len() > y.len() { x } else { y }
}

fn main() {
    let string1 = String::from("long string is long");
    {
        let string2 = String::from("xyz");
        let result = longest_with_an_announcement(string1.as_str(), string2.as_str(), 42);
        println!("The longest string is {result}");
    }
    let s: &'static str = "I have a static lifetime.";
    println!("{s}");
}

//# shirts and closures
//together a borrow crosses statements
use std::thread;

#[derive(Debug, PartialEq, Copy, Clone)]
enum ShirtColor {
    Red,
    Blue,
}

struct Inventory {
    shirts: Vec<ShirtColor>,
}

impl Inventory {
    fn giveaway(&self, user_preference: Option<ShirtColor>) -> ShirtColor {
        user_preference.unwrap_or_else(|| self.most_stocked())
    }

    fn most_stocked(&self) -> ShirtColor {
        let mut num_red = 0;
        let mut num_blue = 0;
        for color in &self.shirts {
            match color {
                ShirtColor::Red => num_red += 1,
                ShirtColor::Blue => num_blue += 1,
            }
        }
        if num_red > num_blue { ShirtColor::Red } else { ShirtColor::Blue }
    }
}

fn main() {
    let store = Inventory { shirts: vec![ShirtColor::Blue, ShirtColor::Red, ShirtColor::Blue] };
    let user_pref1 = Some(ShirtColor::Red);
    let giveaway1 = store.giveaway(user_pref1);
    println!("{user_pref1:?} gets {giveaway1:?}");
    println!("{:?}", store.giveaway(None));
    let list = vec![1, 2, 3];
    println!("Before defining closure: {list:?}");
    let only_borrows = || println!("From closure: {list:?}");
    println!("Before calling closure: {list:?}");
    only_borrows();
    thread::spawn(move || println!("From thread: {list:?}")).join().unwrap();
    let mut list = vec![1, 2, 3];
    let mut borrows_mutably = || list.push(7);
    borrows_mutably();
    println!("After calling closure: {list:?}");
}

//# a blog post in states
pub struct Post {
    state: Option<Box<dyn State>>,
    content: String,
}

trait State {
    fn request_review(self: Box<Self>) -> Box<dyn State>;
    fn approve(self: Box<Self>) -> Box<dyn State>;
    fn content<'a>(&self, _post: &'a Post) -> &'a str {
        ""
    }
}

struct Draft {}
struct PendingReview {}
struct Published {}

impl State for Draft {
    fn request_review(self: Box<Self>) -> Box<dyn State> {
        Box::new(PendingReview {})
    }
    fn approve(self: Box<Self>) -> Box<dyn State> {
        self
    }
}

impl State for PendingReview {
    fn request_review(self: Box<Self>) -> Box<dyn State> {
        self
    }
    fn approve(self: Box<Self>) -> Box<dyn State> {
        Box::new(Published {})
    }
}

impl State for Published {
    fn request_review(self: Box<Self>) -> Box<dyn State> {
        self
    }
    fn approve(self: Box<Self>) -> Box<dyn State> {
        self
    }
    fn content<'a>(&self, post: &'a Post) -> &'a str {
        &post.content
    }
}

impl Post {
    pub fn new() -> Post {
        Post { state: Some(Box::new(Draft {})), content: String::new() }
    }
    pub fn add_text(&mut self, text: &str) {
        self.content.push_str(text);
    }
    pub fn content(&self) -> &str {
        self.state.as_ref().unwrap().content(self)
    }
    pub fn request_review(&mut self) {
        if let Some(s) = self.state.take() {
            self.state = Some(s.request_review())
        }
    }
    pub fn approve(&mut self) {
        if let Some(s) = self.state.take() {
            self.state = Some(s.approve())
        }
    }
}

fn main() {
    let mut post = Post::new();
    post.add_text("I ate a salad for lunch today");
    assert_eq!("", post.content());
    post.request_review();
    assert_eq!("", post.content());
    post.approve();
    println!("{:?}", post.content());
}

//# cons lists with Rc and RefCell
#[derive(Debug)]
enum List {
    Cons(Rc<RefCell<i32>>, Rc<List>),
    Nil,
}

use crate::List::{Cons, Nil};
use std::cell::RefCell;
use std::rc::Rc;

fn main() {
    let value = Rc::new(RefCell::new(5));
    let a = Rc::new(Cons(Rc::clone(&value), Rc::new(Nil)));
    let b = Cons(Rc::new(RefCell::new(3)), Rc::clone(&a));
    let c = Cons(Rc::new(RefCell::new(4)), Rc::clone(&a));
    *value.borrow_mut() += 10;
    println!("a after = {a:?}");
    println!("b after = {b:?}");
    println!("c after = {c:?}");
}

//# a limit tracker with a mock
//together a borrow crosses statements
use std::cell::RefCell;

pub trait Messenger {
    fn send(&self, msg: &str);
}

pub struct LimitTracker<'a, T: Messenger> {
    messenger: &'a T,
    value: usize,
    max: usize,
}

impl<'a, T> LimitTracker<'a, T>
where
    T: Messenger,
{
    pub fn new(messenger: &'a T, max: usize) -> LimitTracker<'a, T> {
        LimitTracker { messenger, value: 0, max }
    }

    pub fn set_value(&mut self, value: usize) {
        self.value = value;
        let percentage_of_max = self.value as f64 / self.max as f64;
        if percentage_of_max >= 1.0 {
            self.messenger.send("Error: You are over your quota!");
        } else if percentage_of_max >= 0.75 {
            self.messenger.send("Warning: You've used up over 75% of your quota!");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing() {
        assert!(true);
    }
}

struct MockMessenger {
    sent_messages: RefCell<Vec<String>>,
}

impl Messenger for MockMessenger {
    fn send(&self, message: &str) {
        self.sent_messages.borrow_mut().push(String::from(message));
    }
}

fn main() {
    let mock = MockMessenger { sent_messages: RefCell::new(vec![]) };
    let mut tracker = LimitTracker::new(&mock, 100);
    tracker.set_value(80);
    tracker.set_value(120);
    for m in mock.sent_messages.borrow().iter() {
        println!("{m}");
    }
}

//# grades
//together a borrow crosses statements
#[derive(Debug)]
struct Student {
    name: String,
    grades: Vec<u32>,
}

fn average(grades: &[u32]) -> Option<f64> {
    if grades.is_empty() {
        return None;
    }
    Some(grades.iter().sum::<u32>() as f64 / grades.len() as f64)
}

fn letter(average: f64) -> char {
    match average as u32 {
        90..=100 => 'A',
        80..=89 => 'B',
        70..=79 => 'C',
        _ => 'F',
    }
}

fn main() {
    let students = vec![
        Student { name: "Ann".to_string(), grades: vec![95, 88, 92] },
        Student { name: "Bob".to_string(), grades: vec![70, 75] },
        Student { name: "Cid".to_string(), grades: vec![] },
    ];
    for student in &students {
        match average(&student.grades) {
            Some(avg) => println!("{:<5}{:6.2} {}", student.name, avg, letter(avg)),
            None => println!("{:<5}no grades", student.name),
        }
    }
    let best = students.iter().filter_map(|s| average(&s.grades).map(|a| (s, a))).max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((student, _)) = best {
        println!("best: {}", student.name);
    }
}

//# a bank with errors
use std::collections::HashMap;
use std::fmt;

#[derive(Debug)]
enum BankError {
    NoAccount(u32),
    Insufficient { needed: u64, available: u64 },
}

impl fmt::Display for BankError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            BankError::NoAccount(id) => write!(f, "account {id} does not exist"),
            BankError::Insufficient { needed, available } => write!(f, "{needed} needed, {available} there"),
        }
    }
}

struct Bank {
    accounts: HashMap<u32, u64>,
    next: u32,
}

impl Bank {
    fn new() -> Self {
        Bank { accounts: HashMap::new(), next: 1 }
    }
    fn open(&mut self, amount: u64) -> u32 {
        let id = self.next;
        self.next += 1;
        self.accounts.insert(id, amount);
        id
    }
    fn transfer(&mut self, from: u32, to: u32, amount: u64) -> Result<(), BankError> {
        if !self.accounts.contains_key(&to) {
            return Err(BankError::NoAccount(to));
        }
        let source = self.accounts.get_mut(&from).ok_or(BankError::NoAccount(from))?;
        if *source < amount {
            return Err(BankError::Insufficient { needed: amount, available: *source });
        }
        *source -= amount;
        *self.accounts.get_mut(&to).unwrap() += amount;
        Ok(())
    }
}

fn main() {
    let mut bank = Bank::new();
    let a = bank.open(100);
    let b = bank.open(20);
    for (from, to, amount) in [(a, b, 70), (a, b, 70), (a, 99, 1), (98, b, 1)] {
        match bank.transfer(from, to, amount) {
            Ok(()) => println!("moved {amount}"),
            Err(e) => println!("error: {e}"),
        }
    }
    println!("{} {}", bank.accounts[&a], bank.accounts[&b]);
}

//# a to-do list
//together a borrow crosses statements
#[derive(Debug, Clone, PartialEq)]
enum Status {
    Open,
    Done,
}

#[derive(Debug, Clone)]
struct Todo {
    id: usize,
    title: String,
    status: Status,
}

struct List {
    todos: Vec<Todo>,
}

impl List {
    fn add(&mut self, title: &str) -> usize {
        let id = self.todos.len() + 1;
        self.todos.push(Todo { id, title: title.to_string(), status: Status::Open });
        id
    }
    fn find(&mut self, id: usize) -> Option<&mut Todo> {
        self.todos.iter_mut().find(|t| t.id == id)
    }
    fn open(&self) -> impl Iterator<Item = &Todo> {
        self.todos.iter().filter(|t| t.status == Status::Open)
    }
}

fn main() {
    let mut list = List { todos: vec![] };
    list.add("learn Rust");
    let milk = list.add("buy milk");
    list.add("sleep");
    if let Some(todo) = list.find(milk) {
        todo.status = Status::Done;
        todo.title.push_str(" (2 l)");
    }
    println!("{}", list.find(77).is_none());
    for todo in list.open() {
        println!("[ ] {} {}", todo.id, todo.title);
    }
    let done: Vec<_> = list.todos.iter().filter(|t| t.status == Status::Done).map(|t| t.title.as_str()).collect();
    println!("{done:?}");
}
