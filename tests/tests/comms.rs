//! Comms and widgets, while a cell runs and after.

use patchbay_tests::{Client, Received};
use serde_json::{Value, json};

/// The next broadcast of a type, others left out.
async fn next(client: &mut Client, msg_type: &str) -> Received {
    loop {
        let message = client.broadcast().await;
        if message.msg_type == msg_type {
            return message;
        }
    }
}

/// The id of the widget's model of this name that a cell has opened.
async fn model(client: &mut Client, name: &str) -> String {
    loop {
        let open = next(client, "comm_open").await;
        assert_eq!(open.content["target_name"], "jupyter.widget");
        assert_eq!(open.metadata["version"], "2.1.0");
        if open.content["data"]["state"]["_model_name"] == name {
            return open.content["comm_id"].as_str().unwrap().to_owned();
        }
    }
}

fn update(id: &str, state: &Value) -> Value {
    json!({ "comm_id": id, "data": { "method": "update", "state": state, "buffer_paths": [] } })
}

#[tokio::test]
async fn a_slider_changes_a_running_loop() {
    let mut client = Client::start().await;
    let cell = client
        .send_cell(
            "let rate = widgets::slider(\"rate\", 0.0, 1.0).value(0.25);\n\
             display(&rate);\n\
             let mut steps = 0;\n\
             println!(\"at {}\", rate.get());\n\
             while rate.get() < 0.5 { steps += 1; std::thread::sleep(std::time::Duration::from_millis(1)); }\n\
             println!(\"ended at {}\", rate.get());",
        )
        .await;
    let slider = model(&mut client, "FloatSliderModel").await;
    let first = next(&mut client, "comm_msg").await;
    assert_eq!(first.content["data"]["state"], json!({ "value": 0.25 }));
    let shown = next(&mut client, "display_data").await;
    let view = &shown.content["data"]["application/vnd.jupyter.widget-view+json"];
    assert_eq!(view["model_id"], slider.as_str());
    assert_eq!(
        next(&mut client, "stream").await.content["text"],
        "at 0.25\n"
    );
    client
        .send_shell("comm_msg", update(&slider, &json!({ "value": 0.75 })))
        .await;
    // Other front ends of the same notebook hear of it.
    let echo = next(&mut client, "comm_msg").await;
    assert_eq!(
        echo.content,
        json!({ "comm_id": slider, "data": { "method": "echo_update", "state": { "value": 0.75 }, "buffer_paths": [] } })
    );
    assert_eq!(
        next(&mut client, "stream").await.content["text"],
        "ended at 0.75\n"
    );
    while client.shell_reply().await.parent != cell {}
    // What the front end has set is the state that another front end is told.
    client
        .send_shell(
            "comm_msg",
            json!({ "comm_id": slider, "data": { "method": "request_state" } }),
        )
        .await;
    let state = next(&mut client, "comm_msg").await.content["data"]["state"].clone();
    assert_eq!(
        (&state["value"], &state["max"]),
        (&json!(0.75), &json!(1.0))
    );
}

#[tokio::test]
async fn a_button_is_heard_after_its_cell_has_ended() {
    let mut client = Client::start().await;
    let cell = client
        .send_cell(
            "let press = widgets::button(\"press\").on_click(|| println!(\"pressed\")); press",
        )
        .await;
    let button = model(&mut client, "ButtonModel").await;
    while client.shell_reply().await.parent != cell {}
    let click = json!({ "comm_id": button, "data": { "method": "custom", "content": { "event": "click" } } });
    client.send_shell("comm_msg", click).await;
    let text = next(&mut client, "stream").await;
    assert_eq!(
        (text.content["text"].as_str(), text.parent),
        (Some("pressed\n"), cell)
    );
    let counted = client.send_cell("press.clicks()").await;
    let result = next(&mut client, "execute_result").await;
    assert_eq!(
        (&result.content["data"]["text/plain"], result.parent),
        (&json!("1"), counted)
    );
}

#[tokio::test]
async fn both_sides_open_comms_with_buffers() {
    let mut client = Client::start().await;
    let cell = client
        .send_cell(
            "use patchbay::comm::{self, Comm, Message};\n\
             comm::register_target(\"echo\", |comm, first| {\n\
                 let data = first.data.clone();\n\
                 let same = comm.clone();\n\
                 comm.on_message(move |message| same.send_message(message.clone()));\n\
                 comm.send(data);\n\
             });\n\
             let own = Comm::open(\"front\", json!({ \"hello\": 1 }));",
        )
        .await;
    let own = next(&mut client, "comm_open").await;
    assert_eq!(
        (&own.content["target_name"], &own.content["data"]),
        (&json!("front"), &json!({ "hello": 1 }))
    );
    while client.shell_reply().await.parent != cell {}
    client
        .send_shell(
            "comm_open",
            json!({ "comm_id": "mine", "target_name": "echo", "data": { "first": true } }),
        )
        .await;
    let answer = next(&mut client, "comm_msg").await;
    assert_eq!(
        (&answer.content["comm_id"], &answer.content["data"]),
        (&json!("mine"), &json!({ "first": true }))
    );
    client
        .send_to_subshell(
            None,
            "comm_msg",
            json!({ "comm_id": "mine", "data": { "n": 2 } }),
            &[b"\0\xff", b"two"],
        )
        .await;
    let echo = next(&mut client, "comm_msg").await;
    assert_eq!(echo.content["data"], json!({ "n": 2 }));
    assert_eq!(echo.buffers, [&b"\0\xff"[..], b"two"]);

    let info = client
        .request("comm_info_request", json!({ "target_name": "echo" }))
        .await;
    assert_eq!(info["comms"], json!({ "mine": { "target_name": "echo" } }));
    // Nobody waits for such a comm: it is closed at once.
    client
        .send_shell(
            "comm_open",
            json!({ "comm_id": "lost", "target_name": "unknown", "data": {} }),
        )
        .await;
    let close = next(&mut client, "comm_close").await;
    assert_eq!(close.content["comm_id"], "lost");
    let info = client.request("comm_info_request", json!({})).await;
    assert_eq!(info["comms"].as_object().unwrap().len(), 2, "{info}");
}

#[tokio::test]
async fn comms_are_closed_with_the_process_that_held_them() {
    let mut client = Client::start().await;
    client
        .send_cell("let box_ = widgets::checkbox(\"on\", true); box_")
        .await;
    let id = model(&mut client, "CheckboxModel").await;
    client.shell_reply().await;
    client.send_cell("std::process::abort()").await;
    loop {
        let close = next(&mut client, "comm_close").await;
        if close.content["comm_id"] == id.as_str() {
            break;
        }
    }
    client.shell_reply().await;
    let info = client.request("comm_info_request", json!({})).await;
    assert_eq!(info["comms"], json!({}));
}

const ECHO: &str = "patchbay::comm::register_target(\"echo\", |comm, first| {\n\
    comm.send(first.data.clone());\n\
    let same = comm.clone();\n\
    comm.on_message(move |message| same.send(message.data.clone()));\n\
});";

#[tokio::test]
async fn comms_are_heard_after_silent_cells_and_expressions() {
    let mut client = Client::start().await;
    client.execute(ECHO).await.ok();
    for (number, more) in [
        json!({ "silent": true }),
        json!({ "user_expressions": { "two": "1 + 1" } }),
        json!({ "silent": true, "user_expressions": { "two": "1 + 1" } }),
    ]
    .into_iter()
    .enumerate()
    {
        client.execute_with("1;", more).await.ok();
        let open = json!({ "comm_id": format!("after {number}"), "target_name": "echo", "data": { "n": number } });
        client.send_shell("comm_open", open).await;
        let answer = next(&mut client, "comm_msg").await;
        assert_eq!(answer.content["data"]["n"], number);
    }
}

#[tokio::test]
async fn comms_are_answered_before_the_first_cell() {
    let mut client = Client::start().await;
    let open = |id: &str, target: &str| json!({ "comm_id": id, "target_name": target, "data": {} });
    client
        .send_shell("comm_open", open("lost", "unknown"))
        .await;
    let close = next(&mut client, "comm_close").await;
    assert_eq!(close.content["comm_id"], "lost");
    client
        .send_shell("comm_open", open("all", "jupyter.widget.control"))
        .await;
    let ask = json!({ "comm_id": "all", "data": { "method": "request_states" } });
    client.send_shell("comm_msg", ask).await;
    let states = next(&mut client, "comm_msg").await;
    assert_eq!(states.content["data"]["method"], "update_states");
    assert_eq!(states.content["data"]["states"], json!({}));
    let info = client.request("comm_info_request", json!({})).await;
    assert_eq!(info["comms"].as_object().unwrap().len(), 1, "{info}");
}

#[tokio::test]
async fn a_bar_that_is_set_often_sends_some_of_its_values_and_the_last() {
    let mut client = Client::start().await;
    let id = client
        .send_cell("let bar = widgets::progress_bar(\"b\", 100_000.0); for i in 0..=100_000 { bar.set(i as f64); }")
        .await;
    let (mut updates, mut last) = (0, Value::Null);
    loop {
        let message = client.broadcast().await;
        if message.msg_type == "comm_msg" {
            updates += 1;
            last = message.content["data"]["state"]["value"].clone();
        }
        if message.parent == id && message.content["execution_state"] == "idle" {
            break;
        }
    }
    assert!((1..500).contains(&updates), "{updates} messages");
    assert_eq!(last, 100_000.0);
    client.shell_reply().await;
}

#[tokio::test]
async fn messages_for_a_subshell_that_is_gone_are_not_answered() {
    let mut client = Client::start().await;
    client
        .send_to_subshell(
            Some("gone"),
            "comm_msg",
            json!({ "comm_id": "a", "data": {} }),
            &[],
        )
        .await;
    client.execute("1 + 1").await.result("2").ok();
    assert!(
        client.log().contains("dropped a comm_msg"),
        "{}",
        client.log()
    );
}

/// What a cell shows as its result, whatever else is broadcast in the meantime.
async fn result_of(client: &mut Client, code: &str) -> Value {
    let cell = client.send_cell(code).await;
    let result = loop {
        let result = next(client, "execute_result").await;
        if result.parent == cell {
            break result.content["data"]["text/plain"].clone();
        }
    };
    while client.shell_reply().await.parent != cell {}
    result
}

/// A handler that hangs: cells run, and an interrupt ends it or gives it up, so that the messages behind it are handled.
#[tokio::test]
async fn a_handler_that_hangs_blocks_nothing_after_an_interrupt() {
    for (code, is_given_up, beside_cell) in [
        (
            "loop { std::thread::sleep(std::time::Duration::from_millis(1)); }",
            false,
            false,
        ),
        ("std::thread::park();", true, false),
        ("std::thread::park();", true, true),
        (
            "(0..u64::MAX).for_each(|n| { std::hint::black_box(n); });",
            true,
            false,
        ),
    ] {
        let mut client = Client::start().await;
        client
            .execute(&format!(
                "use patchbay::comm;\nlet kept = 5;\n\
                 comm::register_target(\"hangs\", |comm, _| comm.on_message(|_| {{ println!(\"hanging\"); {code} }}));\n\
                 comm::register_target(\"answers\", |comm, _| {{\n\
                     let same = comm.clone();\n\
                     comm.on_message(move |message| same.send(message.data.clone()));\n\
                 }});"
            ))
            .await
            .ok();
        for (id, target) in [("one", "hangs"), ("two", "answers")] {
            let open = json!({ "comm_id": id, "target_name": target, "data": {} });
            client.send_shell("comm_open", open).await;
        }
        client
            .send_shell("comm_msg", json!({ "comm_id": "one", "data": {} }))
            .await;
        assert_eq!(
            next(&mut client, "stream").await.content["text"],
            "hanging\n"
        );
        assert_eq!(result_of(&mut client, "kept + 1").await, "6");
        client
            .send_shell("comm_msg", json!({ "comm_id": "two", "data": { "n": 1 } }))
            .await;
        let beside = match beside_cell {
            true => Some(
                client
                    .send_cell("println!(\"beside\"); std::thread::park();")
                    .await,
            ),
            false => None,
        };
        if beside.is_some() {
            assert_eq!(
                next(&mut client, "stream").await.content["text"],
                "beside\n"
            );
        }
        client.control("interrupt_request", json!({})).await;
        if let Some(cell) = beside {
            while client.shell_reply().await.parent != cell {}
        }
        let (mut answered, mut told) = (false, !is_given_up);
        while !answered || !told {
            let message = client.broadcast().await;
            let content = &message.content;
            match message.msg_type.as_str() {
                "comm_msg" => {
                    assert_eq!(
                        (&content["comm_id"], &content["data"]),
                        (&json!("two"), &json!({ "n": 1 }))
                    );
                    answered = true;
                }
                "stream" => {
                    let text = content["text"].as_str().unwrap();
                    assert!(
                        text.contains("the comm one") && text.contains("given up"),
                        "{text}"
                    );
                    told = true;
                }
                _ => {}
            }
        }
        // Without a handler that runs there is nothing to stop.
        client.control("interrupt_request", json!({})).await;
        assert_eq!(result_of(&mut client, "kept").await, "5");
    }
}

#[tokio::test]
async fn messages_come_in_order_where_cells_begin_between_them() {
    const OF_A_ROUND: i64 = 12;
    let mut client = Client::start().await;
    let setup = client
        .send_cell(
            "patchbay::comm::register_target(\"echo\", |comm, _| {\n\
                 let same = comm.clone();\n\
                 comm.on_message(move |message| same.send(message.data.clone()));\n\
             });",
        )
        .await;
    while client.shell_reply().await.parent != setup {}
    let open = json!({ "comm_id": "mine", "target_name": "echo", "data": {} });
    client.send_shell("comm_open", open).await;
    for round in 0..40 {
        for number in 0..OF_A_ROUND {
            let content = json!({ "comm_id": "mine", "data": round * OF_A_ROUND + number });
            client.send_shell("comm_msg", content).await;
            if number % 4 == round % 4 {
                client.send_cell("print!(\"\")").await;
            }
        }
        for number in 0..OF_A_ROUND {
            let echo = next(&mut client, "comm_msg").await;
            assert_eq!(echo.content["data"], round * OF_A_ROUND + number);
        }
    }
}
