//! The process that runs cells.

use std::{
    panic,
    sync::atomic::{AtomicBool, Ordering},
};

use patchbay_protocol::{Failure, FailureKind};

use crate::lines::{Relayed, print_relayed};

/// Prepares the process before evcxr takes it over: it ends with its relay, and panics of the cells'
/// thread tell their message in place of printing it.
pub fn prepare() {
    // An interrupt kills the relay, and a cell that never ends must end with it.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let cell_thread = std::thread::current().id();
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        static PANICKING: AtomicBool = AtomicBool::new(false);
        if std::thread::current().id() != cell_thread || PANICKING.swap(true, Ordering::SeqCst) {
            print(info);
            return;
        }
        let payload = info.payload();
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic whose payload is not text".to_owned());
        print_relayed(&Relayed::Panic {
            failure: Failure {
                kind: FailureKind::Panic,
                message,
                causes: Vec::new(),
                location: None,
                functions: Vec::new(),
                frames: Vec::new(),
            },
        });
        PANICKING.store(false, Ordering::SeqCst);
    }));
}
