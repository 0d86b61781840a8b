//! Detects the format of a file by its first bytes, and reads the file.

use crate::error::{Error, Result};
use crate::mapped::MappedFile;
use crate::tensors::Contents;
use crate::{legacy, safetensors, torch, zip};

/// Reads one file of any format except an index. `wanted` is the key of the state dict to take.
pub(crate) fn read(file: &MappedFile, wanted: Option<&str>) -> Result<Contents> {
    let bytes = file.bytes();
    let found = if bytes.starts_with(&zip::LOCAL) {
        return torch::read_zip(file, wanted);
    } else if bytes.starts_with(legacy::MAGIC) {
        return legacy::read(file, wanted);
    } else if bytes.get(8) == Some(&b'{') {
        return safetensors::read(file);
    } else if bytes.is_empty() {
        "it is empty"
    } else if bytes.starts_with(b"version https://git-lfs") {
        "it is a Git LFS pointer, the weights themselves were not fetched"
    } else if bytes.trim_ascii_start().starts_with(b"<") {
        "it is a web page, the download went wrong"
    } else {
        "its first bytes are those of no known format"
    };
    Err(Error::UnknownFormat { path: file.path().to_owned(), found })
}
