use std::fmt;

use candle_core::Device as CandleDevice;

use crate::{Error, Result};

/// Device that an encoder computes on. Default: [`Device::Auto`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor's cores.
    Cpu,
    /// The NVIDIA GPU of this number, counted from 0. It needs the feature `cuda`.
    Cuda(usize),
    /// The first GPU if it can be used, or else the processor.
    #[default]
    Auto,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl std::str::FromStr for Device {
    type Err = Error;

    /// Reads the name of a device: `cpu`, `cuda`, `cuda:1` or `auto`. `cuda` is the first GPU.
    ///
    /// # Errors
    /// [`Error::ConfigValue`] if the name is none of these.
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "auto" => Ok(Self::Auto),
            _ => match name.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(number)) => Ok(Self::Cuda(number)),
                _ => Err(Error::ConfigValue {
                    key: "device".into(),
                    got: name.into(),
                    expected: "cpu, cuda, cuda:N or auto",
                }),
            },
        }
    }
}

/// A device that has been found. `fallback` is the reason why [`Device::Auto`] did not take a GPU.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) device: Device,
    pub(crate) candle: CandleDevice,
    pub(crate) fallback: Option<String>,
}

impl Device {
    /// Finds the device on this machine.
    ///
    /// # Errors
    /// [`Error::Device`] if a GPU was asked for and cannot be used.
    pub(crate) fn find(self) -> Result<Found> {
        let cpu = |fallback| Found { device: Self::Cpu, candle: CandleDevice::Cpu, fallback };
        match self {
            Self::Cpu => Ok(cpu(None)),
            Self::Cuda(number) => Ok(Found { device: self, candle: cuda(number)?, fallback: None }),
            Self::Auto => Ok(match Self::Cuda(0).find() {
                Ok(found) => found,
                Err(error) => cpu(Some(error.to_string())),
            }),
        }
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: usize) -> Result<CandleDevice> {
    use candle_core::cuda_backend::cudarc::driver::result;
    use candle_core::cuda_backend::cudarc::driver::sys::CUresult;

    let refused = |reason| Error::Device { device: Device::Cuda(number), reason };
    match result::init().map_err(|error| error.0) {
        // A build that loads NVIDIA's libraries at its start (docs/cuda.md) gives this code if there are none.
        Err(CUresult::CUDA_ERROR_STUB_LIBRARY) => {
            return Err(refused("NVIDIA's driver, libcuda.so.1, is not on this machine".into()));
        }
        Err(CUresult::CUDA_ERROR_NO_DEVICE) => return Err(refused("there is no NVIDIA GPU".into())),
        Err(other) => return Err(refused(format!("NVIDIA's driver does not start: {other:?}"))),
        Ok(()) => {}
    }
    let count = result::device::get_count().map_err(|error| refused(format!("{:?}", error.0)))?;
    if usize::try_from(count).is_ok_and(|count| number >= count) {
        return Err(refused(format!("the machine has {count} GPUs, counted from 0")));
    }
    // One stream serves all threads, so that each finds on the device what the others have put there, in order.
    CandleDevice::new_cuda_with_stream(number).map_err(|error| {
        // A backtrace may follow the first line.
        refused(error.to_string().lines().next().unwrap_or_default().into())
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(number: usize) -> Result<CandleDevice> {
    let reason = "this build has no GPU support; build rscir with its feature `cuda`".into();
    Err(Error::Device { device: Device::Cuda(number), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_are_written() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(3), Device::Auto] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        assert!("gpu".parse::<Device>().unwrap_err().to_string().contains("cpu, cuda, cuda:N or auto"));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_gpu_without_support_is_refused_and_auto_says_why_not() {
        let error = Device::Cuda(1).find().unwrap_err();
        assert!(error.to_string().contains("feature `cuda`"), "{error}");
        let found = Device::Auto.find().unwrap();
        assert_eq!(found.device, Device::Cpu);
        assert!(found.fallback.unwrap().contains("feature `cuda`"));
    }

    /// Holds on any machine: a GPU is found, or the reason says what is missing.
    #[cfg(feature = "cuda")]
    #[test]
    fn a_gpu_is_found_or_auto_says_why_not() {
        let found = Device::Auto.find().unwrap();
        match (Device::Cuda(0).find(), found.fallback) {
            (Ok(_), None) => assert_eq!(found.device, Device::Cuda(0)),
            (Err(error), Some(reason)) => {
                assert_eq!(found.device, Device::Cpu);
                assert_eq!(error.to_string(), reason);
                assert!(reason.starts_with("cannot compute on cuda:0: "), "{reason}");
                assert_eq!(reason.lines().count(), 1);
            }
            (found, fallback) => panic!("{found:?} and {fallback:?} contradict each other"),
        }
        let error = Device::Cuda(4096).find().unwrap_err();
        assert!(error.to_string().starts_with("cannot compute on cuda:4096: "), "{error}");
    }
}
