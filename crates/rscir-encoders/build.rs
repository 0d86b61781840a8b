//! Compiles the CUDA kernels to PTX if the feature `cuda` is on.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "cuda")]
    kernels();
}

/// Compiles the kernels. Finds nvcc and the compute capability by `CUDA_HOME` and `CUDA_COMPUTE_CAP`, like the tensor
/// library's own kernels.
#[cfg(feature = "cuda")]
fn kernels() {
    const SOURCE: &str = "src/clip/cuda/kernels.cu";
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-env-changed=CUDA_COMPUTE_CAP");
    let built =
        cudaforge::KernelBuilder::new().source_files([SOURCE]).arg("-std=c++17").arg("-O3").build_ptx();
    if let Err(error) = built {
        panic!("{SOURCE} does not compile: {error}");
    }
}
