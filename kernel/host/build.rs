//! Lets the program find the libraries of the snapshot prefix that it is copied into.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
}
