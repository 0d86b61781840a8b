//! Compiles the GPU's kernels to PTX where the feature `cuda` asks for them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "cuda")]
    kernels();
}

/// Finds nvcc and the compute capability as the tensor library's own kernels do: `CUDA_HOME`, `CUDA_COMPUTE_CAP`.
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
