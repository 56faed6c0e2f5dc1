//! A panic in the kernel's own code costs the request that it was for, and no other.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use serde_json::{Value, json};

/// Waits for a future.
///
/// # Errors
///
/// Returns what a panic in it says. What it was changing stays as it is.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        match polled {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) => Poll::Ready(Err(description(&*payload))),
        }
    })
    .await
}

/// The content of a reply, by way of [`caught`].
pub async fn caught_content(content: impl Future<Output = Value>) -> Value {
    caught(content).await.unwrap_or_else(
        |what| json!({ "status": "error", "ename": NAME, "evalue": what, "traceback": [what] }),
    )
}

/// The name of the error.
pub const NAME: &str = "KernelError";

fn description(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("of unknown cause");
    format!(
        "the kernel failed at this itself, which is a defect of Patchbay: {text}. Its log says where; the variables are still \
         there"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_wherever_the_future_is() {
        assert_eq!(caught(async { 1 }).await, Ok(1));
        let index = std::hint::black_box(3);
        let failed = caught(async move {
            tokio::task::yield_now().await;
            [1, 2][index]
        });
        let text = failed.await.unwrap_err();
        assert!(text.contains("index out of bounds"), "{text}");
        let content = caught_content(async { panic!("at once") }).await;
        assert!(
            content["evalue"].as_str().unwrap().contains("at once"),
            "{content}"
        );
    }
}
