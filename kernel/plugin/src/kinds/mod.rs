//! The kinds of component: small traits over tensors.
//!
//! A kind is one file, the trait in a `kind!`, and one line here. What there is of each kind follows from that: the
//! slot's forwarding, `describe`, what `%who` says of memory, the handles that outlive a cell, the names of the preludes,
//! `%%plugin` cells of one function, and the tests that each component is put to ([`trial`](super::trial)). What
//! `patchbay plugin new --kind NAME` writes is `kernel/toolchain/src/plugin/template/NAME.rs`.

pub(crate) mod declare;
mod presence;

pub use presence::{Absent, Present};

use super::Tried;

declare::kinds! {
    balancer::Balancer,
    encoder::Encoder,
    forecaster::Forecaster,
    image_transform::ImageTransform,
    loss::Loss,
    objective::Objective,
    tool::Tool,
}

/// Work that is done for each kind, one after the other.
pub trait Visitor {
    fn visit<K: ?Sized + Tried>(&mut self);
}

/// The names of the kinds, the first halves of ids.
pub fn kinds() -> Vec<&'static str> {
    struct Names(Vec<&'static str>);
    impl Visitor for Names {
        fn visit<K: ?Sized + Tried>(&mut self) {
            self.0.push(K::NAME);
        }
    }
    let mut names = Names(Vec::new());
    each(&mut names);
    names.0
}
