//! What a line of a cell is: Rust, a command or a magic; and what a cell finds around itself, as a program would.

use patchbay_tests::Client;
use serde_json::json;

#[tokio::test]
async fn negations_are_rust_and_commands_are_commands() {
    let mut client = Client::start().await;
    client
        .execute("let done = true; let names: Vec<String> = Vec::new(); fn odd(n: u8) -> bool { n % 2 == 1 }")
        .await
        .ok();
    for (cell, result) in [
        ("!done", "false"),
        ("!names.is_empty()", "false"),
        ("!done || !odd(4)", "true"),
        ("!{ let many = names.len() > 1; many }", "true"),
        ("!matches!(\n    done,\n    true\n)", "false"),
        ("let late = false;\n!late", "true"),
        ("!0b1010u8", "245"),
        ("let time = 3u8;\n7u8\n  %time", "1"),
    ] {
        client.execute(cell).await.result(result).ok();
    }
    client
        .execute("!echo done")
        .await
        .stream("stdout", "done\n")
        .ok();
    client
        .execute("let n = 1;\n!printf 'a b' | tr a-z A-Z\nn")
        .await
        .stream("stdout", "A B")
        .result("1")
        .ok();
    // A space makes a command of it whatever there is of that name.
    client.execute("fn date() -> u8 { 1 }").await.ok();
    client
        .execute("! date +%%")
        .await
        .stream("stdout", "%\n")
        .ok();
}

#[tokio::test]
async fn strings_are_what_was_typed() {
    let mut client = Client::start().await;
    let text = "  first\n\tsecond  \n%who\n!ls -l\n:dep serde\n%%time\n\n    last";
    let cell = format!(
        "let plain = \"{text}\";\nlet raw = r##\"{text}\"##;\nassert_eq!(plain, raw); plain.len()"
    );
    client
        .execute(&cell)
        .await
        .result(&text.len().to_string())
        .ok();
    client
        .execute("let joined = \"one \\\n          two\\n\\\n   three\"; joined")
        .await
        .result("\"one two\\nthree\"")
        .ok();
    client
        .execute("fn shown() -> String { format!(\"\n  {}\n%vars\n\", 3) }\nshown()")
        .await
        .result("\"\\n  3\\n%vars\\n\"")
        .ok();
}

#[tokio::test]
async fn a_cell_sees_the_arguments_of_a_program_without_any() {
    let mut client = Client::start().await;
    client
        .execute("(std::env::args().count(), std::env::args().next().is_some_and(|name| !name.contains('/')), std::env::args_os().skip(1).next())")
        .await
        .result("(1, true, None)")
        .ok();
}

#[tokio::test]
async fn stdin_asks_the_front_end() {
    let mut client = Client::start().await;
    let id = client
        .send_cell("print!(\"name? \"); let mut name = String::new(); let n = std::io::stdin().read_line(&mut name)?; (n, name)")
        .await;
    client.input_request().await;
    client.send_input("Ada").await;
    client
        .collect(&id)
        .await
        .stream("stdout", "name? ")
        .result("(4, \"Ada\\n\")")
        .ok();

    let id = client
        .send_cell("std::io::stdin().lines().map_while(Result::ok).map(|line| line.len()).collect::<Vec<_>>()")
        .await;
    for answer in ["one", "", "three", "^D"] {
        client.input_request().await;
        client.send_input(answer).await;
    }
    client.collect(&id).await.result("[3, 0, 5]").ok();

    let id = client
        .send_cell("std::io::read_to_string(std::io::stdin())?")
        .await;
    client.input_request().await;
    let all = "a long answer of more bytes than the first read takes\nand a second line";
    client.send_input(all).await;
    client
        .collect(&id)
        .await
        .result(&format!("{:?}", format!("{all}\n")))
        .ok();

    // Where nobody can be asked stdin is at its end.
    client
        .execute_with(
            "let mut line = String::from(\"x\"); (std::io::stdin().read_line(&mut line)?, line)",
            json!({ "allow_stdin": false }),
        )
        .await
        .result("(0, \"x\")")
        .ok();

    client.execute("let kept = 5;").await.ok();
    let id = client
        .send_cell("let mut line = String::new(); std::io::stdin().read_line(&mut line)?;")
        .await;
    client.input_request().await;
    client.control("interrupt_request", json!({})).await;
    let mut ended = (false, String::new());
    while !ended.0 || ended.1.is_empty() {
        let message = client.broadcast().await;
        ended.0 |= message.parent == id && message.content["execution_state"] == "idle";
        if message.msg_type == "error" {
            ended.1 = message.content["ename"].as_str().unwrap().to_owned();
        }
    }
    assert_eq!(ended.1, "Interrupted");
    client.shell_reply().await;
    client.execute("kept").await.result("5").ok();
}

#[tokio::test]
async fn included_files_are_relative_to_the_notebook_and_followed() {
    let mut client = Client::start().await;
    let folder = client.folder().to_owned();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("data/a b.txt", "first");
    write(
        "shapes.rs",
        "pub mod round;\npub struct Side(pub u8);\npub fn name() -> &'static str { include_str!(\"data/a b.txt\") }",
    );
    write(
        "shapes/round.rs",
        "pub fn area(r: f64) -> f64 { 3.0 * r * r }",
    );
    write("other/place.rs", "pub const N: u8 = 4;");
    let text = "include_str!(\"data/a b.txt\")";
    client.execute(text).await.result("\"first\"").ok();
    client
        .execute("mod shapes;\n#[path = \"other/place.rs\"] mod elsewhere;")
        .await
        .ok();
    client
        .execute("let side = shapes::Side(7); (shapes::name(), shapes::round::area(2.0), elsewhere::N, include_bytes!(\"data/a b.txt\").len())")
        .await
        .result("(\"first\", 12.0, 4, 5)")
        .ok();
    client.execute("side.0").await.result("7").ok();

    // Also from another working folder.
    write("data/a b.txt", "second!");
    client.execute("%cd data").await.ok();
    client.execute(text).await.result("\"second!\"").ok();
    client.execute("shapes::name()").await.rest();
    client
        .execute("shapes::name()")
        .await
        .result("\"second!\"")
        .ok();
    client.execute("let side = shapes::Side(8);").await.ok();

    // A value of a type as it was is not taken for one of the type as it is.
    write(
        "shapes.rs",
        "pub struct Side(pub String, pub u64);\npub fn name() -> u8 { 1 }",
    );
    client
        .execute("shapes::name()")
        .await
        .stream_with("stderr", &["`side` was dropped"])
        .result("1")
        .ok();
    client
        .execute("side.0")
        .await
        .error("CompileError", &["side"]);
    // The compiler, which works in this folder, leaves nothing there.
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            !name.starts_with("history") && !["connection.json", "log"].contains(&name.as_str())
        })
        .collect();
    names.sort();
    assert_eq!(names, ["data", "other", "shapes", "shapes.rs"]);
    // An error in a file is told with its place there.
    write("shapes.rs", "pub fn name() -> u8 { \"x\" }");
    client
        .execute("shapes::name()")
        .await
        .error("CompileError", &["mismatched types", "shapes.rs"]);
}

#[tokio::test]
async fn commands_of_evcxr_are_all_understood() {
    let mut client = Client::start().await;
    for command in [
        ":allow_static_linking 1",
        ":cache",
        ":cache 500",
        ":cache 0",
        ":codegen_backend cranelift",
        ":efmt {:?}",
        ":env A=1",
        ":fmt {:#?}",
        ":help",
        ":internal_debug",
        ":linker lld",
        ":load_config --quiet",
        ":offline 1",
        ":offline 0",
        ":opt 2",
        ":preserve_vars_on_panic 1",
        ":sccache 1",
        ":show_deps",
        ":time_passes",
        ":timing",
        ":timing",
        ":toolchain nightly",
        ":types",
        ":vars // all",
        ":version",
        ":last_compile_dir",
        ":quit",
    ] {
        let mut execution = client.execute(command).await;
        assert_eq!(execution.reply["status"], "ok", "{command}");
        execution.rest();
    }
    client
        .execute(":linker mold")
        .await
        .stream_with("stdout", &[":linker: ", "nothing to set\n"])
        .ok();
    client.execute(":build_env BUILT_FOR=tests").await.rest();
    client
        .execute("env!(\"BUILT_FOR\")")
        .await
        .result("\"tests\"")
        .ok();
    client
        .execute(":explain")
        .await
        .error("MagicError", &["no cell has failed to compile"]);
    client
        .execute("let n: u8 = \"a\";")
        .await
        .error("CompileError", &["mismatched types"]);
    client
        .execute(":explain")
        .await
        .stream_with("stdout", &["Expected type did not match"])
        .ok();
    client
        .execute(":last_error_json")
        .await
        .stream_with("stdout", &["\"code\":\"E0308\""])
        .ok();
    client
        .execute("let x = 1; fn twice(n: u8) -> u8 { 2 * n }")
        .await
        .ok();
    client.execute(":restart").await.rest();
    client.execute("twice(4)").await.result("8").ok();
    client
        .execute("x")
        .await
        .error("CompileError", &["restart"]);
    client
        .execute(":nonsense")
        .await
        .error("MagicError", &["no magic"]);
}
