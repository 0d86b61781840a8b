use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rscir_core::{ColumnSchema, EmbeddingSink, Embeddings, Fingerprint, RowValues, SinkRow};
use rscir_images::{ImageList, IngestReport, NotPruned, real_folder};
use rscir_index::ArchiveWriter;

use crate::Result;

/// Folders that the rows of an archive are from.
pub(crate) struct Roots {
    /// Folders that the archive records.
    pub(crate) known: Vec<PathBuf>,
    /// Folder that is ingested now.
    own: PathBuf,
}

impl Roots {
    /// Reads the folders that an archive records, for an ingest of a list of images.
    pub(crate) fn of(images: &ImageList, writer: &ArchiveWriter) -> Self {
        let own = real_folder(images.root());
        let name = shown(&own);
        // A name that is not UTF-8 is recorded in another form, by which the folder cannot be found.
        let path = |root: &String| if *root == name { own.clone() } else { PathBuf::from(root) };
        Self { known: writer.roots().iter().map(path).collect(), own }
    }

    /// Wraps the writer in a sink that records the folder before it commits the first row from it.
    pub(crate) fn sink<'a>(&'a self, writer: &'a mut ArchiveWriter) -> RememberingSink<'a> {
        RememberingSink { roots: self, writer }
    }

    /// Ends an ingest after its last image. Updates the folders that rows can be from, reports rows whose file is
    /// in none of them, and deletes these rows if `prune`.
    pub(crate) fn finish(
        &self,
        images: &ImageList,
        writer: &mut ArchiveWriter,
        report: &mut IngestReport,
        prune: bool,
    ) -> Result<()> {
        if report.stopped {
            report.not_pruned = prune.then_some(NotPruned::Stopped);
            return Ok(());
        }
        let listed = Listed::of(images);
        self.settle(&listed, writer, report)?;
        let own = shown(&self.own);
        let others: Vec<PathBuf> =
            writer.roots().iter().filter(|root| **root != own).map(PathBuf::from).collect();
        let absent = others.iter().find(|root| !root.is_dir());
        if absent.is_some() {
            // The folder may be on a disk that is not mounted, so its files are not known to be gone.
            report.gone.clear();
        } else {
            // The keys of a folder are distinct, so if the archive has as many rows as the folder has files with
            // rows, it has no others.
            let all_listed = images.is_whole_folder() && report.encoded + report.unchanged == writer.len();
            if !all_listed && (images.is_whole_folder() || prune) {
                let beside = writer.keys().filter(|key| !listed.contains(key) && is_gone(&self.own, key));
                report.gone.extend(beside.map(String::from));
            }
            report.gone.retain(|key| others.iter().all(|root| is_gone(root, key)));
            report.gone.sort_unstable();
        }
        if prune {
            report.not_pruned = match absent {
                Some(root) => Some(NotPruned::NoRoot(root.clone())),
                None => why_unsure(images).or_else(|| self.broken_link(&others, &report.gone)),
            };
            if report.not_pruned.is_none() {
                let keys: Vec<&str> = report.gone.iter().map(String::as_str).collect();
                report.pruned = writer.delete(&keys)?;
            }
        }
        Ok(())
    }

    /// Finds the first broken link in the paths of files that are gone. Such a link may lead to a disk that is not
    /// mounted, where the files may still be.
    fn broken_link(&self, others: &[PathBuf], gone: &[String]) -> Option<NotPruned> {
        let roots = || others.iter().chain([&self.own]);
        // Tiles of one folder share most of their path, so each place is looked at once.
        let mut known = HashSet::new();
        gone.iter().flat_map(|key| roots().map(move |root| (root, key))).find_map(|(root, key)| {
            let path = root.join(key);
            let way = path.ancestors().take_while(|place| *place != root);
            let link = way
                .filter(|place| known.insert(place.to_path_buf()))
                .find(|place| place.is_symlink() && !place.exists())?;
            Some(NotPruned::BrokenLink(link.into()))
        })
    }

    /// Removes from the archive's record the folders that no row can be from any more.
    fn settle(&self, listed: &Listed<'_>, writer: &mut ArchiveWriter, report: &IngestReport) -> Result<()> {
        let own = shown(&self.own);
        if writer.is_empty() || writer.roots() == [own.as_str()] {
            return Ok(());
        }
        let rows = writer.len();
        let here = writer.keys().filter(|key| listed.contains(key)).count();
        let kept = if here == rows && report.failed == 0 && report.gone.is_empty() {
            // Every row is of a file in this folder, which was encoded now or found unchanged.
            Vec::new()
        } else if !self.known.contains(&self.own)
            && report.unchanged.saturating_sub(report.gone.len()) * 2 >= rows
        {
            // If most files of a folder that does not exist any more are in this folder unchanged, it was moved
            // here.
            let others = writer.roots().iter().filter(|root| **root != own && Path::new(root).is_dir());
            others.cloned().collect()
        } else {
            return Ok(());
        };
        Ok(writer.set_roots(kept.into_iter().chain([own]).collect())?)
    }
}

/// Returns why files that are not in the list may still exist, or `None` if they are surely gone.
fn why_unsure(images: &ImageList) -> Option<NotPruned> {
    if !images.unlisted().is_empty() {
        Some(NotPruned::Unlisted)
    } else if !(0..images.len()).any(|index| images.path(index).is_file()) {
        Some(NotPruned::NothingThere)
    } else {
        None
    }
}

/// Returns the path of a folder as an archive records it, with each byte that is not UTF-8 as `\xff`.
pub(crate) fn shown(root: &Path) -> String {
    let mut name = String::new();
    for chunk in root.as_os_str().as_encoded_bytes().utf8_chunks() {
        name += chunk.valid();
        chunk.invalid().iter().for_each(|byte| name += &format!("\\x{byte:02x}"));
    }
    name
}

/// Tells whether a file does not exist. A file that cannot be reached for another reason is not gone.
fn is_gone(root: &Path, key: &str) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    root.join(key).metadata().is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

/// The keys of a list, to look up.
enum Listed<'a> {
    /// Keys in order, which are searched as they are.
    Sorted(&'a [String]),
    Hashed(HashSet<&'a str>),
}

impl<'a> Listed<'a> {
    /// Makes the keys of a list ready to look up.
    fn of(images: &'a ImageList) -> Self {
        match images.keys() {
            keys if keys.is_sorted() => Self::Sorted(keys),
            keys => Self::Hashed(keys.iter().map(String::as_str).collect()),
        }
    }

    /// Tells whether the list has a key.
    fn contains(&self, key: &str) -> bool {
        match self {
            Self::Sorted(keys) => keys.binary_search_by(|listed| listed.as_str().cmp(key)).is_ok(),
            Self::Hashed(keys) => keys.contains(key),
        }
    }
}

/// A writer of an archive that records the folder of the rows that it commits.
pub(crate) struct RememberingSink<'a> {
    roots: &'a Roots,
    writer: &'a mut ArchiveWriter,
}

impl EmbeddingSink for RememberingSink<'_> {
    fn fingerprint(&self, key: &str) -> Option<Fingerprint> {
        self.writer.fingerprint(key)
    }

    fn commit(&mut self, rows: &[SinkRow<'_>], embeddings: &Embeddings) -> rscir_core::Result<()> {
        let own = shown(&self.roots.own);
        if !self.writer.roots().contains(&own) {
            let roots = self.writer.roots().iter().cloned().chain([own]).collect();
            self.writer.set_roots(roots)?;
        }
        Ok(self.writer.commit(rows, embeddings)?)
    }
    fn check_columns(&self, columns: &[ColumnSchema]) -> rscir_core::Result<()> {
        self.writer.check_columns(columns)
    }

    fn update_values(&mut self, keys: &[&str], values: &[RowValues<'_>]) -> rscir_core::Result<usize> {
        self.writer.update_values(keys, values)
    }
}
