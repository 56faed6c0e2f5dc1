//! Compiles the CUDA kernels to PTX where the feature `cuda` is on.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "cuda")]
    if let Err(error) = ptx() {
        println!("cargo::error=the CUDA kernels: {error}");
    }
}

/// Writes `ptx.rs`, with a constant for each `.cu` below `src`, named as the file is.
#[cfg(feature = "cuda")]
fn ptx() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=src");
    let folder = std::env::var("OUT_DIR")?;
    cudaforge::KernelBuilder::new()
        .source_glob("src/**/*.cu")
        .include_path("src/cuda")
        .watch(["src/cuda/number.cuh"])
        .out_dir(&folder)
        .arg("-std=c++17")
        .arg("-O3")
        .build_ptx()?
        .write(std::path::Path::new(&folder).join("ptx.rs"))?;
    Ok(())
}
