//! The instruction set that kernels run on, which is determined once at run time.

mod measure;

use std::cell::Cell;
use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd};

/// An instruction set with kernels of its own.
///
/// The environment variable `RSCIR_ISA` holds a process to one of them by the name that [`Isa::name`]
/// returns: for measurements, or where [`Isa::detect`] does not choose the fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust, for all other machines and as the reference of the tests.
    Portable,
    /// NEON, which every 64-bit ARM CPU has.
    Neon,
    /// `Neon` with dot products of bytes (FEAT_DotProd), four int8 products a lane: Cortex-A76 (2018), Neoverse N1,
    /// Apple M1.
    NeonDot,
    /// `NeonDot` with products of bf16 (FEAT_BF16): Cortex-A510 (2021), Neoverse V1, Apple M2.
    NeonBf16,
    /// AVX2 with FMA and F16C: Intel Haswell (2013), AMD Zen.
    Avx2,
    /// `Avx2` with AVX-VNNI, four int8 products a lane: Alder Lake (2021), Zen 5.
    Avx2Vnni,
    /// AVX-512 F, BW, DQ and VL: Skylake-X.
    Avx512,
    /// `Avx512` with VNNI, four int8 products a lane: Ice Lake.
    Avx512Vnni,
    /// `Avx512Vnni` with BF16, two bf16 products a lane: Cooper Lake, Sapphire Rapids, Zen 4.
    Avx512Bf16,
}

thread_local! {
    static FORCED: Cell<Option<Isa>> = const { Cell::new(None) };
}

/// Environment variable that names an instruction set.
const VARIABLE: &str = "RSCIR_ISA";

/// All instruction sets. Among those of one kind of CPU, a later one is faster.
const ALL: [Isa; 9] = [
    Isa::Portable,
    Isa::Neon,
    Isa::NeonDot,
    Isa::NeonBf16,
    Isa::Avx2,
    Isa::Avx2Vnni,
    Isa::Avx512,
    Isa::Avx512Vnni,
    Isa::Avx512Bf16,
];

/// What is wrong with the instruction set that `RSCIR_ISA` names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IsaError {
    /// No instruction set has this name.
    #[error("RSCIR_ISA names {0:?}, which is no instruction set; unset it, or take one of {names}", names = names(Isa::available()))]
    Unknown(String),
    /// This machine does not have the instruction set.
    #[error("RSCIR_ISA names {name}, which this machine lacks; unset it, or take one of {names}", name = .0.name(), names = names(Isa::available()))]
    Lacking(Isa),
}

fn names(all: impl Iterator<Item = Isa>) -> String {
    all.map(Isa::name).collect::<Vec<_>>().join(", ")
}

impl Isa {
    /// Returns the instruction set on which kernels run: the one that `RSCIR_ISA` names, or else the fastest
    /// of this machine.
    ///
    /// The newest is not always the fastest, because some CPUs multiply bf16 at a lower rate than f32. If
    /// there are instructions for bf16, the first call measures both for about a millisecond, and the choice
    /// holds for the life of the process. It decides how fast a product is; the bits of the results are the
    /// same except for subnormal numbers. A value of the variable that [`Isa::requested`] refuses is ignored
    /// here.
    pub fn detect() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::requested().ok().flatten().unwrap_or_else(Self::fastest))
    }

    /// Returns the instruction set that the environment variable `RSCIR_ISA` names, or `None` if it is not
    /// set or empty.
    ///
    /// # Errors
    /// [`IsaError::Unknown`] if no instruction set has the name; [`IsaError::Lacking`] if this machine does
    /// not have it.
    pub fn requested() -> Result<Option<Self>, IsaError> {
        let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return Ok(None) };
        let named = ALL.into_iter().find(|isa| *isa.name() == *name);
        let isa = named.ok_or_else(|| IsaError::Unknown(name.to_string_lossy().into_owned()))?;
        if isa.is_here() { Ok(Some(isa)) } else { Err(IsaError::Lacking(isa)) }
    }

    /// Returns the name: `portable`; on ARM `neon`, `neon-dot` or `neon-bf16`; on x86 `avx2`, `avx2-vnni`,
    /// `avx512`, `avx512-vnni` or `avx512-bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::NeonDot => "neon-dot",
            Self::NeonBf16 => "neon-bf16",
            Self::Avx2 => "avx2",
            Self::Avx2Vnni => "avx2-vnni",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512-vnni",
            Self::Avx512Bf16 => "avx512-bf16",
        }
    }

    /// Returns every instruction set that this machine can run, the portable one first.
    pub fn available() -> impl Iterator<Item = Self> {
        ALL.into_iter().filter(|isa| isa.is_here())
    }

    fn fastest() -> Self {
        let newest = Self::available().last().unwrap_or(Self::Portable);
        let older = match newest {
            Self::NeonBf16 => Self::NeonDot,
            Self::Avx512Bf16 => Self::Avx512Vnni,
            _ => return newest,
        };
        if measure::bf16_instructions_pay(newest, older) { newest } else { older }
    }

    /// Tells whether this machine has the instruction set.
    #[cfg(target_arch = "x86_64")]
    fn is_here(self) -> bool {
        use std::is_x86_feature_detected as has;
        match self {
            Self::Portable => true,
            Self::Neon | Self::NeonDot | Self::NeonBf16 => false,
            Self::Avx2 => has!("avx2") && has!("fma") && has!("f16c"),
            Self::Avx2Vnni => Self::Avx2.is_here() && has!("avxvnni"),
            Self::Avx512 => {
                Self::Avx2.is_here()
                    && has!("avx512f")
                    && has!("avx512bw")
                    && has!("avx512dq")
                    && has!("avx512vl")
            }
            Self::Avx512Vnni => Self::Avx512.is_here() && has!("avx512vnni"),
            Self::Avx512Bf16 => Self::Avx512Vnni.is_here() && has!("avx512bf16"),
        }
    }

    /// Tells whether this machine has the instruction set.
    #[cfg(target_arch = "aarch64")]
    fn is_here(self) -> bool {
        use std::arch::is_aarch64_feature_detected as has;
        match self {
            Self::Portable | Self::Neon => true,
            Self::NeonDot => has!("dotprod"),
            Self::NeonBf16 => Self::NeonDot.is_here() && has!("bf16"),
            Self::Avx2 | Self::Avx2Vnni | Self::Avx512 | Self::Avx512Vnni | Self::Avx512Bf16 => false,
        }
    }

    /// Tells whether this machine has the instruction set.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn is_here(self) -> bool {
        self == Self::Portable
    }

    /// Tells whether the instruction set includes AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn has_avx512(self) -> bool {
        matches!(self, Self::Avx512 | Self::Avx512Vnni | Self::Avx512Bf16)
    }

    /// Tells whether it is faster to take the two bf16 of a word apart before they are multiplied
    /// ([`crate::unfold`]).
    pub(crate) fn unfolds_bf16(self) -> bool {
        matches!(
            self,
            Self::Neon | Self::NeonDot | Self::Avx2 | Self::Avx2Vnni | Self::Avx512 | Self::Avx512Vnni
        )
    }

    /// Tells whether it is faster to take the four bytes of a word apart before they are multiplied.
    pub(crate) fn unfolds_int8(self) -> bool {
        matches!(self, Self::Avx2 | Self::Avx512)
    }

    /// Runs `work`, in which kernels called from this thread use `self`, or the result of [`Isa::detect`] if
    /// the machine lacks it. For tests and measurements.
    #[doc(hidden)]
    pub fn force<T>(self, work: impl FnOnce() -> T) -> T {
        struct Restore(Option<Isa>);
        impl Drop for Restore {
            fn drop(&mut self) {
                FORCED.set(self.0);
            }
        }
        let isa = if self.is_here() { self } else { Self::detect() };
        let _restore = Restore(FORCED.replace(Some(isa)));
        work()
    }

    /// Returns the instruction set for a kernel called from this thread.
    pub(crate) fn current() -> Self {
        FORCED.get().unwrap_or_else(Self::detect)
    }

    /// Runs a kernel that multiplies neither bytes nor bf16.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: kernels run only on an instruction set from `detect` or `force`, which asked the CPU for
        // its features.
        unsafe {
            match self {
                Self::Portable | Self::Neon | Self::NeonDot | Self::NeonBf16 => {}
                Self::Avx2 | Self::Avx2Vnni => return run_avx2(kernel),
                Self::Avx512 | Self::Avx512Vnni | Self::Avx512Bf16 => return run_avx512(kernel),
            }
        }
        #[cfg(target_arch = "aarch64")]
        if self != Self::Portable {
            // SAFETY: no features are asked for beyond NEON, which the target has.
            return kernel.run(unsafe { Neon::<false, false>::new() });
        }
        kernel.run(Portable)
    }

    /// Runs a kernel in the variant for exactly this instruction set.
    pub(crate) fn run_exact<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        unsafe {
            match self {
                Self::Avx2Vnni => return run_avx2_vnni(kernel),
                Self::Avx512Vnni => return run_avx512_vnni(kernel),
                Self::Avx512Bf16 => return run_avx512_bf16(kernel),
                Self::Portable | Self::Neon | Self::NeonDot | Self::NeonBf16 | Self::Avx2 | Self::Avx512 => {}
            }
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: `detect` and `force` asked the CPU for these features.
        unsafe {
            match self {
                Self::NeonDot => return kernel.run(Neon::<true, false>::new()),
                Self::NeonBf16 => return kernel.run(Neon::<true, true>::new()),
                _ => {}
            }
        }
        self.run(kernel)
    }
}

/// An algorithm written once over [`Simd`].
pub(crate) trait Kernel {
    /// Result of the algorithm.
    type Output;

    /// Runs the algorithm. Implementations must be `#[inline(always)]`, and so must everything they call,
    /// because only code that is inlined into the functions below is compiled for their instruction set.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs a kernel compiled for AVX2.
///
/// # Safety
/// The CPU must have the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    kernel.run(unsafe { Avx2::<false>::new() })
}

/// Runs a kernel compiled for AVX2 with AVX-VNNI.
///
/// # Safety
/// The CPU must have the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
unsafe fn run_avx2_vnni<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    kernel.run(unsafe { Avx2::<true>::new() })
}

/// Runs a kernel compiled for AVX-512.
///
/// # Safety
/// The CPU must have the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    kernel.run(unsafe { Avx512::<false, false>::new() })
}

/// Runs a kernel compiled for AVX-512 with VNNI.
///
/// # Safety
/// The CPU must have the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn run_avx512_vnni<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    kernel.run(unsafe { Avx512::<true, false>::new() })
}

/// Runs a kernel compiled for AVX-512 with VNNI and BF16.
///
/// # Safety
/// The CPU must have the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16")]
unsafe fn run_avx512_bf16<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    kernel.run(unsafe { Avx512::<true, true>::new() })
}
