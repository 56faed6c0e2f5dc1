//! One program for all tests from outside; each starts a kernel of its own.

mod attacks_outputs;
mod attacks_pages;
mod attacks_text;
mod attacks_wire;
mod cache;
mod clients;
mod command_line;
mod comms;
mod compiled;
mod completion;
mod crashes;
mod dehaze;
mod dependencies;
mod differential;
mod errors;
mod gpu;
mod history;
mod interrupts;
mod items;
mod magics;
mod outputs;
mod plugins;
mod protocol;
mod queue;
mod quickstart;
mod variables;
