//! The kinds of component, as the SDK's sources declare them.

/// A kind.
#[derive(Debug)]
pub struct Kind {
    /// The first half of its ids.
    pub name: &'static str,
    /// The trait of its components.
    pub trait_name: &'static str,
    /// Its one method and the names of the method's arguments, where it has one from tensors to a tensor: then a function makes
    /// a component.
    pub function: Option<(&'static str, &'static [&'static str])>,
}

/// All kinds, in the order of their files.
pub const KINDS: &[Kind] = include!(concat!(env!("OUT_DIR"), "/kinds.rs"));

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
