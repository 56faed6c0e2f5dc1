//! The process that owns the variables, the plugins and the accelerator.
//!
//! The host starts it with a socket's path in the environment and pipes as stdout and stderr. One
//! thread reads the socket, so that interrupts and answers arrive while a cell runs; one thread
//! runs the commands in order; one writes out what a running cell has printed without a newline; one
//! answers questions about plugins; one watches over the others.

mod account;
mod cells;
mod clock;
mod commands;
mod end;
mod flush;
mod freeze;
mod guard;
mod loader;
mod probe;
mod questions;
mod request;
mod shell;
mod stdin;
mod streams;
mod tasks;

use std::{env, io::BufReader, os::unix::net::UnixStream, process::ExitCode, sync::mpsc};

use patchbay::{build, channel, comm, interrupt, widgets};
use patchbay_protocol::{Command, Event, SOCKET_VARIABLE};

fn main() -> ExitCode {
    if let [_, ask, question] = &env::args().collect::<Vec<_>>()[..]
        && ask == "ask"
    {
        return questions::answer_once(question);
    }
    let Some(path) = env::var_os(SOCKET_VARIABLE) else {
        eprintln!(
            "patchbay-runtime is started by the kernel, which sets {SOCKET_VARIABLE}; \
             to run a notebook use: patchbay run NOTEBOOK"
        );
        return ExitCode::from(2);
    };
    let (reader, writer) =
        match UnixStream::connect(&path).and_then(|stream| Ok((stream.try_clone()?, stream))) {
            Ok(ends) => ends,
            Err(error) => {
                eprintln!(
                    "patchbay-runtime: no host listens at {}: {error}",
                    path.display()
                );
                return ExitCode::from(2);
            }
        };
    channel::connect(writer);
    widgets::listen_for_front_ends();

    let (queue, commands) = mpsc::channel();
    cells::open(commands);
    let watched = freeze::install()
        .and_then(|()| cells::start(None))
        .and_then(|()| guard::start());
    if let Err(error) = watched {
        eprintln!("patchbay-runtime: no threads for the cells: {error}");
        return ExitCode::FAILURE;
    }
    flush::start();

    let ready = Event::Ready {
        pid: std::process::id(),
        build_id: build::BUILD_ID.to_owned(),
    };
    if let Err(error) = channel::send(&ready) {
        eprintln!("patchbay-runtime: the host does not listen: {error}");
        return ExitCode::FAILURE;
    }
    read_commands(reader, &queue);
    // The end of the socket is the end of the host. A cell that runs is not waited for.
    end::process(0)
}

/// Serves what must be served at once and queues the rest, until the host is gone.
fn read_commands(stream: UnixStream, queue: &mpsc::Sender<Command>) {
    let mut stream = BufReader::new(stream);
    loop {
        let body = match patchbay_protocol::read_body(&mut stream) {
            Ok(Some(body)) => body,
            Ok(None) => return,
            Err(error) => {
                eprintln!("patchbay-runtime: the connection to the host broke: {error}");
                return;
            }
        };
        match patchbay_protocol::decode(&body) {
            Ok(Command::Interrupt) => {
                interrupt::request();
                request::interrupt();
                comm::stop_handler();
            }
            Ok(Command::ClearInterrupt) => {
                interrupt::clear();
                request::clear();
            }
            Ok(Command::StopHandler) => comm::stop_handler(),
            Ok(Command::Ack { sequence }) => channel::acknowledge(sequence),
            Ok(Command::InputReply { value }) => channel::answer_input(value),
            Ok(Command::Comm(message)) => comm::deliver(message),
            Ok(Command::Shutdown) => return,
            Ok(Command::Ask { id, question }) => {
                questions::ask(id, question);
            }
            Ok(command) => {
                if queue.send(command).is_err() {
                    return;
                }
            }
            Err(error) => {
                // No message ends the process that holds the variables.
                eprintln!("patchbay-runtime: dropped a message of the host: {error}");
            }
        }
    }
}
