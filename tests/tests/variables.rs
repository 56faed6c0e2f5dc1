//! Variables live on, with Rust's own rules.

use patchbay_tests::Client;

#[tokio::test]
async fn variables_keep_their_types_and_mutability() {
    let mut client = Client::start().await;
    client
        .execute("let a = 1; let mut b = 2.5f32; let (c, mut d) = (\"text\", vec![1u8]);")
        .await
        .ok();
    client.execute("b += 1.0; d.push(2);").await.ok();
    client
        .execute("(a, b, c, &d)")
        .await
        .result("(1, 3.5, \"text\", [1, 2])")
        .ok();
    client.execute("a += 1;").await.error(
        "CompileError",
        &[
            "cannot assign to `a`",
            "`a` was defined without `mut` in cell [1]",
            "let mut a = a;",
        ],
    );
    client
        .execute("let mut a = a; a += 1; a")
        .await
        .result("2")
        .ok();
    client.execute("a").await.result("2").ok();
}

#[tokio::test]
async fn shadowing_moves_and_borrows() {
    let mut client = Client::start().await;
    client.execute("let x = vec![1, 2, 3];").await.ok();
    client
        .execute("let x: Vec<i32> = x.into_iter().map(|value| value * 2).collect(); x.len()")
        .await
        .result("3")
        .ok();
    client
        .execute("let first = x[0]; let total: i32 = x.iter().sum(); (first, total)")
        .await
        .result("(2, 12)")
        .ok();
    client.execute("drop(x);").await.ok();
    client.execute("x").await.error(
        "CompileError",
        &[
            "cannot find value `x`",
            "there is no `x` any more: cell [4] moved it away",
        ],
    );
    client.execute("total").await.result("12").ok();
    client
        .execute("let text = String::from(\"abc\"); let view: &str = &text; view.len()")
        .await
        .result("3")
        .stream_with(
            "stderr",
            &["`view` is not kept for later cells: it borrows from a variable of its own cell"],
        )
        .ok();
    client.execute("text").await.result("\"abc\"").ok();
}

#[tokio::test]
async fn what_has_no_name_is_refused_and_the_rest_is_kept() {
    let mut client = Client::start().await;
    client
        .execute("let words = vec![\"a\"]; let add = move |x: usize| x + words.len(); let kept = add(1);")
        .await
        .stream_with(
            "stderr",
            &[
                "`add` is not kept for later cells",
                "Box<dyn Fn(i32) -> i32>",
            ],
        )
        .ok();
    client.execute("kept").await.result("2").ok();
    client
        .execute("add(1)")
        .await
        .error("CompileError", &["cannot find function `add`", "box it"]);
    client.execute("let add = |x: i32| x + 1;").await.ok();
    client.execute("add(41)").await.result("42").ok();
    client.execute("fn add(x: i32) -> i32 { x + 2 }").await.ok();
    client.execute("add(40)").await.result("42").ok();
    client
        .execute("let add: Box<dyn Fn(i32) -> i32> = Box::new(|x| x + 1);")
        .await
        .ok();
    client.execute("add(41)").await.result("42").ok();
    client
        .execute("let squares = (0..3).map(|x| x * x);")
        .await
        .stream_with(
            "stderr",
            &["`squares` is not kept", "collect it into a `Vec`"],
        )
        .ok();
}

#[tokio::test]
async fn a_failing_cell_loses_nothing() {
    let mut client = Client::start().await;
    client
        .execute("let before = vec![1, 2, 3]; let mut counter = 0usize;")
        .await
        .ok();
    client
        .execute(
            "counter += before.len(); let trained = before.clone(); let n: i32 = \"x\".parse()?;",
        )
        .await
        .error("Error", &["invalid digit found in string", "cell [2]:1:"]);
    client
        .execute("(&before, counter, &trained)")
        .await
        .result("([1, 2, 3], 3, [1, 2, 3])")
        .ok();
    client
        .execute("let more = before.len(); panic!(\"no {more}\")")
        .await
        .error("Panic", &["no 3"]);
    client
        .execute("(before, more)")
        .await
        .result("([1, 2, 3], 3)")
        .ok();
    client.execute("n").await.error(
        "CompileError",
        &["cell [2], which defines it, failed before its end"],
    );
}

#[tokio::test]
async fn borrows_within_a_cell_do_not_get_in_the_way() {
    let mut client = Client::start().await;
    client
        .execute(
            "let mut list = vec![1, 2, 3]; let first = list.first_mut().unwrap(); *first = 9; list",
        )
        .await
        .result("[9, 2, 3]")
        .stream_with("stderr", &["`first` is not kept"])
        .ok();
    client.execute("list").await.result("[9, 2, 3]").ok();
    client
        .execute("let lock = std::sync::Mutex::new(1); let mut guard = lock.lock().unwrap(); *guard += 1;")
        .await
        .stream_with("stderr", &["`guard` is not kept"])
        .ok();
    client
        .execute("*lock.lock().unwrap()")
        .await
        .result("2")
        .ok();
    client
        .execute("let temporary = &vec![1, 2]; let length = temporary.len(); length")
        .await
        .result("2")
        .stream_with("stderr", &["`temporary`"])
        .ok();
    client.execute("length").await.result("2").ok();
    client
        .execute("let late; if length > 1 { late = 5 } else { late = 6 }; late")
        .await
        .result("5")
        .ok();
}

#[tokio::test]
async fn tensors_threads_and_futures() {
    let mut client = Client::start().await;
    client
        .execute("let a = Tensor::arange(0f32, 6., &device())?.reshape((2, 3))?;")
        .await
        .ok();
    client
        .execute("a")
        .await
        .result("[[0., 1., 2.],\n [3., 4., 5.]]\nTensor [2, 3] f32 on cpu, min 0, max 5, mean 2.5")
        .ok();
    client
        .execute("let handle = std::thread::spawn(|| 6 * 7); handle.join().unwrap()")
        .await
        .result("42")
        .ok();
    client
        .execute("async fn answer(x: i32) -> i32 { x + 1 }")
        .await
        .ok();
    client
        .execute("let value = answer(4).await; value")
        .await
        .result("5")
        .ok();
    client.execute("value").await.result("5").ok();
}
