use std::fmt;

/// Format of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One safetensors file.
    Safetensors,
    /// A `*.index.json` that names the shards of a checkpoint, and the shards.
    Sharded,
    /// The zip archive that `torch.save` has written since PyTorch 1.6.
    TorchZip,
    /// The format that `torch.save` wrote before PyTorch 1.6.
    TorchLegacy,
    /// The archive that `torch.jit.save` writes, of weights and code. The code is ignored.
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
