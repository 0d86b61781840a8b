#![deny(clippy::indexing_slicing)]

use std::path::Path;

use rscir_core::{EncoderSpec, Precision, Shard};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::disk::row_set::RowSet;
use crate::disk::shard::ShardEntry;
use crate::rows::value_size;
use crate::{Error, Result};

/// The format version that is written, which is also the newest that is read.
pub(crate) const VERSION: u32 = 1;

/// Largest width of an archive's vectors. Encoders in use have some thousands of values; above this width the
/// scatter matrix of the moments takes more than 2 GB.
const MAX_DIM: usize = 16_384;

/// Value of the manifest's field `format`.
const FORMAT: &str = "rscir-archive";

/// The content of `manifest.json`: the parts of an archive, see docs/format.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: String,
    version: u32,
    pub(crate) spec: EncoderSpec,
    pub(crate) precision: Precision,
    /// Folders that the rows come from; empty if they are unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roots: Vec<String>,
    #[serde(default, skip_serializing_if = "RowOrder::is_default")]
    pub(crate) order: RowOrder,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<ShardEntry>,
    pub(crate) segments: Vec<SegmentEntry>,
}

/// The order in which the rows of an archive on disk are numbered. It affects reading only: until a compaction,
/// rows are stored in the order in which they were committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RowOrder {
    /// The order in which rows were committed. A row that was replaced counts from its last commit.
    #[default]
    Commit,
    /// The order of the bytes of the keys.
    Key,
}

impl RowOrder {
    /// Tells whether the order is the one that a manifest does not name.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A segment of the archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentEntry {
    /// Checksum of the file, which is part of its name.
    pub(crate) sha256: Digest,
    pub(crate) bytes: u64,
    pub(crate) rows: usize,
    /// Rows that are deleted or replaced.
    #[serde(default, skip_serializing_if = "RowSet::is_empty")]
    pub(crate) deleted: RowSet,
}

impl SegmentEntry {
    /// Returns the number of rows that are not deleted.
    pub(crate) fn live(&self) -> usize {
        self.rows - self.deleted.len()
    }
}

impl Manifest {
    /// Makes the manifest of an archive without rows.
    pub(crate) fn new(spec: EncoderSpec, precision: Precision) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            spec,
            precision,
            roots: Vec::new(),
            order: RowOrder::default(),
            shard: None,
            segments: Vec::new(),
        }
    }

    /// Returns the number of rows that are not deleted.
    pub(crate) fn live(&self) -> usize {
        self.segments.iter().map(SegmentEntry::live).sum()
    }

    /// Returns the number of rows, including deleted ones.
    pub(crate) fn rows(&self) -> usize {
        self.segments.iter().map(|entry| entry.rows).sum()
    }

    /// Returns the bytes of the file: a JSON object whose last member is the checksum of all bytes before it.
    pub(crate) fn to_bytes(&self, path: &Path) -> Result<Vec<u8>> {
        let mut bytes =
            serde_json::to_vec(self).map_err(|source| Error::Manifest { path: path.into(), source })?;
        bytes.pop(); // Removes the closing brace, which follows the checksum.
        let end = checksum_member(&Digest::of(&bytes));
        bytes.extend_from_slice(end.as_bytes());
        Ok(bytes)
    }

    /// Reads a manifest that [`Manifest::to_bytes`] wrote. `path` is for the error.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the checksum is wrong; [`Error::Version`] if the format or its version is another;
    /// [`Error::Manifest`] if a member is missing, malformed or unknown; the errors of [`Manifest::check`].
    pub(crate) fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let damaged = || Error::Damaged { path: path.into() };
        let body = bytes.len().checked_sub(CHECKSUM_MEMBER).ok_or_else(damaged)?;
        let (body, end) = bytes.split_at(body);
        if end != checksum_member(&Digest::of(body)).as_bytes() {
            return Err(damaged());
        }
        let malformed = |source| Error::Manifest { path: path.into(), source };
        let json = [body, b"}"].concat();
        let Identity { format, version } = serde_json::from_slice(&json).map_err(malformed)?;
        if format != FORMAT || version != VERSION {
            return Err(Error::Version { path: path.into(), format, version, supported: VERSION });
        }
        let manifest: Self = serde_json::from_slice(&json).map_err(malformed)?;
        manifest.check(path)?;
        Ok(manifest)
    }

    /// Checks what the types do not guarantee and the rest of the code relies on. `path` is for the error.
    ///
    /// # Errors
    /// [`Error::SegmentRows`] if the rows of a segment and its deleted rows do not agree; [`rscir_core::Error`]
    /// if the width, the precision or the shard is out of range.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        value_size(self.precision)?;
        if !(1..=MAX_DIM).contains(&self.spec.dim) {
            let (name, value) = ("dim", self.spec.dim.to_string());
            let expected = "between 1 and 16384 for an archive";
            return Err(rscir_core::Error::Parameter { name, value, expected }.into());
        }
        if let Some(entry) = self.shard {
            Shard::new(entry.number, entry.count)?;
        }
        let mut total = 0usize;
        for (segment, entry) in self.segments.iter().enumerate() {
            let wrong = || Error::SegmentRows { path: path.into(), segment };
            total = total.checked_add(entry.rows).ok_or_else(wrong)?;
            // Writers number the rows of a segment with 32 bits.
            let too_many = u32::try_from(entry.rows).is_err();
            if too_many || !entry.deleted.is_valid(entry.rows) || entry.live() == 0 {
                return Err(wrong());
            }
        }
        Ok(())
    }
}

/// The fields that the manifests of all versions have.
#[derive(Deserialize)]
struct Identity {
    format: String,
    version: u32,
}

/// Bytes of the checksum member and of the closing brace.
const CHECKSUM_MEMBER: usize = ",\"sha256\":\"\"}\n".len() + 64;

/// Returns the checksum member and the closing brace.
fn checksum_member(digest: &Digest) -> String {
    format!(",\"sha256\":\"{digest}\"}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let mut manifest = Manifest::new(EncoderSpec::unknown(4), Precision::F32);
        let mut deleted = RowSet::default();
        deleted.insert(2);
        manifest.segments.push(SegmentEntry { sha256: Digest::of(b""), bytes: 9, rows: 5, deleted });
        manifest
    }

    fn read(bytes: &[u8]) -> Result<Manifest> {
        Manifest::from_bytes(bytes, Path::new("manifest.json"))
    }

    /// Makes the bytes of a manifest with other content, and a checksum that agrees with it.
    fn with(change: impl Fn(String) -> String) -> Vec<u8> {
        let bytes = manifest().to_bytes(Path::new("")).unwrap();
        let body = change(String::from_utf8(bytes[..bytes.len() - CHECKSUM_MEMBER].to_vec()).unwrap());
        (body.clone() + &checksum_member(&Digest::of(body.as_bytes()))).into_bytes()
    }

    #[test]
    fn reads_what_it_writes_and_is_json() {
        let bytes = with(|s| s);
        assert_eq!(read(&bytes).unwrap(), manifest());
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["segments"][0]["deleted"], serde_json::json!([[2, 3]]));
        assert_eq!(json["spec"]["dim"], 4);
    }

    #[test]
    fn folders_are_kept_and_archives_from_before_them_are_read() {
        let bytes = with(|s| s.replace("\"segments\"", "\"roots\":[\"/tiles\"],\"segments\""));
        let kept = read(&bytes).unwrap();
        assert_eq!(kept.roots, ["/tiles"]);
        assert_eq!(kept.to_bytes(Path::new("")).unwrap(), bytes);
        assert!(!String::from_utf8(with(|s| s)).unwrap().contains("roots"));
    }

    #[test]
    fn every_changed_byte_and_every_truncation_is_found() {
        let bytes = with(|s| s);
        for i in 0..bytes.len() {
            assert!(read(&bytes[..i]).is_err());
            for mask in [1, 0x20, 0xff] {
                let mut flipped = bytes.clone();
                flipped[i] ^= mask;
                assert!(matches!(read(&flipped), Err(Error::Damaged { .. })), "byte {i}");
            }
        }
    }

    #[test]
    fn another_version_is_named() {
        let newer = with(|s| s.replace("\"version\":1", "\"version\":2,\"novelty\":[]"));
        assert!(matches!(read(&newer), Err(Error::Version { version: 2, supported: 1, .. })));
        let other = with(|s| s.replace("rscir-archive", "something"));
        assert!(matches!(read(&other), Err(Error::Version { format, .. }) if format == "something"));
    }

    #[test]
    fn what_the_rest_relies_on_is_checked() {
        for (from, to) in [("[[2,3]]", "[[2,6]]"), ("[[2,3]]", "[[3,2]]"), ("[[2,3]]", "[[0,5]]")] {
            assert!(matches!(
                read(&with(|s| s.replace(from, to))),
                Err(Error::SegmentRows { segment: 0, .. })
            ));
        }
        for dim in ["0", "16385"] {
            let wide = with(|s| s.replace("\"dim\":4", &format!("\"dim\":{dim}")));
            assert!(matches!(
                read(&wide),
                Err(Error::Core(rscir_core::Error::Parameter { name: "dim", .. }))
            ));
        }
        for (from, to) in [("\"rows\":5", "\"rows\":-5"), ("\"bytes\"", "\"size\""), ("\"f32\"", "\"f64\"")] {
            assert!(matches!(read(&with(|s| s.replace(from, to))), Err(Error::Manifest { .. })));
        }
    }
}
