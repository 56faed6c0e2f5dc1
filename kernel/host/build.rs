//! Lets the program find the standard library and the SDK beside it when it is installed.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
    println!("cargo::rerun-if-changed=build.rs");
}
