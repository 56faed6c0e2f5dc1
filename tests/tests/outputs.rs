//! What cells show: text, results, displays, in order and byte by byte.

use patchbay_tests::Client;

#[tokio::test]
async fn the_last_expression_is_the_result() {
    let mut client = Client::start().await;
    client.execute("1 + 1").await.result("2").ok();
    client.execute("1 + 1;").await.ok();
    client.execute("()").await.ok();
    client
        .execute("if true { \"yes\" } else { \"no\" }")
        .await
        .result("\"yes\"")
        .ok();
    client
        .execute("let x = 5; match x { 5 => Some(x), _ => None }")
        .await
        .result("Some(5)")
        .ok();
    client
        .execute("for i in 0..2 { println!(\"{i}\"); }")
        .await
        .stream("stdout", "0\n1\n")
        .ok();
    client
        .execute("struct Opaque; Opaque")
        .await
        .result("a value of type cell::Opaque (derive Debug to see it)")
        .ok();
    client
        .execute("\"7\".parse::<i32>()")
        .await
        .result("Ok(7)")
        .ok();
}

#[tokio::test]
async fn types_with_an_evcxr_display_show_through_it() {
    let mut client = Client::start().await;
    let mut execution = client
        .execute(
            "struct Plot;\nimpl Plot { fn evcxr_display(&self) {\n\
             println!(\"EVCXR_BEGIN_CONTENT text/html\\n<b>plot</b>\\nEVCXR_END_CONTENT\"); } }\nprint!(\"a\");\nPlot",
        )
        .await
        .stream("stdout", "a");
    let result = execution.output("execute_result");
    assert_eq!(result["data"]["text/html"], "<b>plot</b>");
    execution.ok();
    // One that is called by the cell is a display.
    client
        .execute("Plot.evcxr_display();\n1")
        .await
        .display("text/html", "<b>plot</b>")
        .result("1")
        .ok();
}

#[tokio::test]
async fn values_are_displayed_by_value_and_by_reference_and_once() {
    let mut client = Client::start().await;
    for cell in [
        "display(html(\"a\"))",
        "let shown = html(\"a\");\ndisplay(&shown)",
    ] {
        client.execute(cell).await.display("text/html", "a").ok();
    }
    // A result is told as what it is.
    client
        .execute("\"7\".parse::<i32>()")
        .await
        .result("Ok(7)")
        .ok();
    client
        .execute("torch::ones(2)?.sum_all()?.to_scalar::<f32>()?")
        .await
        .result("2.0")
        .ok();
}

#[tokio::test]
async fn texts_and_displays_keep_their_order() {
    let mut client = Client::start().await;
    let code = "for i in 0..20 { println!(\"before {i}\"); display(&html(format!(\"<i>{i}</i>\"))); }\n\
                eprintln!(\"end\");";
    let mut execution = client.execute(code).await;
    for i in 0..20 {
        execution = execution
            .stream("stdout", &format!("before {i}\n"))
            .display("text/html", &format!("<i>{i}</i>"));
    }
    execution.stream("stderr", "end\n").ok();
}

#[tokio::test]
async fn displays_are_updated_and_cleared() {
    let mut client = Client::start().await;
    let mut execution = client
        .execute("let shown = display(&markdown(\"*one*\")); shown.update(&markdown(\"*two*\"));")
        .await;
    let first = execution.output("display_data");
    let update = execution.output("update_display_data");
    assert_eq!(first["data"]["text/markdown"], "*one*");
    assert_eq!(update["data"]["text/markdown"], "*two*");
    assert_eq!(
        first["transient"]["display_id"],
        update["transient"]["display_id"]
    );
    execution.ok();
    let mut execution = client
        .execute("shown.update(&html(\"later\")); clear_output(true);")
        .await;
    assert_eq!(
        execution.output("update_display_data")["transient"],
        first["transient"]
    );
    assert_eq!(execution.output("clear_output")["wait"], true);
    execution.ok();
}

#[tokio::test]
async fn partial_lines_are_shown_while_the_cell_runs() {
    let mut client = Client::start().await;
    // The cell goes on when the test has seen the first part.
    let id = client
        .send_cell(
            "print!(\"10%\\r\");\n\
             while !std::path::Path::new(\"seen\").exists() { std::thread::sleep(std::time::Duration::from_millis(1)); }\n\
             println!(\"100%\");",
        )
        .await;
    let mut texts = Vec::new();
    loop {
        let message = client.broadcast().await;
        match message.msg_type.as_str() {
            "stream" => {
                texts.push(message.content["text"].as_str().unwrap().to_owned());
                std::fs::write(client.folder().join("seen"), "").unwrap();
            }
            "status" if message.content["execution_state"] == "idle" => break,
            _ => {}
        }
    }
    assert_eq!(texts, ["10%\r", "100%\n"]);
    assert_eq!(client.shell_reply().await.parent, id);
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_replaced_and_nothing_breaks() {
    let mut client = Client::start().await;
    let code =
        "use std::io::Write; std::io::stdout().write_all(b\"a\\xff\\xfeb \\xe2\\x82\\xac\\n\")?;";
    client
        .execute(code)
        .await
        .stream("stdout", "a\u{fffd}\u{fffd}b \u{20ac}\n")
        .ok();
    client.execute("2").await.result("2").ok();
}

#[tokio::test]
async fn twenty_thousand_lines_arrive_in_order_in_few_messages() {
    let mut client = Client::start().await;
    let mut execution = client
        .execute("for i in 0..20_000 { println!(\"line {i}\"); }")
        .await;
    let messages = execution.rest();
    let text: String = messages
        .iter()
        .map(|message| message.content["text"].as_str().unwrap())
        .collect();
    let expected: String = (0..20_000).map(|i| format!("line {i}\n")).collect();
    assert!(text == expected, "all lines in order");
    assert!(messages.len() <= 100, "{} messages", messages.len());
    execution.ok();
}

#[tokio::test]
async fn output_of_threads_and_child_processes() {
    let mut client = Client::start().await;
    client
        .execute(
            "let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(|| println!(\"x\"))).collect();\n\
             for thread in threads { thread.join().unwrap(); }",
        )
        .await
        .stream("stdout", "x\nx\nx\n")
        .stream_with("stderr", &[])
        .ok();
    client
        .execute("std::process::Command::new(\"echo\").arg(\"child\").status()?;")
        .await
        .stream("stdout", "child\n")
        .ok();
}

#[tokio::test]
async fn progress_bars_end_as_one_line() {
    let mut client = Client::start().await;
    let mut execution = client
        .execute("let mut n = 0; for i in progress(0..50).title(\"count\") { n += i; } n")
        .await;
    let mut outputs = execution.rest();
    assert_eq!(outputs.pop().unwrap().content["data"]["text/plain"], "1225");
    assert_eq!(outputs[0].msg_type, "display_data");
    assert_eq!(
        outputs.last().unwrap().content["data"]["text/plain"],
        "count: 50/50"
    );
    execution.ok();
}

#[tokio::test]
async fn pictures_and_plots() {
    let mut client = Client::start().await;
    let mut execution = client
        .execute("plot::lines().series(\"loss\", [3.0, 2.0, 1.0]).draw()?")
        .await;
    let svg = execution.output("execute_result");
    assert!(
        svg["data"]["image/svg+xml"]
            .as_str()
            .unwrap()
            .starts_with("<svg")
    );
    execution.ok();
    let mut execution = client
        .execute("image(&Tensor::ones((4, 4), DType::F32, &device())?)?")
        .await;
    let png = execution.output("execute_result");
    assert!(
        png["data"]["image/png"]
            .as_str()
            .unwrap()
            .starts_with("iVBOR")
    );
    execution.ok();
    client
        .execute("image(&Tensor::ones((5, 2, 4, 4), DType::F32, &device())?)?")
        .await
        .error(
            "Error",
            &["a picture is [h, w]", "[5, 2, 4, 4]", "image_grid"],
        );
}

#[tokio::test]
async fn the_user_can_be_asked() {
    let mut client = Client::start().await;
    let id = client
        .send_cell("let name = input(\"name? \")?; println!(\"hello {name}\");")
        .await;
    let request = client.input_request().await;
    assert_eq!(
        (request["prompt"].as_str(), request["password"].as_bool()),
        (Some("name? "), Some(false))
    );
    client.send_input("Ada").await;
    client
        .collect(&id)
        .await
        .stream("stdout", "hello Ada\n")
        .ok();
    client
        .execute_with(
            "input(\"name? \")?",
            serde_json::json!({ "allow_stdin": false }),
        )
        .await
        .error("Error", &["does not allow input requests"]);
}
