//# a hand-written executor
//together a type has no name
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop { if let Poll::Ready(value) = future.as_mut().poll(&mut context) { return value; } }
}
async fn add(a: i32, b: i32) -> i32 { a + b }
async fn twice(n: i32) -> i32 { let x = add(n, n).await; add(x, 1).await }

fn main() {
    println!("{}", block_on(twice(20)));
    let text = String::from("captured");
    println!("{}", block_on(async { text.len() + 1 }));
    let moved = async move { text + "!" };
    println!("{}", block_on(moved));
}

//# a future of one's own
use std::future::Future;
use std::pin::{pin, Pin};
use std::task::{Context, Poll, Waker};

struct Countdown { left: u32, polls: u32 }
impl Future for Countdown {
    type Output = u32;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        self.polls += 1;
        if self.left == 0 { Poll::Ready(self.polls) } else { self.left -= 1; cx.waker().wake_by_ref(); Poll::Pending }
    }
}
fn run<T>(f: impl Future<Output = T>) -> (T, usize) {
    let mut f = pin!(f);
    let mut cx = Context::from_waker(Waker::noop());
    let mut n = 0;
    loop { n += 1; if let Poll::Ready(v) = f.as_mut().poll(&mut cx) { return (v, n); } }
}

fn main() {
    println!("{:?}", run(Countdown { left: 3, polls: 0 }));
    let both = async { Countdown { left: 1, polls: 0 }.await + Countdown { left: 2, polls: 0 }.await };
    println!("{:?}", run(both));
}

//# an executor with wakers and threads
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);
impl Wake for Unpark { fn wake(self: Arc<Self>) { self.0.unpark(); } }
fn block_on<F: Future>(f: F) -> F::Output {
    let mut f = pin!(f);
    let waker: Waker = Arc::new(Unpark(thread::current())).into();
    let mut cx = Context::from_waker(&waker);
    loop { match f.as_mut().poll(&mut cx) { Poll::Ready(v) => return v, Poll::Pending => thread::park() } }
}
#[derive(Default)]
struct Slot<T> { value: Option<T>, waker: Option<Waker> }
fn in_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> impl Future<Output = T> {
    let slot = Arc::new(Mutex::new(Slot { value: None, waker: None }));
    let other = slot.clone();
    thread::spawn(move || { let v = f(); let mut s = other.lock().unwrap(); s.value = Some(v); if let Some(w) = s.waker.take() { w.wake() } });
    std::future::poll_fn(move |cx| { let mut s = slot.lock().unwrap(); match s.value.take() { Some(v) => Poll::Ready(v), None => { s.waker = Some(cx.waker().clone()); Poll::Pending } } })
}

fn main() {
    let total = block_on(async {
        let a = in_thread(|| (1..=100).sum::<i32>());
        let b = in_thread(|| "thread".len() as i32);
        a.await + b.await
    });
    println!("{total}");
}

//# tasks that take turns
//together a type is inferred from a later statement
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;
#[derive(Default, Clone)]
struct Executor { queue: Rc<RefCell<VecDeque<Task>>> }
impl Executor {
    fn spawn(&self, f: impl Future<Output = ()> + 'static) { self.queue.borrow_mut().push_back(Box::pin(f)); }
    fn run(&self) {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let Some(mut task) = self.queue.borrow_mut().pop_front() else { break };
            if task.as_mut().poll(&mut cx).is_pending() { self.queue.borrow_mut().push_back(task); }
        }
    }
}
async fn yield_now() { let mut done = false; std::future::poll_fn(|_| if done { Poll::Ready(()) } else { done = true; Poll::Pending }).await }

fn main() {
    let executor = Executor::default();
    let log = Rc::new(RefCell::new(vec![]));
    for name in ["a", "b"] {
        let log = log.clone();
        executor.spawn(async move { for i in 0..3 { log.borrow_mut().push(format!("{name}{i}")); yield_now().await; } });
    }
    let inner = executor.clone();
    executor.spawn(async move { inner.spawn(async { println!("spawned inside"); }); });
    executor.run();
    println!("{}", log.borrow().join(" "));
}

//# question mark inside of async blocks
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
fn ready<F: Future>(f: F) -> F::Output { match pin!(f).poll(&mut Context::from_waker(Waker::noop())) { Poll::Ready(v) => v, Poll::Pending => panic!("pending") } }
async fn parse(s: &str) -> Result<i32, std::num::ParseIntError> { s.parse() }
async fn sum(texts: &[&str]) -> Result<i32, Box<dyn std::error::Error>> {
    let mut total = 0;
    for t in texts { total += parse(t).await?; }
    if total < 0 { return Err("negative".into()); }
    Ok(total)
}

fn main() {
    println!("{:?}", ready(sum(&["1", "2"])).ok());
    println!("{}", ready(sum(&["1", "x"])).unwrap_err());
    println!("{}", ready(sum(&["-5"])).unwrap_err());
    let r: Result<i32, String> = ready(async { let n = parse("7").await.map_err(|e| e.to_string())?; Ok(n * 6) });
    println!("{r:?}");
}

//# async closures and async fn in traits
//together a type is inferred from a later statement
use std::future::{ready, Future};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
fn now<F: Future>(f: F) -> F::Output { match pin!(f).poll(&mut Context::from_waker(Waker::noop())) { Poll::Ready(v) => v, Poll::Pending => unreachable!() } }
trait Source { async fn next(&mut self) -> Option<u32>; fn name(&self) -> impl Future<Output = String> + '_; }
struct Numbers { at: u32, label: String }
impl Source for Numbers {
    async fn next(&mut self) -> Option<u32> { self.at += 1; (self.at < 4).then_some(self.at) }
    fn name(&self) -> impl Future<Output = String> + '_ { ready(self.label.to_uppercase()) }
}
async fn each<S: Source>(mut s: S, mut f: impl AsyncFnMut(u32)) -> String { while let Some(n) = s.next().await { f(n).await; } s.name().await }

fn main() {
    let mut seen = vec![];
    let name = now(each(Numbers { at: 0, label: "abc".into() }, async |n| seen.push(n * 10)));
    println!("{name} {seen:?}");
    let double = async |x: i32| x * 2;
    println!("{}", now(async { double(4).await + double(1).await }));
}

//# join and select by hand
use std::future::{poll_fn, Future};
use std::pin::{pin, Pin};
use std::task::{Context, Poll, Waker};
struct After(u32, &'static str);
impl Future for After { type Output = &'static str; fn poll(mut self: Pin<&mut Self>, _: &mut Context) -> Poll<&'static str> { if self.0 == 0 { Poll::Ready(self.1) } else { self.0 -= 1; Poll::Pending } } }
async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut x, mut y) = (None, None);
    poll_fn(|cx| {
        if x.is_none() { if let Poll::Ready(v) = a.as_mut().poll(cx) { x = Some(v) } }
        if y.is_none() { if let Poll::Ready(v) = b.as_mut().poll(cx) { y = Some(v) } }
        if x.is_some() && y.is_some() { Poll::Ready((x.take().unwrap(), y.take().unwrap())) } else { Poll::Pending }
    }).await
}
async fn first<T>(a: impl Future<Output = T>, b: impl Future<Output = T>) -> T {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| match a.as_mut().poll(cx) { Poll::Ready(v) => Poll::Ready(v), Poll::Pending => b.as_mut().poll(cx) }).await
}
fn spin<F: Future>(f: F) -> (F::Output, u32) { let mut f = pin!(f); let mut n = 0; loop { n += 1; if let Poll::Ready(v) = f.as_mut().poll(&mut Context::from_waker(Waker::noop())) { return (v, n); } } }

fn main() {
    println!("{:?}", spin(join(After(3, "slow"), After(1, "fast"))));
    println!("{:?}", spin(first(After(5, "a"), After(2, "b"))));
}

//# boxed futures in a vector
//together a borrow crosses statements
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
type Boxed<'a> = Pin<Box<dyn Future<Output = String> + 'a>>;
fn later<'a>(name: &'a str, turns: u32) -> Boxed<'a> {
    let mut left = turns;
    Box::pin(std::future::poll_fn(move |_| if left == 0 { Poll::Ready(format!("{name} after {turns}")) } else { left -= 1; Poll::Pending }))
}

fn main() {
    let names = vec!["x".to_string(), "y".to_string(), "z".to_string()];
    let mut tasks: Vec<Boxed> = names.iter().zip([2, 0, 1]).map(|(n, t)| later(n, t)).collect();
    let mut cx = Context::from_waker(Waker::noop());
    let mut round = 0;
    while !tasks.is_empty() {
        tasks.retain_mut(|t| match t.as_mut().poll(&mut cx) { Poll::Ready(s) => { println!("round {round}: {s}"); false } Poll::Pending => true });
        round += 1;
    }
    println!("{} names", names.len());
}
