//! How long each part of a step took.

use std::time::{Duration, Instant};

use patchbay::plugin::prelude::*;

/// Times of the parts of a step, in their order.
#[derive(Clone, Default)]
pub struct Passes(pub Vec<(String, Duration)>);

impl Passes {
    /// Runs a part, and waits until the device has done it: a GPU is only asked by the call.
    ///
    /// # Errors
    ///
    /// As the part, and where the device fails.
    pub fn time<T>(
        &mut self,
        name: &str,
        device: &Device,
        pass: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let start = Instant::now();
        let result = pass()?;
        device.synchronize()?;
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), start.elapsed()));
        Ok(result)
    }
}
