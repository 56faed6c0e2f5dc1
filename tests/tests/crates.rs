//! `:dep`: what crates bring with them, and what stays when more are asked for. The crates here are local, but for those
//! of the last tests, which are left out where the registry is not reachable.

use std::path::Path;

use patchbay_tests::{Client, Execution};

/// Writes a crate; `manifest` follows the package's own lines.
fn write_crate(folder: &Path, name: &str, manifest: &str, files: &[(&str, &str)]) {
    let folder = folder.join(name);
    for (file, text) in files {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let head = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    std::fs::write(folder.join("Cargo.toml"), format!("{head}{manifest}")).unwrap();
}

/// A cell that asks for crates; returns what it printed.
async fn dep(client: &mut Client, cell: &str) -> String {
    let mut execution = client.execute(cell).await;
    assert_eq!(
        execution.reply["status"], "ok",
        "{cell}: {}",
        execution.reply
    );
    let text = execution.text("stdout");
    execution.rest();
    text
}

/// A build script that makes an archive of C code as most do: with hidden symbols.
const BUILD_SCRIPT: &str = r#"
use std::{env, process::Command};
fn run(command: &mut Command) { assert!(command.status().unwrap().success()); }
fn main() {
    let (out, name) = (env::var("OUT_DIR").unwrap(), env::var("CARGO_PKG_NAME").unwrap());
    run(Command::new("cc").args(["-O1", "-fPIC", "-fvisibility=hidden", "-c", "code.c", "-o"]).arg(format!("{out}/code.o")));
    run(Command::new("ar").args(["rcs", &format!("{out}/lib{name}.a"), &format!("{out}/code.o")]));
    println!("cargo:rustc-link-search=native={out}");
    println!("cargo:rustc-link-lib=static={name}");
}
"#;

#[tokio::test]
async fn c_code_of_crates_is_loaded_once_for_crates_and_cells() {
    let mut client = Client::start().await;
    let folder = client.folder().to_owned();
    // The generic function is compiled into the cell, which therefore calls the C code itself.
    write_crate(
        &folder,
        "counter-sys",
        "links = \"counter\"\nbuild = \"build.rs\"\n",
        &[
            ("build.rs", BUILD_SCRIPT),
            (
                "code.c",
                "static int count; int counter_next(void) { return ++count; }",
            ),
            (
                "src/lib.rs",
                "unsafe extern \"C\" { fn counter_next() -> i32; }\n\
                 pub fn plain() -> i32 { unsafe { counter_next() } }\n\
                 #[inline(always)] pub fn generic<T: From<i32>>() -> T { T::from(unsafe { counter_next() }) }",
            ),
        ],
    );
    // Another one, whose C code calls the first one's, and whose source names the library.
    write_crate(
        &folder,
        "above-sys",
        "build = \"build.rs\"\n[dependencies]\ncounter-sys = { path = \"../counter-sys\" }\n",
        &[
            ("build.rs", BUILD_SCRIPT),
            (
                "code.c",
                "extern int counter_next(void); int above(void) { return 100 * counter_next(); }",
            ),
            (
                "src/lib.rs",
                "#[link(name = \"above-sys\")] unsafe extern \"C\" { fn above() -> i32; }\n\
                 #[inline(always)] pub fn hundreds<T: From<i32>>() -> T { counter_sys::plain(); T::from(unsafe { above() }) }",
            ),
        ],
    );
    dep(&mut client, ":dep ./counter-sys").await;
    client
        .execute("(counter_sys::plain(), counter_sys::generic::<i64>(), counter_sys::plain())")
        .await
        .result("(1, 2, 3)")
        .ok();
    dep(&mut client, ":dep ./above-sys").await;
    client
        .execute("(above_sys::hundreds::<f64>(), counter_sys::generic::<i32>())")
        .await
        .result("(500.0, 6)")
        .ok();
}

#[tokio::test]
async fn a_later_request_adds_to_what_is_loaded() {
    let mut client = Client::start().await;
    let folder = client.folder().to_owned();
    write_crate(
        &folder,
        "base",
        "[features]\nmore = []\n",
        &[(
            "src/lib.rs",
            "use std::sync::atomic::{AtomicU32, Ordering};\n\
             static CALLS: AtomicU32 = AtomicU32::new(0);\n\
             #[derive(Debug, PartialEq)] pub struct Call(pub u32);\n\
             pub fn call() -> Call { Call(CALLS.fetch_add(1, Ordering::SeqCst) + 1) }\n\
             #[cfg(feature = \"more\")] pub fn more() -> u32 { 11 }",
        )],
    );
    let user = |name: &str, manifest: &str, source: &str| {
        write_crate(
            &folder,
            name,
            &format!("[dependencies]\n{manifest}\n"),
            &[("src/lib.rs", source)],
        );
    };
    user(
        "later",
        "base = { path = \"../base\" }",
        "pub fn number(call: &base::Call) -> u32 { base::call(); call.0 }",
    );
    user(
        "wants_more",
        "base = { path = \"../base\", features = [\"more\"] }",
        "pub fn more() -> u32 { base::more() }",
    );
    dep(&mut client, ":dep base = { path = \"base\" } // the first").await;
    client
        .execute("let first = base::call(); first.0")
        .await
        .result("1")
        .ok();
    let mut execution = client.execute(":dep later = { path = \"later\" }").await;
    let shown: Vec<String> = execution
        .rest()
        .iter()
        .map(|output| output.content["data"]["text/plain"].to_string())
        .collect();
    assert!(
        shown
            .iter()
            .any(|text| text.contains("1 of 1 crates, later 0.1.0")),
        "{shown:?}"
    );
    // The value of before is of the type that the new crate takes, and the count has gone on.
    client
        .execute("(later::number(&first), base::call())")
        .await
        .result("(1, Call(3))")
        .ok();
    // Asked for again, nothing happens.
    client
        .execute(":dep base = { path = \"base\" }")
        .await
        .stream_with("stdout", &["base 0.1.0"])
        .ok();
    client
        .execute("(base::call(), &first)")
        .await
        .result("(Call(4), Call(1))")
        .ok();

    // Another feature of what is loaded cannot be had.
    client.execute(":dep ./wants_more").await.error(
        "DependencyError",
        &[
            "this needs base 0.1.0 with the feature more, and base 0.1.0 is loaded without",
            "Nothing was changed",
            ":restart\n:dep ./wants_more",
        ],
    );
    client
        .execute("(base::call(), &first)")
        .await
        .result("(Call(5), Call(1))")
        .ok();
    client
        .execute(":restart\n:dep ./wants_more\n(wants_more::more(), base::call())")
        .await
        .rest();
    client
        .execute("(wants_more::more(), later::number(&base::call()))")
        .await
        .result("(11, 2)")
        .ok();
}

#[tokio::test]
async fn features_may_change_until_a_cell_has_run() {
    let mut client = Client::start().await;
    let folder = client.folder().to_owned();
    write_crate(
        &folder,
        "parts",
        "[features]\none = []\ntwo = []\n",
        &[(
            "src/lib.rs",
            "pub fn features() -> Vec<&'static str> {\n\
             let mut all = Vec::new();\n\
             if cfg!(feature = \"one\") { all.push(\"one\") }\n\
             if cfg!(feature = \"two\") { all.push(\"two\") }\n\
             all }",
        )],
    );
    dep(
        &mut client,
        ":dep parts = { path = \"parts\", features = [\"one\"] }",
    )
    .await;
    client
        .execute("parts::missing()")
        .await
        .error("CompileError", &["missing"]);
    dep(
        &mut client,
        ":dep parts = { path = \"parts\", features = [\"two\"] }",
    )
    .await;
    client
        .execute("parts::features()")
        .await
        .result("[\"one\", \"two\"]")
        .ok();
    dep(&mut client, ":dep parts = { path = \"parts\" }").await;
    client
        .execute("parts::features()")
        .await
        .result("[\"one\", \"two\"]")
        .ok();
    // The same for what was asked for since the last cell, beside what that one used.
    write_crate(
        &folder,
        "other",
        "[features]\nthree = []\n",
        &[(
            "src/lib.rs",
            "pub const THREE: bool = cfg!(feature = \"three\");",
        )],
    );
    dep(
        &mut client,
        ":dep ./other\n:dep other = { path = \"other\", features = [\"three\"] }",
    )
    .await;
    client
        .execute("(other::THREE, parts::features().len())")
        .await
        .result("(true, 2)")
        .ok();
    let listed = dep(&mut client, ":show_deps").await;
    assert!(
        listed.contains("parts 0.1.0") && listed.contains("\"two\""),
        "{listed}"
    );
}

#[tokio::test]
async fn a_crate_that_was_edited_takes_its_variables_with_it_and_says_so() {
    let mut client = Client::start().await;
    let folder = client.folder().to_owned();
    let write = |field: &str| {
        write_crate(
            &folder,
            "edited",
            "",
            &[(
                "src/lib.rs",
                &format!("pub struct Thing {{ pub {field}: u64 }}"),
            )],
        );
    };
    write("a");
    dep(&mut client, ":dep ./edited").await;
    client
        .execute("let thing = edited::Thing { a: 1 }; let kept = 2u64;")
        .await
        .ok();
    write("b");
    let mut execution = client.execute(":dep ./edited").await;
    assert!(
        execution
            .text("stderr")
            .contains("`thing` was dropped, because the crate `edited`"),
        "{}",
        execution.text("stderr")
    );
    execution.rest();
    client
        .execute("edited::Thing { b: kept }.b")
        .await
        .result("2")
        .ok();
    client
        .execute("thing.a")
        .await
        .error("CompileError", &["no `thing` any more", "`edited`"]);
}

#[tokio::test]
async fn a_crate_that_was_asked_for_stands_before_the_preludes_names() {
    let mut client = Client::start().await;
    let folder = client.folder().to_owned();
    for name in ["image", "plot", "json", "table", "nn", "progress"] {
        let source =
            format!("pub mod inner {{ pub fn name() -> &'static str {{ \"the crate {name}\" }} }}");
        write_crate(&folder, name, "", &[("src/lib.rs", &source)]);
    }
    dep(&mut client, ":dep ./image, ./plot, ./json, ./table").await;
    dep(
        &mut client,
        ":dep { nn = { path = \"nn\" }, progress = { path = \"progress\" } }",
    )
    .await;
    client
        .execute("use json::inner; (image::inner::name(), plot::inner::name(), inner::name())")
        .await
        .result("(\"the crate image\", \"the crate plot\", \"the crate json\")")
        .ok();
    client
        .execute("fn of_table() -> &'static str { table::inner::name() }")
        .await
        .ok();
    // What has another meaning stays.
    client
        .execute("let image = 3; (of_table(), nn::inner::name(), image, json!({ \"a\": 1 })[\"a\"].clone())")
        .await
        .result("(\"the crate table\", \"the crate nn\", 3, Number(1))")
        .ok();
    // The user's own definition is the newest.
    client
        .execute("mod plot { pub fn mine() -> u8 { 4 } }")
        .await
        .ok();
    client.execute("plot::mine()").await.result("4").ok();
}

#[tokio::test]
async fn paths_are_relative_to_the_working_folder() {
    let mut client = Client::start().await;
    let folder = client.folder().to_owned();
    write_crate(
        &folder.join("deep/er"),
        "found",
        "",
        &[("src/lib.rs", "pub const N: u8 = 9;")],
    );
    dep(
        &mut client,
        "%cd deep\n:dep found = {\n  path = \"er/found\" } // here",
    )
    .await;
    client.execute("found::N").await.result("9").ok();
}

/// A request for crates of the registry; `None`, in words, where it is not reachable.
async fn from_registry(client: &mut Client, cell: &str) -> Option<Execution> {
    let mut execution = client.execute(cell).await;
    let text = execution.reply["traceback"].to_string();
    let unreachable = ["download", "network", "index.crates.io", "resolve host"];
    if execution.reply["status"] != "ok" && unreachable.iter().any(|word| text.contains(word)) {
        eprintln!("left out, because the registry is not reachable: {cell}");
        execution.rest();
        return None;
    }
    assert_eq!(execution.reply["status"], "ok", "{}", execution.reply);
    Some(execution)
}

#[tokio::test]
async fn cells_await_on_tokio_and_tasks_live_on() {
    let mut client = Client::start().await;
    let request = ":dep tokio = { version = \"1\", features = [\"sync\", \"time\"] }";
    let Some(mut execution) = from_registry(&mut client, request).await else {
        return;
    };
    execution.rest();
    client
        .execute("tokio::time::sleep(std::time::Duration::from_millis(1)).await; tokio::spawn(async { 6 * 7 }).await?")
        .await
        .result("42")
        .ok();
    // A task that answers between and during other cells; spawned without an await.
    client
        .execute(
            "let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel::<(u32, tokio::sync::oneshot::Sender<u32>)>();\n\
             let task = tokio::spawn(async move { let mut sum = 0; while let Some((n, back)) = asked.recv().await { sum += n; let _ = back.send(sum); } sum });",
        )
        .await
        .ok();
    for (number, sum) in [(1, 1), (10, 11), (100, 111)] {
        client
            .execute(&format!(
                "let (back, answer) = tokio::sync::oneshot::channel(); ask.send(({number}, back))?; answer.await?"
            ))
            .await
            .result(&sum.to_string())
            .ok();
    }
    client
        .execute("drop(ask); task.await?")
        .await
        .result("111")
        .ok();
    // An interrupt ends the wait, and the runtime goes on.
    let id = client
        .send_cell("println!(\"go\"); std::future::pending::<()>().await;")
        .await;
    while client.broadcast().await.msg_type != "stream" {}
    client
        .control("interrupt_request", serde_json::json!({}))
        .await;
    loop {
        let message = client.broadcast().await;
        if message.msg_type == "error" {
            assert_eq!(
                (message.parent, &message.content["ename"]),
                (id.clone(), &"Interrupted".into())
            );
        } else if message.parent == id && message.content["execution_state"] == "idle" {
            break;
        }
    }
    client.shell_reply().await;
    client
        .execute("tokio::spawn(async { 5 }).await?")
        .await
        .result("5")
        .ok();
}

#[tokio::test]
async fn a_logger_hears_what_cells_and_crates_log() {
    let mut client = Client::start().await;
    let folder = client.folder().to_owned();
    write_crate(
        &folder,
        "talks",
        "[dependencies]\nlog = \"0.4\"\n",
        &[(
            "src/lib.rs",
            "pub fn talk() { log::info!(\"from a crate\"); }",
        )],
    );
    write_crate(
        &folder,
        "listens",
        "[dependencies]\nlog = { version = \"0.4\", features = [\"std\"] }\n",
        &[(
            "src/lib.rs",
            "struct Listener;\n\
             impl log::Log for Listener {\n\
             fn enabled(&self, _: &log::Metadata) -> bool { true }\n\
             fn log(&self, record: &log::Record) { println!(\"heard {}\", record.args()); }\n\
             fn flush(&self) {} }\n\
             pub fn listen(level: log::LevelFilter) { let _ = log::set_boxed_logger(Box::new(Listener)); log::set_max_level(level); }",
        )],
    );
    // The SDK's own log has not the feature of the second: with all three one that has it is built.
    let Some(mut execution) = from_registry(&mut client, ":dep log\n:dep ./listens").await else {
        return;
    };
    execution.rest();
    client
        .execute("listens::listen(log::LevelFilter::Info); log::info!(\"a cell\");")
        .await
        .stream("stdout", "heard a cell\n")
        .ok();
    dep(&mut client, ":dep ./talks").await;
    client
        .execute("talks::talk(); log::info!(\"another cell\");")
        .await
        .stream("stdout", "heard from a crate\nheard another cell\n")
        .ok();
}

#[tokio::test]
async fn bundled_c_libraries_of_the_registry_load() {
    let mut client = Client::start().await;
    let Some(mut execution) = from_registry(&mut client, ":dep lz4 = \"1\"").await else {
        return;
    };
    execution.rest();
    // The encoder is generic, so the cell itself calls the C library.
    client
        .execute(
            "use std::io::{Read, Write}; let mut encoder = lz4::EncoderBuilder::new().build(Vec::new())?;\n\
             encoder.write_all(&[7; 10_000])?; let (packed, end) = encoder.finish(); end?;\n\
             let mut back = Vec::new(); lz4::Decoder::new(&packed[..])?.read_to_end(&mut back)?; (packed.len() < 500, back.len())",
        )
        .await
        .result("(true, 10000)")
        .ok();
    let request = ":dep libz-sys = { version = \"1\", default-features = false, features = [\"static\", \"libc\"] }";
    let Some(mut execution) = from_registry(&mut client, request).await else {
        return;
    };
    execution.rest();
    client
        .execute("let sum = unsafe { libz_sys::adler32(1, b\"abc\".as_ptr(), 3) }; sum as u32")
        .await
        .result("38600999")
        .ok();
}
