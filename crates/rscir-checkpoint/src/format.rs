use std::fmt;

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One safetensors file.
    Safetensors,
    /// A `*.index.json` that names the shards of a checkpoint.
    Sharded,
    /// What `torch.save` has written since PyTorch 1.6.
    TorchZip,
    /// What `torch.save` wrote before that.
    TorchLegacy,
    /// What `torch.jit.save` writes: weights and code. The code is not looked at.
    TorchScript,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::Sharded => "sharded",
            Self::TorchZip => "PyTorch zip",
            Self::TorchLegacy => "PyTorch legacy",
            Self::TorchScript => "TorchScript",
        })
    }
}
