//! Which instruction set a kernel runs on, found once at run time.

use std::cell::Cell;
use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd};

/// The instruction sets with kernels of their own. Each one contains those before it on its kind of CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust, for every other machine and as the reference of the tests.
    Portable,
    /// NEON, which every 64-bit ARM CPU has.
    Neon,
    /// AVX2 with FMA and F16C: Intel Haswell (2013), AMD Zen.
    Avx2,
    /// AVX-512 F, BW, DQ and VL: Skylake-X.
    Avx512,
    /// The same with VNNI, four int8 products a lane: Ice Lake.
    Avx512Vnni,
    /// The same with BF16, two bf16 products a lane: Cooper Lake, Sapphire Rapids, Zen 4.
    Avx512Bf16,
}

thread_local! {
    static FORCED: Cell<Option<Isa>> = const { Cell::new(None) };
}

impl Isa {
    /// The best this machine has.
    pub fn detect() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(Self::probe)
    }

    #[cfg(target_arch = "x86_64")]
    fn probe() -> Self {
        use std::is_x86_feature_detected as has;
        if !(has!("avx2") && has!("fma") && has!("f16c")) {
            Self::Portable
        } else if !(has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl")) {
            Self::Avx2
        } else if !has!("avx512vnni") {
            Self::Avx512
        } else if !has!("avx512bf16") {
            Self::Avx512Vnni
        } else {
            Self::Avx512Bf16
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn probe() -> Self {
        Self::Neon
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn probe() -> Self {
        Self::Portable
    }

    /// Every instruction set this machine can run, the portable one first.
    #[doc(hidden)]
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let all = [Self::Portable, Self::Avx2, Self::Avx512, Self::Avx512Vnni, Self::Avx512Bf16];
        #[cfg(not(target_arch = "x86_64"))]
        let all = [Self::Portable, Self::Neon];
        all.into_iter().filter(|&isa| isa <= Self::detect())
    }

    /// Runs `work` with kernels called from this thread held to `self`, or to the best there is if the machine
    /// lacks it. For tests and measurements.
    #[doc(hidden)]
    pub fn force<T>(self, work: impl FnOnce() -> T) -> T {
        struct Restore(Option<Isa>);
        impl Drop for Restore {
            fn drop(&mut self) {
                FORCED.set(self.0);
            }
        }
        let _restore = Restore(FORCED.replace(Some(self.min(Self::detect()))));
        work()
    }

    /// What a kernel called from this thread runs on.
    pub(crate) fn current() -> Self {
        FORCED.get().unwrap_or_else(Self::detect)
    }

    /// Runs a kernel that has no use for VNNI or BF16.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Isa` other than `Portable` comes from `probe` alone, which asked the CPU for its features.
        unsafe {
            match self {
                Self::Portable | Self::Neon => {}
                Self::Avx2 => return run_avx2(kernel),
                Self::Avx512 | Self::Avx512Vnni | Self::Avx512Bf16 => return run_avx512(kernel),
            }
        }
        #[cfg(target_arch = "aarch64")]
        if self == Self::Neon {
            return kernel.run(Neon);
        }
        kernel.run(Portable)
    }

    /// Runs a kernel in the variant made for exactly this instruction set.
    pub(crate) fn run_exact<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        unsafe {
            match self {
                Self::Avx512Vnni => return run_avx512_vnni(kernel),
                Self::Avx512Bf16 => return run_avx512_bf16(kernel),
                Self::Portable | Self::Neon | Self::Avx2 | Self::Avx512 => {}
            }
        }
        self.run(kernel)
    }
}

/// An algorithm written once over [`Simd`].
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

    /// The algorithm. Implementations are `#[inline(always)]`, and so is all they call: only what is inlined
    /// into the functions below is compiled for their instruction set.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// # Safety
/// The CPU must have the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    kernel.run(unsafe { Avx2::new() })
}

/// # Safety
/// The CPU must have the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    kernel.run(unsafe { Avx512::<false, false>::new() })
}

/// # Safety
/// The CPU must have the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn run_avx512_vnni<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    kernel.run(unsafe { Avx512::<true, false>::new() })
}

/// # Safety
/// The CPU must have the features named.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16")]
unsafe fn run_avx512_bf16<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the features.
    kernel.run(unsafe { Avx512::<true, true>::new() })
}
