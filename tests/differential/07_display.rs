//# the last expression is shown
1 + 2
//=> 3

//# a statement shows nothing
let x = 1;
//--
x;

//# nothing is shown for ()
println!("only this")
//> only this

//# an empty cell

//# a cell of comments
// nothing to do
/* nothing
   here, either */

//# strings are shown as Debug shows them
"a \"quoted\" line\n"
//=> "a \"quoted\" line\n"

//# the length of a long list
(0..60).map(|n| n * 1000).collect::<Vec<i32>>().len()
//=> 60

//# nested values
vec![Some((1, "a")), None]
//=> [Some((1, "a")), None]

//# print, println, eprintln
print!("a"); print!("b"); println!("c"); eprintln!("to stderr");
//> abc

//# lines in a loop
for i in 0..3 { println!("line {i}"); }
//> line 0
//> line 1
//> line 2

//# output and a result
println!("first"); 5
//> first
//=> 5

//# text without a newline before a result
print!("no end"); 7
//> no end
//=> 7

//# dbg returns its value
dbg!(2 * 3) + 1
//=> 7

//# a result that borrows a variable
let list = vec![1, 2, 3];
//--
&list[1..]
//=> [2, 3]
//--
list
//=> [1, 2, 3]

//# a result that moves a variable
let owned = String::from("a");
//--
owned
//=> "a"

//# the variable that was shown is still there
let shown = vec![1];
//--
shown
//=> [1]
//--
shown
//=> [1]

//# a type without Debug
//evcxr evcxr makes a compile error of a value that has no Debug; ours shows the name of its type
struct Plain;
Plain
//=> a value of type cell::Plain (derive Debug to see it)

//# a function as a result
fn f(x: i32) -> i32 { x }
f(1);
f as fn(i32) -> i32 == f as fn(i32) -> i32
//=> true

//# if without else as the last statement
if true { println!("yes") }
//> yes

//# a block as the result
{ let a = 1; a + 1 }
//=> 2

//# a match as the result
match 5 { n if n > 3 => "large", _ => "small" }
//=> "large"

//# an unsafe block
let x = 7; let p = &x as *const i32;
unsafe { *p }
//=> 7

//# a type shows itself by evcxr_display
pub struct Matrix { rows: Vec<Vec<i32>> }
impl Matrix {
    pub fn evcxr_display(&self) {
        let body: String = self.rows.iter().map(|row| format!("<tr>{}</tr>", row.iter().map(|x| format!("<td>{x}</td>")).collect::<String>())).collect();
        println!("EVCXR_BEGIN_CONTENT text/html\n<table>{body}</table>\nEVCXR_END_CONTENT");
    }
}
//--
Matrix { rows: vec![vec![1, 2], vec![3, 4]] }
//@ text/html <table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>

//# evcxr_display of a variable, with two forms
struct Both;
impl Both { fn evcxr_display(&self) { println!("EVCXR_BEGIN_CONTENT text/plain\nplain\nEVCXR_END_CONTENT\nEVCXR_BEGIN_CONTENT text/markdown\n**rich**\nEVCXR_END_CONTENT"); } }
let both = Both;
//--
both
//@ text/plain plain
//@ text/markdown **rich**

//# text around a marked content
println!("before\nEVCXR_BEGIN_CONTENT text/html\n<b>bold</b>\nEVCXR_END_CONTENT\nafter");
//> before
//> after
//@ text/html <b>bold</b>

//# Unicode
"naïve 日本 🦀".chars().count()
//=> 10

//# a long output
println!("{}", "x".repeat(5000).len());
//> 5000
