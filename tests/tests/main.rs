//! One program for all tests from outside; each starts a kernel of its own.

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
mod files;
mod gpu;
mod history;
mod interrupts;
mod items;
mod magics;
mod outputs;
mod plugins;
mod protocol;
mod quickstart;
mod users;
mod variables;
