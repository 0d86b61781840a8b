//! CUDA kernels of the towers. Without the feature `cuda` there are none, and the type [`Kernels`] has no value.

#[cfg(feature = "cuda")]
mod launch;
#[cfg(feature = "cuda")]
pub(crate) use launch::Kernels;
#[cfg(all(test, feature = "cuda"))]
mod tests;

#[cfg(not(feature = "cuda"))]
mod absent;
#[cfg(not(feature = "cuda"))]
pub(crate) use absent::Kernels;
