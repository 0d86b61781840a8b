//! The towers' own kernels on a GPU; without the feature `cuda` there are none, and no value of [`Kernels`].

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
