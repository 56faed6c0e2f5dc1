//! Plugins from outside: built by the compiler as a user's are, loaded, called, swapped, refused.

mod autograd;
mod calls;
mod carry;
mod guard;
mod sdk_edits;
mod support;
