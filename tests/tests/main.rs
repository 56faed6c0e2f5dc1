//! One program for all tests from outside; each starts a kernel of its own.

mod cache;
mod clients;
mod command_line;
mod comms;
mod compiled;
mod completion;
mod corpus;
mod crashes;
mod crates;
mod dehaze;
mod dependencies;
mod differential;
mod edits;
mod errors;
mod gpu;
mod history;
mod interrupts;
mod items;
mod lines;
mod magics;
mod outputs;
mod plugins;
mod protocol;
mod quickstart;
mod variables;
