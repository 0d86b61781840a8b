use std::fmt;

use candle_core::Device as CandleDevice;

use crate::{Error, Result};

/// Where an encoder computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor's cores.
    Cpu,
    /// The NVIDIA GPU of this number; needs the feature `cuda`.
    Cuda(usize),
    /// The first GPU where there is one that can be used, the processor otherwise.
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

    /// `cpu`, `cuda`, `cuda:1`, `auto`.
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

/// A device that has been found, and why it is not the one that `auto` would rather have.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) device: Device,
    pub(crate) candle: CandleDevice,
    pub(crate) fallback: Option<String>,
}

impl Device {
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
    CandleDevice::new_cuda(number)
        .map_err(|error| Error::Device { device: Device::Cuda(number), reason: error.to_string() })
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
}
