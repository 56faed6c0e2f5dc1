//! Interrupts and plugins. A program of its own: a request stops every slot of the process.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Barrier,
    thread,
};

use patchbay::{
    interrupt::{self, Interrupted},
    plugin::{self, prelude::*},
};

/// Waits for ever, looking at the interrupt flag.
struct Waits;

/// Where the component and the test meet before the interrupt.
static STARTED: Barrier = Barrier::new(2);

impl Component for Waits {}

impl Define for Waits {
    type Kind = dyn Loss;
    type Config = ();
    const ID: &'static str = "loss/waits";
    const SUMMARY: &'static str = "waits";
    const DETAILS: Details = Details::NONE;

    fn build(_config: (), _context: &Context) -> Result<Self> {
        Ok(Waits)
    }
}

impl Loss for Waits {
    fn forward(&self, _prediction: &Tensor, _target: &Tensor) -> Result<Tensor> {
        STARTED.wait();
        loop {
            interrupt::check();
            thread::yield_now();
        }
    }
}

patchbay::export_plugin!(Waits);

#[test]
fn an_interrupt_goes_through_a_component_to_the_cell_and_leaves_the_slot_whole() {
    register().unwrap();
    let loss: Slot<dyn Loss> = plugin::create("loss/waits", json!({})).unwrap();
    let zeros = Tensor::zeros((2, 2), DType::F32, &Device::Cpu).unwrap();
    let running = thread::spawn({
        let loss = loss.clone();
        move || panic::catch_unwind(AssertUnwindSafe(|| loss.forward(&zeros, &zeros).is_ok()))
    });
    STARTED.wait();
    interrupt::request();
    let payload = running.join().unwrap().unwrap_err();
    interrupt::clear();
    assert!(payload.is::<Interrupted>());
    assert_eq!(loss.failure(), None);
}
