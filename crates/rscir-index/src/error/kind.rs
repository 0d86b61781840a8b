use rscir_core::ErrorKind;

use super::Error;

impl Error {
    /// Returns the kind of the error, by which a caller decides what to do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(error) => error.kind(),
            Self::File { problem, .. } => problem.kind(),
            Self::Input(error) => error.kind(),
            Self::Io { source, .. } => source.into(),
            Self::Pickle(error) => of_pickle(error),
            Self::Shards(problem) => problem.kind(),

            Self::NotFound { .. } | Self::UnknownColumn { .. } | Self::MissingEntry { .. } => {
                ErrorKind::NotFound
            }
            Self::Exists { .. } => ErrorKind::AlreadyExists,
            Self::Locked { .. } | Self::LockLost { .. } => ErrorKind::Busy,
            // Repeats that the storage failed earlier.
            Self::Poisoned { .. } => ErrorKind::Io,
            Self::TooManyColumns { .. } | Self::ParquetClaim { .. } => ErrorKind::TooLarge,

            Self::Width { .. }
            | Self::ShardSpec { .. }
            | Self::OtherArray { .. }
            | Self::Precision { .. }
            | Self::ColumnType { .. } => ErrorKind::Mismatch,

            Self::UnknownExtension { .. }
            | Self::NpyVersion { .. }
            | Self::ElementType { .. }
            | Self::NotAMatrix { .. }
            | Self::TableColumn { .. }
            | Self::WrongKind { .. }
            | Self::Version { .. } => ErrorKind::Unsupported,

            Self::DuplicateKey { .. }
            | Self::RowCount { .. }
            | Self::NoRows
            | Self::NoColumns
            | Self::ColumnLength { .. }
            | Self::ColumnName { .. }
            | Self::BoundingBox { .. }
            | Self::FilterSyntax { .. }
            | Self::NoShards => ErrorKind::InvalidInput,

            Self::NotTheFormat { .. }
            | Self::NpyHeader { .. }
            | Self::Json { .. }
            | Self::Parquet { .. }
            | Self::ParquetMetadata { .. }
            | Self::Damaged { .. }
            | Self::FileSize { .. }
            | Self::MissingSegment { .. }
            | Self::Manifest { .. }
            | Self::SegmentRows { .. }
            | Self::Safetensors { .. }
            | Self::SegmentTensor { .. }
            | Self::SegmentColumn { .. }
            | Self::SegmentKey { .. } => ErrorKind::Damaged,
        }
    }
}

fn of_pickle(error: &rscir_pickle::Error) -> ErrorKind {
    use rscir_pickle::Error as Pickle;
    match error {
        Pickle::Write(error) => error.into(),
        Pickle::TooMuchMemory { .. } => ErrorKind::TooLarge,
        Pickle::Unsupported { .. }
        | Pickle::Protocol { .. }
        | Pickle::ForbiddenGlobal { .. }
        | Pickle::NotAnArray { .. }
        | Pickle::ArrayDtype { .. } => ErrorKind::Unsupported,
        _ => ErrorKind::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use rscir_core::testing::unit_rows;
    use rscir_core::{EncoderSpec, Precision};

    use super::*;
    use crate::{ArchiveWriter, DiskArchive, Features, MemoryArchive};

    #[test]
    fn a_caller_can_tell_what_is_missing_taken_damaged_and_unfit() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a.rscir");
        let spec = EncoderSpec::unknown(4);
        assert_eq!(DiskArchive::open(&dir).unwrap_err().kind(), ErrorKind::NotFound);
        let writer = ArchiveWriter::create(&dir, spec.clone(), Precision::F32).unwrap();
        assert_eq!(ArchiveWriter::open(&dir).unwrap_err().kind(), ErrorKind::Busy);
        drop(writer);
        let again = ArchiveWriter::create(&dir, spec.clone(), Precision::F32);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
        let wider = ArchiveWriter::open_or_create(&dir, EncoderSpec::unknown(5), Precision::F32);
        assert_eq!(wider.unwrap_err().kind(), ErrorKind::Mismatch);
        std::fs::write(dir.join("manifest.json"), "{}").unwrap();
        assert_eq!(DiskArchive::open(&dir).unwrap_err().kind(), ErrorKind::Damaged);
        let twice = MemoryArchive::new(spec, vec!["a".into(), "a".into()], unit_rows(2, 4, 1));
        assert_eq!(twice.unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_feature_files_kind_is_that_of_what_is_wrong_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let kind = |name: &str, content: Option<&[u8]>| {
            let path = folder.path().join(name);
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            Features::read(&path).unwrap_err().kind()
        };
        assert_eq!(kind("missing.npy", None), ErrorKind::NotFound);
        assert_eq!(kind("cut.npy", Some(b"\x93NUMPY")), ErrorKind::Damaged);
        assert_eq!(kind("protocol.pkl", Some(b"\x80\x09.")), ErrorKind::Unsupported);
        assert_eq!(kind("features.xyz", Some(b"")), ErrorKind::Unsupported);
    }
}
