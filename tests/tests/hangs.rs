//! Whatever a user's destructors, errors and threads do, a cell ends, and the next one runs.

use std::{path::Path, time::Duration};

use patchbay_tests::Client;
use serde_json::json;

/// A type whose destructor panics.
const BOMB: &str = "struct Bomb(u8);\n\
     impl Drop for Bomb { fn drop(&mut self) { if self.0 > 0 { panic!(\"bomb {}\", self.0); } } }";

async fn with_bomb() -> Client {
    let mut client = Client::start().await;
    client.execute(BOMB).await.ok();
    client
        .execute("let kept = vec![1, 2]; let text = \"t\".to_owned();")
        .await
        .ok();
    client
}

async fn still_works(client: &mut Client) {
    client
        .execute("(&kept, &text)")
        .await
        .result("([1, 2], \"t\")")
        .ok();
}

#[tokio::test]
async fn a_destructor_that_panics_while_its_variable_is_replaced() {
    let mut client = with_bomb().await;
    client.execute("let bomb = Bomb(1);").await.ok();
    client
        .execute("let bomb = Bomb(2);")
        .await
        .error("Panic", &["bomb 1", "`bomb`"]);
    // The new one has taken its place.
    client.execute("bomb.0").await.result("2").ok();
    // By another type, together with others, and by an assignment.
    client.execute("let mut other = Bomb(3);").await.ok();
    client
        .execute("let other = 5; let bomb = 6; let more = 7;")
        .await
        .error("Panic", &["bomb "]);
    client
        .execute("(other, bomb, more)")
        .await
        .result("(5, 6, 7)")
        .ok();
    still_works(&mut client).await;
}

#[tokio::test]
async fn a_destructor_that_panics_where_variables_are_dropped() {
    let mut client = with_bomb().await;
    client
        .execute("let bomb = Bomb(1); let next = Bomb(2);")
        .await
        .ok();
    // Another definition of the type.
    client
        .execute("struct Bomb(u8); let again = Bomb(9);")
        .await
        .rest();
    still_works(&mut client).await;
    client
        .execute("struct Mine; impl Drop for Mine { fn drop(&mut self) { panic!(\"mine\") } }\nlet a = Mine; let b = Mine;")
        .await
        .ok();
    client.execute("%reset").await.rest();
    client.execute("a").await.error("CompileError", &["`a`"]);
    client.execute("1 + 1").await.result("2").ok();
}

#[tokio::test]
async fn a_destructor_that_panics_while_another_panic_unwinds_keeps_the_variables() {
    let mut client = with_bomb().await;
    // In the cell's own frame, where it is the second panic and not one within the first.
    client
        .execute("let _bomb = Bomb(1); panic!(\"first {}\", kept.len())")
        .await
        .error("Panic", &["first 2", "bomb 1"]);
    still_works(&mut client).await;
    client
        .execute("{ let _bomb = Bomb(1); panic!(\"first {}\", kept.len()); }\n()")
        .await
        .error("Panic", &["first 2", "bomb 1", "still there"]);
    still_works(&mut client).await;
    // In a function that must not unwind.
    client
        .execute("extern \"C\" fn callback() { panic!(\"from C\") } callback(); text.len()")
        .await
        .error("Panic", &["from C", "still there"]);
    still_works(&mut client).await;
}

#[tokio::test]
async fn payloads_and_errors_with_destructors_and_displays_that_panic() {
    let mut client = with_bomb().await;
    client
        .execute("std::panic::panic_any(Bomb(1));")
        .await
        .error("Panic", &["payload is not text"]);
    client
        .execute("struct Endless; impl Drop for Endless { fn drop(&mut self) { std::panic::panic_any(Endless) } } std::panic::panic_any(Endless);")
        .await
        .error("Panic", &["payload is not text"]);
    client
        .execute(
            "#[derive(Debug)] struct Mute; impl std::error::Error for Mute {}\n\
             impl std::fmt::Display for Mute { fn fmt(&self, _: &mut std::fmt::Formatter) -> std::fmt::Result { panic!(\"no words\") } }\n\
             Err(Mute)?;",
        )
        .await
        .error("Error", &["cannot be shown", "no words"]);
    client
        .execute(
            "#[derive(Debug)] struct Circle; static CIRCLE: Circle = Circle;\n\
             impl std::error::Error for Circle { fn source(&self) -> Option<&(dyn std::error::Error + 'static)> { Some(&CIRCLE) } }\n\
             impl std::fmt::Display for Circle { fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result { to.write_str(\"round\") } }\n\
             Err(Circle)?;",
        )
        .await
        .error("Error", &["round", "circle"]);
    still_works(&mut client).await;
}

#[tokio::test]
async fn a_thread_that_ends_under_a_cell() {
    let mut client = with_bomb().await;
    let mut execution = client
        .execute("unsafe extern \"C\" { fn syscall(number: i64, ...) -> i64; } println!(\"{}\", kept.len()); unsafe { syscall(60, 0) };")
        .await;
    let outputs = execution.rest();
    assert_eq!(outputs.last().unwrap().msg_type, "error");
    drop(execution);
    client.execute("1 + 1").await.result("2").ok();
}

#[tokio::test]
async fn a_cell_that_shuts_its_socket_loses_its_process_and_says_so() {
    for (how, code) in [
        (
            "writing",
            "unsafe extern \"C\" { fn shutdown(socket: i32, how: i32) -> i32; } for fd in 3..64 { unsafe { shutdown(fd, 1) }; }",
        ),
        (
            "reading",
            "unsafe extern \"C\" { fn shutdown(socket: i32, how: i32) -> i32; } for fd in 3..64 { unsafe { shutdown(fd, 0) }; }",
        ),
        (
            "both",
            "unsafe extern \"C\" { fn close(fd: i32) -> i32; } for fd in 3..64 { unsafe { close(fd) }; }",
        ),
    ] {
        let mut client = Client::start().await;
        let mut execution = client
            .execute(&format!(
                "{code} std::thread::sleep(std::time::Duration::from_secs(2));"
            ))
            .await;
        let outputs = execution.rest();
        drop(execution);
        if let Some(error) = outputs.last() {
            assert_eq!(error.content["ename"], "ProcessEnded", "{how}: {error:?}");
        }
        client.execute("1 + 1").await.rest();
        client.execute("1 + 1").await.result("2").ok();
    }
}

#[tokio::test]
async fn a_cell_that_can_neither_be_stopped_nor_given_up_is_killed() {
    let mut client = Client::start().await;
    client.execute("let precious = 1;").await.ok();
    let code = "unsafe extern \"C\" { fn pthread_sigmask(how: i32, set: *const [u64; 16], old: *mut [u64; 16]) -> i32; }\n\
         unsafe { pthread_sigmask(2, &[u64::MAX; 16], std::ptr::null_mut()) };\n\
         println!(\"go\"); std::thread::sleep(std::time::Duration::from_secs(3600));";
    let id = client.send_cell(code).await;
    while client.broadcast().await.msg_type != "stream" {}
    client.control("interrupt_request", json!({})).await;
    let mut text = String::new();
    loop {
        let message = client.broadcast().await;
        if message.msg_type == "error" {
            assert_eq!(message.content["ename"], "Interrupted");
            text = message.content["evalue"].as_str().unwrap().to_owned();
        }
        if message.parent == id && message.content["execution_state"] == "idle" {
            break;
        }
    }
    assert!(text.contains("all variables are lost"), "{text}");
    client.shell_reply().await;
    client.execute("1 + 1").await.result("2").ok();
}

/// A process that a cell has forked has the cell's end of the connection, too, and may live on.
#[tokio::test]
async fn the_end_of_the_process_is_seen_although_a_fork_of_it_lives_on() {
    let mut client = Client::start().await;
    let mut execution = client
        .execute(
            "unsafe extern \"C\" { fn fork() -> i32; fn setsid() -> i32; fn pause() -> i32; fn alarm(seconds: u32) -> u32; fn kill(process: i32, signal: i32) -> i32; }\n\
             unsafe { if fork() == 0 { setsid(); alarm(120); loop { pause(); } } kill(std::process::id() as i32, 9); }",
        )
        .await;
    let outputs = execution.rest();
    drop(execution);
    assert_eq!(
        outputs.last().unwrap().content["ename"],
        "ProcessEnded",
        "{outputs:?}"
    );
    client.execute("1 + 1").await.result("2").ok();
}

/// Interrupts that nobody hears, and signals to a group that the process has left: it is ended, and the cell says so.
#[tokio::test]
async fn a_cell_that_cannot_be_reached_is_killed() {
    const DEAF: &str = "unsafe extern \"C\" { fn pthread_sigmask(how: i32, set: *const [u64; 16], old: *mut [u64; 16]) -> i32; fn setpgid(process: i32, group: i32) -> i32; fn getpgid(process: i32) -> i32; fn getppid() -> i32; fn close(fd: i32) -> i32; }\n\
         println!(\"go\"); std::thread::sleep(std::time::Duration::from_millis(200));\n";
    for code in [
        // Nothing is read any more, and nothing can be said.
        "for fd in 0..64 { unsafe { close(fd) }; } std::thread::park();",
        // In its parent's group, with a thread that takes no signals.
        "unsafe { setpgid(0, getpgid(getppid())); pthread_sigmask(2, &[u64::MAX; 16], std::ptr::null_mut()); } std::thread::park();",
    ] {
        let mut client = Client::start().await;
        client.execute("let precious = 1;").await.ok();
        let id = client.send_cell(&format!("{DEAF}{code}")).await;
        while client.broadcast().await.msg_type != "stream" {}
        tokio::time::sleep(Duration::from_millis(400)).await;
        client.control("interrupt_request", json!({})).await;
        let mut errors = Vec::new();
        loop {
            let message = client.broadcast().await;
            if message.msg_type == "error" {
                errors.push(message.content.clone());
            }
            if message.parent == id && message.content["execution_state"] == "idle" {
                break;
            }
        }
        let text = format!("{errors:?}");
        assert!(
            errors.len() == 1 && (text.contains("Interrupted") || text.contains("ProcessEnded")),
            "{code}: {text}"
        );
        client.shell_reply().await;
        client.execute("1 + 1").await.result("2").ok();
        client
            .execute("precious")
            .await
            .error("CompileError", &["`precious`"]);
    }
}

/// The processes with this word on their command line.
fn processes(word: &str) -> Vec<i32> {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    folders
        .filter_map(|folder| {
            let command = std::fs::read(folder.path().join("cmdline")).ok()?;
            let is_one = command
                .split(|byte| *byte == 0)
                .any(|part| part == word.as_bytes());
            is_one
                .then(|| folder.file_name().to_str()?.parse().ok())
                .flatten()
        })
        .collect()
}

fn runtime_of(kernel: u32) -> i32 {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let mut found = folders.filter_map(|folder| {
        let stat = std::fs::read_to_string(folder.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let parent: u32 = rest.split_ascii_whitespace().nth(1)?.parse().ok()?;
        (parent == kernel && name.starts_with("patchbay-runtim"))
            .then(|| folder.file_name().to_str()?.parse().ok())
            .flatten()
    });
    found.next().expect("the kernel has a runtime")
}

#[tokio::test]
async fn nothing_is_left_after_the_kernel_was_killed() {
    for (number, code) in [
        // An exit handler that hangs, reached and not.
        (
            1,
            "unsafe extern \"C\" { fn atexit(handler: extern \"C\" fn()) -> i32; } extern \"C\" fn hang() { loop { std::thread::park() } } unsafe { atexit(hang) };",
        ),
        (
            2,
            "std::thread::spawn(|| { let _lock = std::io::stdout().lock(); loop { std::thread::park() } });",
        ),
        (
            3,
            "std::mem::forget(std::process::Command::new(\"sh\").args([\"-c\", \"trap '' TERM INT HUP; sleep 43221; sleep 43221\", \"patchbay-left-3\"]).spawn()?);",
        ),
        (
            4,
            "std::thread::spawn(|| loop { std::hint::black_box(vec![0u8; 100_000]); });",
        ),
    ] {
        let mut client = Client::start().await;
        client.execute(code).await.ok();
        let runtime = runtime_of(client.pid());
        client.kill().await;
        let mut left = 0;
        // Long enough to say that it never ends.
        for _ in 0..24_000 {
            left = usize::from(Path::new(&format!("/proc/{runtime}")).exists())
                + processes("patchbay-left-3").len();
            if left == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(left, 0, "kind {number}");
    }
}

#[tokio::test]
async fn what_c_prints_appears_with_its_cell() {
    let mut client = Client::start().await;
    client
        .execute("unsafe extern \"C\" { fn puts(text: *const std::ffi::c_char) -> i32; fn printf(format: *const std::ffi::c_char, ...) -> i32; }\n\
                  fn say(text: &std::ffi::CStr) { unsafe { printf(c\"%s\".as_ptr(), text.as_ptr()) }; }")
        .await
        .ok();
    client
        .execute("unsafe { puts(c\"one\".as_ptr()) }; println!(\"two\"); say(c\"three\\n\"); say(c\"four\");")
        .await
        .stream("stdout", "one\ntwo\nthree\nfour")
        .ok();
    client
        .execute("println!(\"five\")")
        .await
        .stream("stdout", "five\n")
        .ok();
}

#[tokio::test]
async fn places_name_the_cell_and_its_line() {
    let mut client = Client::start().await;
    client
        .execute("// A comment.\nfn place() -> (&'static str, u32) {\n    (file!(), line!())\n}\nmacro_rules! here { () => { line!() } }")
        .await
        .ok();
    client
        .execute("let a = 1;\nprintln!(\"{} {}\", file!(), line!());\nprintln!(\"{:?} {}\", place(), here!());")
        .await
        .stream("stdout", "cell 2 2\n(\"cell 1\", 3) 3\n")
        .ok();
    client
        .execute("let b =\n    dbg!(a + 1);\nb")
        .await
        .stream("stderr", "[cell 3:2:5] a + 1 = 2\n")
        .result("2")
        .ok();
    let mut execution = client
        .execute(
            "let _ = a;\nlet _ = std::thread::spawn(|| {\n    panic!(\"in a thread\")\n}).join();",
        )
        .await;
    let text = execution.text("stderr");
    assert!(
        text.contains("panicked at cell 4:3:5:\nin a thread"),
        "{text}"
    );
    execution.rest();
    // The same cell again has another number and is not compiled again.
    let again = client.execute("let b =\n    dbg!(a + 1);\nb").await;
    assert_eq!(again.metadata["patchbay"]["cached"], true);
    again
        .stream("stderr", "[cell 5:2:5] a + 1 = 2\n")
        .result("2")
        .ok();
    client
        .execute("\n\nNone::<u8>.unwrap()")
        .await
        .error("Panic", &["cell [6]:3"]);
}
