//! The request to stop is one per process: this file holds a single test, so that no other one is stopped by it.

use std::panic;

use patchbay_cell::interrupt::{self, Interrupted};

#[test]
fn a_request_unwinds_with_its_own_payload_until_it_is_cleared() {
    interrupt::check();
    interrupt::request();
    assert!(interrupt::requested());
    let payload = panic::catch_unwind(interrupt::check).unwrap_err();
    assert!(payload.is::<Interrupted>());
    interrupt::clear();
    assert!(!interrupt::requested());
    interrupt::check();
}
