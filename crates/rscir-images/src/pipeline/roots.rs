use std::path::{Path, PathBuf};

use rscir_core::EmbeddingSink;

use super::{ImageList, IngestOptions};
use crate::{Error, Result};

/// Returns a folder's path in a form that can be compared: absolute, and with links resolved if the folder exists.
pub fn real_folder(folder: &Path) -> PathBuf {
    let real = folder.canonicalize().or_else(|_| std::path::absolute(folder));
    real.unwrap_or_else(|_| folder.into())
}

/// Checks that encoding these images replaces no rows of files in another folder, unless the options allow it.
///
/// # Errors
/// [`Error::OtherRoot`] with the number of such rows.
pub(super) fn check(
    images: &ImageList,
    todo: &[usize],
    sink: &dyn EmbeddingSink,
    options: &IngestOptions<'_>,
) -> Result<()> {
    if options.replace || options.roots.is_empty() {
        return Ok(());
    }
    let own = real_folder(images.root());
    let is_own = options.roots.contains(&own);
    let others: Vec<&PathBuf> = options.roots.iter().filter(|root| **root != own).collect();
    // The folder of a single row is not recorded. If this folder never gave a row, the row is of another. If several
    // gave rows, the row is taken to be of another folder if that has a file with this name.
    let other_root = |key: &str| {
        let holder = others.iter().find(|root| root.join(key).is_file());
        holder.or(if is_own { None } else { others.first() }).copied()
    };
    let mut replaced = todo
        .iter()
        .map(|&index| images.keys()[index].as_str())
        .filter(|key| sink.fingerprint(key).is_some())
        .filter_map(|key| Some((key, other_root(key)?)));
    match replaced.next() {
        None => Ok(()),
        Some((key, root)) => Err(Error::OtherRoot {
            key: key.into(),
            root: root.clone(),
            given: own.clone(),
            rows: 1 + replaced.count(),
        }),
    }
}
