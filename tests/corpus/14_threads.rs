//# spawned threads return values
use std::thread;

fn main() {
    let handles: Vec<thread::JoinHandle<u64>> = (1..=4).map(|n| thread::spawn(move || (1..=n * 1000).sum())).collect();
    let sums: Vec<u64> = handles.into_iter().map(|h| h.join().unwrap()).collect();
    println!("{sums:?}");
}

//# a mutex shared by Arc
//together a type is inferred from a later statement
use std::sync::{Arc, Mutex};
use std::thread;

fn main() {
    let counter = Arc::new(Mutex::new(0));
    let mut handles = vec![];
    for i in 0..8 {
        let counter = Arc::clone(&counter);
        handles.push(thread::spawn(move || {
            for _ in 0..100 { *counter.lock().unwrap() += i; }
        }));
    }
    for handle in handles { handle.join().unwrap(); }
    println!("{}", *counter.lock().unwrap());
    println!("{}", Arc::strong_count(&counter));
}

//# messages over a channel
//together a type is inferred from a later statement
use std::sync::mpsc;
use std::thread;

fn main() {
    let (tx, rx) = mpsc::channel();
    for id in 0..3 {
        let tx = tx.clone();
        thread::spawn(move || { for n in 0..3 { tx.send(id * 10 + n).unwrap(); } });
    }
    drop(tx);
    let mut all: Vec<i32> = rx.iter().collect();
    all.sort();
    println!("{all:?}");
    println!("{:?}", rx.recv());
}

//# a bounded channel and its errors
use std::sync::mpsc::{sync_channel, RecvTimeoutError, TryRecvError, TrySendError};
use std::time::Duration;

fn main() {
    let (tx, rx) = sync_channel::<u8>(1);
    println!("{:?}", tx.try_send(1));
    println!("{}", matches!(tx.try_send(2), Err(TrySendError::Full(2))));
    println!("{:?} {}", rx.try_recv(), rx.try_recv() == Err(TryRecvError::Empty));
    println!("{}", rx.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout));
    drop(tx);
    println!("{:?}", rx.try_recv());
}

//# a pipeline of threads
//together a type is inferred from a later statement
use std::sync::mpsc::{channel, Receiver};
use std::thread;

fn stage<A: Send + 'static, B: Send + 'static>(input: Receiver<A>, f: impl Fn(A) -> B + Send + 'static) -> Receiver<B> {
    let (tx, rx) = channel();
    thread::spawn(move || for x in input { if tx.send(f(x)).is_err() { break; } });
    rx
}

fn main() {
    let (tx, rx) = channel();
    let words = stage(rx, |s: &str| s.to_uppercase());
    let lengths = stage(words, |s| (s.len(), s));
    for w in ["one", "three", "seventeen"] { tx.send(w).unwrap(); }
    drop(tx);
    for (n, word) in lengths { println!("{n} {word}"); }
}

//# scoped threads write into chunks
//together a type is inferred from a later statement
use std::thread;

fn main() {
    let mut data: Vec<u32> = (0..10).collect();
    let factor = 3;
    thread::scope(|s| {
        for (i, chunk) in data.chunks_mut(4).enumerate() {
            s.spawn(move || for x in chunk { *x = *x * factor + i as u32; });
        }
    });
    println!("{data:?}");
    let total = thread::scope(|s| {
        let handles: Vec<_> = data.chunks(5).map(|c| s.spawn(move || c.iter().sum::<u32>())).collect();
        handles.into_iter().map(|h| h.join().unwrap()).sum::<u32>()
    });
    println!("{total}");
}

//# scoped threads with a shared mutex and a counter
//together a type is inferred from a later statement
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;

fn main() {
    let words = ["a", "bb", "a", "ccc", "bb", "a"];
    let seen = Mutex::new(std::collections::BTreeMap::new());
    let done = AtomicUsize::new(0);
    thread::scope(|s| {
        for word in &words {
            let (seen, done) = (&seen, &done);
            s.spawn(move || {
                *seen.lock().unwrap().entry(*word).or_insert(0) += 1;
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    println!("{:?} {}", seen.lock().unwrap(), done.load(Ordering::Relaxed));
    let seen = seen.into_inner().unwrap();
    println!("{}", seen.len());
}

//# a read-write lock
use std::sync::{Arc, RwLock};
use std::thread;

fn main() {
    let config = Arc::new(RwLock::new(vec![1, 2, 3]));
    {
        let r1 = config.read().unwrap();
        let r2 = config.read().unwrap();
        println!("{} {}", r1.len(), r2[0]);
        println!("{}", config.try_write().is_err());
    }
    let writer = { let config = config.clone(); thread::spawn(move || config.write().unwrap().push(4)) };
    writer.join().unwrap();
    println!("{:?}", config.read().unwrap());
}

//# a condition variable
//together a borrow crosses statements
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

fn main() {
    let pair = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    let other = Arc::clone(&pair);
    let producer = thread::spawn(move || {
        let (lock, ready) = &*other;
        for n in 1..=3 { lock.lock().unwrap().push(n); ready.notify_one(); }
    });
    let (lock, ready) = &*pair;
    let mut items = lock.lock().unwrap();
    while items.len() < 3 { items = ready.wait(items).unwrap(); }
    println!("{items:?}");
    drop(items);
    producer.join().unwrap();
    let guard = ready.wait_while(lock.lock().unwrap(), |list| list.is_empty()).unwrap();
    println!("{}", guard.len());
}

//# a barrier
//together a type is inferred from a later statement
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

fn main() {
    let barrier = Arc::new(Barrier::new(3));
    let log = Arc::new(Mutex::new(Vec::new()));
    let handles: Vec<_> = (0..3).map(|_| {
        let (barrier, log) = (barrier.clone(), log.clone());
        thread::spawn(move || {
            log.lock().unwrap().push("before");
            let leader = barrier.wait().is_leader();
            log.lock().unwrap().push("after");
            leader
        })
    }).collect();
    let leaders = handles.into_iter().filter(|_| true).map(|h| h.join().unwrap()).filter(|l| *l).count();
    println!("{leaders} {:?}", log.lock().unwrap());
}

//# atomics of all sorts
//together a borrow crosses statements
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, Ordering::*, fence};

fn main() {
    let n = AtomicU32::new(5);
    println!("{} {} {}", n.fetch_add(2, SeqCst), n.fetch_max(20, Relaxed), n.swap(1, AcqRel));
    println!("{:?} {:?}", n.compare_exchange(1, 9, AcqRel, Acquire), n.compare_exchange(1, 9, AcqRel, Acquire));
    println!("{:?}", n.fetch_update(Relaxed, Relaxed, |x| (x < 10).then_some(x * 2)));
    let flag = AtomicBool::new(false);
    println!("{} {}", flag.fetch_or(true, Release), flag.load(Acquire));
    fence(SeqCst);
    let i = AtomicI64::default();
    i.fetch_sub(7, Relaxed);
    let mut value = 3;
    let p = AtomicPtr::new(&mut value);
    unsafe { *p.load(Relaxed) += 1; }
    println!("{} {value} {}", i.into_inner(), n.load(Relaxed));
}

//# OnceLock, LazyLock and Once
use std::collections::HashMap;
use std::sync::{LazyLock, Once, OnceLock};

static TABLE: LazyLock<HashMap<&'static str, u32>> = LazyLock::new(|| { println!("made"); HashMap::from([("a", 1), ("b", 2)]) });
static NAME: OnceLock<String> = OnceLock::new();
static START: Once = Once::new();

fn name() -> &'static str { NAME.get_or_init(|| "first".to_string()) }

fn main() {
    println!("begin");
    println!("{} {}", TABLE["a"], TABLE.len());
    println!("{} {:?}", name(), NAME.set("second".into()));
    for _ in 0..3 { START.call_once(|| println!("once")); }
    println!("{}", START.is_completed());
}

//# thread locals of several threads
use std::cell::RefCell;
use std::thread;

thread_local! { static STACK: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) }; }

fn push(n: u32) -> usize { STACK.with_borrow_mut(|s| { s.push(n); s.len() }) }

fn main() {
    push(1);
    let other = thread::spawn(|| { push(10); push(20) }).join().unwrap();
    println!("{other} {}", push(2));
    println!("{:?}", STACK.with(|s| s.borrow().clone()));
}

//# a panicking thread poisons its lock
//together a borrow crosses statements
use std::sync::{Arc, Mutex};
use std::thread;

fn main() {
    let m = Arc::new(Mutex::new(1));
    let other = m.clone();
    let result = thread::spawn(move || { let _g = other.lock().unwrap(); panic!("in the thread") }).join();
    println!("{:?}", result.unwrap_err().downcast_ref::<&str>());
    println!("{}", m.is_poisoned());
    let mut guard = m.lock().unwrap_or_else(|e| e.into_inner());
    *guard += 1;
    println!("{}", *guard);
    drop(guard);
    m.clear_poison();
    println!("{:?}", m.lock().map(|g| *g).ok());
}

//# a thread pool
//together a type is inferred from a later statement
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;
struct Pool { workers: Vec<thread::JoinHandle<()>>, sender: Option<mpsc::Sender<Job>> }
impl Pool {
    fn new(size: usize) -> Pool {
        let (sender, receiver) = mpsc::channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        let workers = (0..size).map(|_| {
            let receiver = Arc::clone(&receiver);
            thread::spawn(move || loop {
                let job = match receiver.lock().unwrap().recv() { Ok(job) => job, Err(_) => break };
                job();
            })
        }).collect();
        Pool { workers, sender: Some(sender) }
    }
    fn run(&self, f: impl FnOnce() + Send + 'static) { self.sender.as_ref().unwrap().send(Box::new(f)).unwrap(); }
}
impl Drop for Pool { fn drop(&mut self) { drop(self.sender.take()); for w in self.workers.drain(..) { w.join().unwrap(); } } }

fn main() {
    let results = Arc::new(Mutex::new(vec![0; 6]));
    {
        let pool = Pool::new(3);
        for i in 0..6 {
            let results = Arc::clone(&results);
            pool.run(move || { let square = i * i; results.lock().unwrap()[i] = square; });
        }
    }
    println!("{:?}", results.lock().unwrap());
}

//# named threads and parking
use std::thread::{self, Builder};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

fn main() -> std::io::Result<()> {
    let go = Arc::new(AtomicBool::new(false));
    let seen = go.clone();
    let handle = Builder::new().name("worker".into()).stack_size(256 * 1024).spawn(move || {
        while !seen.load(Ordering::Acquire) { thread::park(); }
        thread::current().name().map(str::to_owned)
    })?;
    go.store(true, Ordering::Release);
    handle.thread().unpark();
    println!("{:?}", handle.join().unwrap());
    println!("{}", thread::available_parallelism()?.get() > 0);
    thread::yield_now();
    Ok(())
}

//# parallel sums with split slices
//together a borrow crosses statements
use std::thread;

fn parallel_sum(data: &[u64], parts: usize) -> u64 {
    if parts <= 1 || data.len() < 2 { return data.iter().sum(); }
    let (left, right) = data.split_at(data.len() / 2);
    thread::scope(|s| {
        let l = s.spawn(|| parallel_sum(left, parts / 2));
        let r = parallel_sum(right, parts - parts / 2);
        l.join().unwrap() + r
    })
}

fn main() {
    let data: Vec<u64> = (1..=1000).collect();
    let whole = &data[..];
    println!("{}", parallel_sum(whole, 4));
    println!("{}", parallel_sum(&whole[990..], 3));
}

//# an actor
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

enum Message { Add(i64), Get(Sender<i64>), Stop }
struct Actor { tx: Sender<Message>, handle: JoinHandle<u32> }
impl Actor {
    fn start() -> Actor {
        let (tx, rx) = mpsc::channel();
        let handle = thread::spawn(move || {
            let (mut total, mut seen) = (0, 0);
            for m in rx {
                seen += 1;
                match m { Message::Add(n) => total += n, Message::Get(reply) => reply.send(total).unwrap(), Message::Stop => break }
            }
            seen
        });
        Actor { tx, handle }
    }
    fn get(&self) -> i64 { let (tx, rx) = mpsc::channel(); self.tx.send(Message::Get(tx)).unwrap(); rx.recv().unwrap() }
}

fn main() {
    let actor = Actor::start();
    for n in [5, 10, -3] { actor.tx.send(Message::Add(n)).unwrap(); }
    println!("{}", actor.get());
    actor.tx.send(Message::Stop).unwrap();
    println!("{}", actor.handle.join().unwrap());
}

//# dining philosophers
use std::sync::{Arc, Mutex};
use std::thread;

fn main() {
    let forks: Arc<Vec<Mutex<u32>>> = Arc::new((0..5).map(|_| Mutex::new(0)).collect());
    let handles: Vec<_> = (0..5usize).map(|i| {
        let forks = Arc::clone(&forks);
        thread::spawn(move || {
            let (a, b) = (i.min((i + 1) % 5), i.max((i + 1) % 5));
            for _ in 0..10 {
                let mut first = forks[a].lock().unwrap();
                let mut second = forks[b].lock().unwrap();
                *first += 1;
                *second += 1;
            }
        })
    }).collect();
    for h in handles { h.join().unwrap(); }
    let uses: Vec<u32> = forks.iter().map(|f| *f.lock().unwrap()).collect();
    println!("{uses:?}");
}

//# guards as arguments and in tuples
//together a borrow crosses statements
use std::sync::{Mutex, MutexGuard};

fn transfer(mut from: MutexGuard<'_, i64>, mut to: MutexGuard<'_, i64>, n: i64) -> bool {
    if *from < n { return false; }
    *from -= n;
    *to += n;
    true
}

fn main() {
    let a = Mutex::new(100);
    let b = Mutex::new(0);
    let locks = (a.lock().unwrap(), b.lock().unwrap());
    println!("{}", transfer(locks.0, locks.1, 30));
    println!("{}", transfer(b.lock().unwrap(), a.lock().unwrap(), 31));
    let (ga, gb) = (a.lock().unwrap(), b.lock().unwrap());
    println!("{} {}", *ga, *gb);
}

//# Send and Sync are checked
fn needs_send<T: Send>(_: &T) -> &'static str { "send" }
fn needs_sync<T: Sync + 'static>(_: T) -> &'static str { "sync" }
struct Raw(*mut u8);
unsafe impl Send for Raw {}

fn main() {
    let value = std::cell::Cell::new(1);
    println!("{} {}", needs_send(&value), needs_sync(std::sync::atomic::AtomicU8::new(0)));
    let raw = Raw(std::ptr::null_mut());
    let empty = std::thread::spawn(move || { let raw = raw; raw.0.is_null() }).join().unwrap();
    println!("{empty}");
}
