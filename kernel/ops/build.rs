//! Compiles the CUDA kernels to PTX where the feature `cuda` is on.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=cuda");
    #[cfg(feature = "cuda")]
    if let Err(error) = ptx() {
        println!("cargo::error=the CUDA kernels: {error}");
    }
}

/// Writes `ptx.rs`, with a constant for each file of `cuda`.
#[cfg(feature = "cuda")]
fn ptx() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::var("OUT_DIR")?;
    cudaforge::KernelBuilder::new()
        .source_dir("cuda")
        .watch(["cuda/number.cuh"])
        .out_dir(&folder)
        .arg("-std=c++17")
        .arg("-O3")
        .build_ptx()?
        .write(std::path::Path::new(&folder).join("ptx.rs"))?;
    Ok(())
}
