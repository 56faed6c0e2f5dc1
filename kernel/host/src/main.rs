//! The program `patchbay`; all of it is in the library, which the fuzzers link, too.

fn main() -> std::process::ExitCode {
    patchbay_host::main()
}
