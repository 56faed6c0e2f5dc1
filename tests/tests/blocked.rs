//! Interrupts end a cell wherever it is blocked, and what it had taken of the variables comes back.

use std::{fmt::Write as _, time::Duration};

use patchbay_tests::{Client, share_beside_work, without_colors};
use serde_json::{Value, json};

/// What the cells define that are in danger, and what they are asked for afterwards.
const SETUP: &str = "let number = 41.5f64; let pair = (1u8, [2i64, 3]); let text = String::from(\"text\"); \
     let weights = Tensor::new(&[1.0f32, 2.0], &Device::Cpu)?; \
     let var = Var::from_tensor(&weights)?; let varmap = VarMap::new(); \
     let layer = nn::linear(2, 3, nn::builder(&varmap, DType::F32, &Device::Cpu))?; \
     let shared = std::sync::Arc::new(std::sync::Mutex::new(vec![5, 6])); let large = vec![7u64; 200_000]; \
     struct Own(String); let own = Own(\"own\".to_owned());";

/// Takes all of them.
const USE: &str =
    "let _ = (number, pair, &text, &weights, &var, &varmap, &layer, &shared, &large, &own);";

const CHECK: &str = "(number, pair, &text, weights.to_vec1::<f32>()?, var.to_vec1::<f32>()?, varmap.all_vars().len(), \
     layer.forward(&weights.unsqueeze(0)?)?.dims().to_vec(), shared.lock().unwrap().clone(), large.iter().sum::<u64>(), &own.0)";

const VALUES: &str =
    "(41.5, (1, [2, 3]), \"text\", [1.0, 2.0], [1.0, 2.0], 2, [1, 3], [5, 6], 1400000, \"own\")";

/// Runs a cell until it has printed `go`.
pub async fn begin(client: &mut Client, code: &str) -> String {
    let id = client.send_cell(code).await;
    loop {
        let message = client.broadcast().await;
        assert_ne!(message.msg_type, "error", "{}", message.content);
        if message.msg_type == "stream" {
            let text = message.content["text"].as_str().unwrap();
            assert!(text.contains("go"), "{text}");
            return id;
        }
    }
}

pub async fn interrupt(client: &mut Client) {
    let reply = client.control("interrupt_request", json!({})).await;
    assert_eq!(reply["status"], "ok");
}

/// Waits for the end of a cell. Returns its reply, and the traceback.
pub async fn end(client: &mut Client, id: &str) -> (Value, String) {
    let mut traceback = String::new();
    loop {
        let message = client.broadcast().await;
        if message.parent != id {
            continue;
        }
        if message.msg_type == "error" {
            for line in message.content["traceback"].as_array().unwrap() {
                writeln!(traceback, "{}", line.as_str().unwrap()).unwrap();
            }
        }
        if message.content["execution_state"] == "idle" {
            break;
        }
    }
    let reply = client.shell_reply().await.content;
    (reply, without_colors(&traceback))
}

/// The runtime's process.
pub fn runtime_of(client: &Client) -> u32 {
    let kernel = client.pid();
    let children = std::fs::read_dir("/proc").unwrap().flatten();
    let mut runtimes = children.filter_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let parent: u32 = rest.split_ascii_whitespace().nth(1)?.parse().ok()?;
        (parent == kernel && name.starts_with("patchbay-runtim")).then_some(id)
    });
    runtimes.next().expect("the kernel has a runtime")
}

/// A cell of this sort is interrupted: it ends, everything is there, and the process is the same and at rest.
async fn survives(kind: &str, code: &str) {
    let mut client = Client::start().await;
    client.execute(SETUP).await.ok();
    let process = runtime_of(&client);
    let id = begin(&mut client, &format!("{USE}\nprintln!(\"go\");\n{code}")).await;
    // Until it is blocked.
    tokio::time::sleep(Duration::from_millis(100)).await;
    interrupt(&mut client).await;
    let (reply, traceback) = end(&mut client, &id).await;
    assert_eq!(reply["ename"], "Interrupted", "{kind}: {traceback}");
    client.execute(CHECK).await.result(VALUES).ok();
    // The same process goes on: it was not for the host to end it, ten seconds later. What was stopped takes no time.
    assert_eq!(runtime_of(&client), process, "{kind}");
    let share = share_beside_work(process);
    assert!(share < 0.5, "{kind}: {share} of a processor at rest");
    // Another cell of the same sort is stopped as well.
    let id = begin(&mut client, &format!("{USE}\nprintln!(\"go\");\n{code}")).await;
    interrupt(&mut client).await;
    let (reply, traceback) = end(&mut client, &id).await;
    assert_eq!(reply["ename"], "Interrupted", "{kind}: {traceback}");
    client.execute(CHECK).await.result(VALUES).ok();
    assert_eq!(runtime_of(&client), process, "{kind}");
}

macro_rules! blocked {
    ($($name:ident: $code:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            survives(stringify!($name), $code).await;
        }
    )*};
}

blocked! {
    sleep: "std::thread::sleep(std::time::Duration::from_secs(3600));";
    join: "std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(3600))).join().unwrap();";
    receive: "let (_sender, receiver) = std::sync::mpsc::channel::<u8>(); receiver.recv()?;";
    lock: "let mutex = std::sync::Mutex::new(1); let _first = mutex.lock().unwrap(); let _second = mutex.lock().unwrap();";
    read_write_lock: "let lock = std::sync::RwLock::new(1); let _first = lock.read().unwrap(); let _second = lock.write().unwrap();";
    condition: "let (mutex, condition) = (std::sync::Mutex::new(()), std::sync::Condvar::new()); drop(condition.wait(mutex.lock().unwrap()).unwrap());";
    process: "std::process::Command::new(\"sleep\").arg(\"3600\").status()?;";
    process_that_ignores_interrupts: "std::process::Command::new(\"sh\").args([\"-c\", \"trap '' INT; sleep 3600; sleep 3600\"]).status()?;";
    accept: "std::net::TcpListener::bind(\"127.0.0.1:0\")?.accept()?;";
    park: "std::thread::park();";
    barrier: "std::sync::Barrier::new(2).wait();";
    fifo: "let path = std::env::temp_dir().join(format!(\"patchbay-fifo-{}\", std::process::id())); \
           std::process::Command::new(\"mkfifo\").arg(&path).status()?; std::fs::read(&path)?;";
    iterator: "(0..u64::MAX).for_each(|n| { std::hint::black_box(n); });";
    iterator_that_allocates: "(0..u64::MAX).for_each(|n| { std::hint::black_box(vec![n; 5000]); });";
    iterator_that_makes_threads: "(0..u64::MAX).for_each(|_| std::thread::spawn(|| ()).join().unwrap());";
    iterator_with_tensors: "(0..u64::MAX).for_each(|_| drop(weights.matmul(&weights)));";
    scope: "std::thread::scope(|scope| { scope.spawn(|| (0..u64::MAX).for_each(|n| { std::hint::black_box(large[n as usize % 9]); })); });";
    pipe: "let (reader, _writer) = std::io::pipe()?; std::io::read_to_string(reader)?;";
    locked_stdout: "let _lock = std::io::stdout().lock(); let _other = std::io::stderr().lock(); std::thread::park();";
    socket: "let (mut one, _other) = std::os::unix::net::UnixStream::pair()?; std::io::Read::read(&mut one, &mut [0])?;";
    destructor: "struct Slow; impl Drop for Slow { fn drop(&mut self) { std::thread::sleep(std::time::Duration::from_secs(3600)); } } drop(Slow);";
    display: "struct Slow; impl std::fmt::Display for Slow { fn fmt(&self, _: &mut std::fmt::Formatter) -> std::fmt::Result { std::thread::park(); Ok(()) } } let _ = Slow.to_string();";
}

#[tokio::test]
async fn a_cell_that_prints_without_end() {
    let mut client = Client::start().await;
    client.execute(SETUP).await.ok();
    let id = client
        .send_cell(&format!(
            "{USE}\n(0..u64::MAX).for_each(|_| println!(\"go\"));"
        ))
        .await;
    while client.broadcast().await.msg_type != "stream" {}
    interrupt(&mut client).await;
    let (reply, traceback) = end(&mut client, &id).await;
    assert_eq!(reply["ename"], "Interrupted", "{traceback}");
    client
        .execute("println!(\"after\")")
        .await
        .stream("stdout", "after\n")
        .ok();
    client.execute(CHECK).await.result(VALUES).ok();
}

#[tokio::test]
async fn what_cannot_be_kept_is_named_with_the_cell_that_makes_it() {
    let mut client = Client::start().await;
    client
        .execute("struct Own(String); let mut own = Own(\"a\".to_owned()); let mut count = 1; let other = 5;")
        .await
        .ok();
    let id = begin(
        &mut client,
        "own.0.push('b'); count += 1; println!(\"go\"); std::thread::park();",
    )
    .await;
    interrupt(&mut client).await;
    let (_, traceback) = end(&mut client, &id).await;
    for part in ["given up", "`own` went with it", "run cell [1] again"] {
        assert!(traceback.contains(part), "{part:?} is not in {traceback}");
    }
    client.execute("(count, other)").await.result("(1, 5)").ok();
    client.execute("own.0").await.error(
        "CompileError",
        &["there is no `own` any more", "cell [1] makes it"],
    );
}

#[tokio::test]
async fn two_interrupts_at_once_are_one() {
    for pause in [0, 5, 200, 900] {
        let mut client = Client::start().await;
        client.execute("let precious = vec![1, 2];").await.ok();
        let id = begin(
            &mut client,
            "println!(\"go\"); precious.len(); std::thread::park();",
        )
        .await;
        interrupt(&mut client).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        interrupt(&mut client).await;
        let (reply, traceback) = end(&mut client, &id).await;
        assert_eq!(reply["ename"], "Interrupted", "{pause}: {traceback}");
        client.execute("precious").await.result("[1, 2]").ok();
    }
}

#[tokio::test]
async fn ops_are_right_and_use_all_threads_after_a_cell_was_given_up() {
    let mut client = Client::start().await;
    client
        .execute("let a = Tensor::ones((300, 300), DType::F32, &Device::Cpu)?;")
        .await
        .ok();
    let id = begin(
        &mut client,
        "println!(\"go\"); (0..u64::MAX).for_each(|_| drop(ops::matmul(&a, &a)));",
    )
    .await;
    interrupt(&mut client).await;
    let (reply, traceback) = end(&mut client, &id).await;
    assert_eq!(reply["ename"], "Interrupted", "{traceback}");
    for _ in 0..2 {
        client
            .execute("let product = ops::matmul(&a, &a)?; product.mean_all()?.to_scalar::<f32>()?")
            .await
            .result("300.0")
            .ok();
    }
}
