//! `patchbay`: a Jupyter kernel for Rust whose machine-learning components are plugins. The program is [`main`].

/// What the standard macro does, but for a reader who has gone (`| head`): that ends no command, and no panic tells of it.
macro_rules! println {
    ($($text:tt)*) => {{
        use ::std::io::Write as _;
        let _ = ::std::writeln!(::std::io::stdout(), $($text)*);
    }};
}

/// [`println`] without the end of the line.
macro_rules! print {
    ($($text:tt)*) => {{
        use ::std::io::Write as _;
        let _ = ::std::write!(::std::io::stdout(), $($text)*);
    }};
}

/// [`println`] on stderr.
macro_rules! eprintln {
    ($($text:tt)*) => {{
        use ::std::io::Write as _;
        let _ = ::std::writeln!(::std::io::stderr(), $($text)*);
    }};
}

/// [`println`] with colors where a terminal shows them.
macro_rules! styled_println {
    ($($text:tt)*) => {{
        use ::std::io::Write as _;
        let _ = ::std::writeln!(::anstream::stdout(), $($text)*);
    }};
}

/// [`styled_println`] on stderr.
macro_rules! styled_eprintln {
    ($($text:tt)*) => {{
        use ::std::io::Write as _;
        let _ = ::std::writeln!(::anstream::stderr(), $($text)*);
    }};
}

mod cli;
mod compiled;
mod doctor;
mod engines;
#[doc(hidden)]
pub mod fuzzing;
mod kernelspec;
mod memory;

use std::process::ExitCode;

use patchbay_toolchain::dependency;

/// The program.
pub fn main() -> ExitCode {
    memory::give_back_what_is_freed();
    if let Some(instructions) = std::env::var_os(dependency::wrapper::VARIABLE) {
        return dependency::wrapper::main(instructions.as_ref());
    }
    cli::main()
}
