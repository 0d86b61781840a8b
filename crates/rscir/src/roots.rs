use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rscir_core::{ColumnSchema, EmbeddingSink, Embeddings, Fingerprint, RowValues, SinkRow};
use rscir_images::{ImageList, IngestReport, NotPruned, real_folder};
use rscir_index::ArchiveWriter;

use crate::Result;

/// Where the rows of an archive are from, beside the folder that is ingested now.
pub(crate) struct Roots {
    /// The folders that the archive knows.
    pub(crate) known: Vec<PathBuf>,
    own: PathBuf,
}

impl Roots {
    pub(crate) fn of(images: &ImageList, writer: &ArchiveWriter) -> Self {
        let own = real_folder(images.root());
        let name = shown(&own);
        // A name that is not UTF-8 is kept in another form, which leads nowhere.
        let path = |root: &String| if *root == name { own.clone() } else { PathBuf::from(root) };
        Self { known: writer.roots().iter().map(path).collect(), own }
    }

    /// The writer, which remembers the folder before the first row from it is there.
    pub(crate) fn sink<'a>(&'a self, writer: &'a mut ArchiveWriter) -> RememberingSink<'a> {
        RememberingSink { roots: self, writer }
    }

    /// What comes after the last image: sees which folders rows can still be from, finds rows whose file is in none of them,
    /// and takes these out if asked to.
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
            // What is in a folder on a disk that is away is not known to be gone.
            report.gone.clear();
        } else {
            // A folder's keys are distinct: as many rows as files that have one means that there is no row beside them.
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

    /// The first link in the way to a file that is gone, if there is one: a disk that is away leaves it behind.
    fn broken_link(&self, others: &[PathBuf], gone: &[String]) -> Option<NotPruned> {
        let roots = || others.iter().chain([&self.own]);
        // Tiles of one folder share the way to them.
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

    /// Forgets folders that no row can be from any more.
    fn settle(&self, listed: &Listed<'_>, writer: &mut ArchiveWriter, report: &IngestReport) -> Result<()> {
        let own = shown(&self.own);
        if writer.is_empty() || writer.roots() == [own.as_str()] {
            return Ok(());
        }
        let rows = writer.len();
        let here = writer.keys().filter(|key| listed.contains(key)).count();
        let kept = if here == rows && report.failed == 0 && report.gone.is_empty() {
            // Every row is of a file here, be it encoded now or found unchanged.
            Vec::new()
        } else if !self.known.contains(&self.own)
            && report.unchanged.saturating_sub(report.gone.len()) * 2 >= rows
        {
            // A folder that is not there any more, and most of whose files are here unchanged, was moved here.
            let others = writer.roots().iter().filter(|root| **root != own && Path::new(root).is_dir());
            others.cloned().collect()
        } else {
            return Ok(());
        };
        Ok(writer.set_roots(kept.into_iter().chain([own]).collect())?)
    }
}

/// Why it is not sure that files which are not found are gone.
fn why_unsure(images: &ImageList) -> Option<NotPruned> {
    if !images.unlisted().is_empty() {
        Some(NotPruned::Unlisted)
    } else if !(0..images.len()).any(|index| images.path(index).is_file()) {
        Some(NotPruned::NothingThere)
    } else {
        None
    }
}

/// A folder as the archive keeps it: its path, bytes that are not UTF-8 as `\xff`.
pub(crate) fn shown(root: &Path) -> String {
    let mut name = String::new();
    for chunk in root.as_os_str().as_encoded_bytes().utf8_chunks() {
        name += chunk.valid();
        chunk.invalid().iter().for_each(|byte| name += &format!("\\x{byte:02x}"));
    }
    name
}

/// True if there is no such file, rather than one out of reach.
fn is_gone(root: &Path, key: &str) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    root.join(key).metadata().is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

/// The keys of a list, to look up.
enum Listed<'a> {
    Sorted(&'a [String]),
    Hashed(HashSet<&'a str>),
}

impl<'a> Listed<'a> {
    fn of(images: &'a ImageList) -> Self {
        match images.keys() {
            keys if keys.is_sorted() => Self::Sorted(keys),
            keys => Self::Hashed(keys.iter().map(String::as_str).collect()),
        }
    }

    fn contains(&self, key: &str) -> bool {
        match self {
            Self::Sorted(keys) => keys.binary_search_by(|listed| listed.as_str().cmp(key)).is_ok(),
            Self::Hashed(keys) => keys.contains(key),
        }
    }
}

/// An archive that learns where its rows are from.
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
