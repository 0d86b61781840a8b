use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use rscir_core::Stage;

use super::Failure;
use crate::{Error, Result};

/// Extensions of the formats that are decoded, lowercase. Those between `jfif` and `jpg` are all JPEG's.
pub const IMAGE_EXTENSIONS: [&str; 10] =
    ["bmp", "jfif", "jif", "jpe", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// Extensions of raster images that are not read, lowercase: JPEG 2000, JPEG XL, JPEG XR, GIF, Netpbm, the formats of
/// phones, of the web, of painting and of rendering, and those of remote sensing (`img` and `ige` of ERDAS, `ecw`, `sid`
/// of MrSID, NITF, `bil`, `bip`, `bsq`). Drawings such as SVG have no pixels, and `hdr` is a text beside ENVI's rasters
/// more often than an image.
pub(crate) const UNREAD_EXTENSIONS: [&str; 41] = [
    "arw", "avif", "bil", "bip", "bsq", "cr2", "cr3", "cur", "dds", "dng", "ecw", "exr", "gif", "heic",
    "heif", "ico", "ige", "img", "j2c", "j2k", "jp2", "jpc", "jpf", "jpx", "jxl", "jxr", "nef", "nitf",
    "ntf", "pam", "pbm", "pcx", "pfm", "pgm", "pnm", "ppm", "psb", "psd", "sid", "tga", "wdp",
];

/// Folders in which other programs keep copies of images: thumbnails of Synology's, resource forks in Apple's archives.
const FOREIGN_FOLDERS: [&str; 2] = ["@eaDir", "__MACOSX"];

/// Image files below one folder. A file's key is its path relative to the folder, with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageList {
    root: PathBuf,
    keys: Vec<String>,
    unlisted: Vec<Failure>,
    unread: BTreeMap<String, usize>,
    left_out: LeftOut,
    whole_folder: bool,
}

/// What [`ImageList::collect`] left out: hidden files and folders, whose names begin with a dot (`.thumbnails`, `._a.jpg`
/// of AppleDouble), and folders in which other programs keep copies of images (`@eaDir`, `__MACOSX`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LeftOut {
    /// Files with an image's extension.
    pub files: usize,
    /// Folders; what is in them was not looked at.
    pub folders: usize,
}

impl ImageList {
    /// The files `keys` below `root`, in this order. They need not exist: one that does not is reported when it is read.
    pub fn new(root: impl Into<PathBuf>, keys: Vec<String>) -> Self {
        let (unlisted, unread, left_out) = Default::default();
        Self { root: root.into(), keys, unlisted, unread, left_out, whole_folder: false }
    }

    /// Every file below `root` with an image's extension, in the byte order of their keys. What has one but cannot be
    /// listed is in [`ImageList::unlisted`]: names that are not UTF-8, folders that cannot be read or that bear a file's
    /// name. Links are followed, those to folders after all that is below `root` itself and in the order of their paths;
    /// a folder met before is not entered again. So the keys do not depend on the order in which a disk lists them.
    ///
    /// Images of kinds that are not read are in [`ImageList::unread_kinds`], hidden files and folders in
    /// [`ImageList::left_out`].
    ///
    /// # Errors
    /// [`Error::Io`] if `root` itself cannot be listed.
    pub fn collect(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let mut walk = Walk::new(&root);
        let entries = std::fs::read_dir(&root).map_err(|source| Error::Io { path: root.clone(), source })?;
        walk.entered.extend(root.canonicalize());
        walk.list(entries, &root);
        while let Some(folder) = walk.folders.pop().or_else(|| walk.links.pop_first()) {
            if folder.canonicalize().is_ok_and(|real| !walk.entered.insert(real)) {
                continue;
            }
            match std::fs::read_dir(&folder) {
                Ok(entries) => walk.list(entries, &folder),
                Err(error) => walk.fail(&folder, error.to_string()),
            }
        }
        let Walk { mut keys, mut unlisted, unread, left_out, .. } = walk;
        keys.sort_unstable();
        unlisted.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { root, keys, unlisted, unread, left_out, whole_folder: true })
    }

    /// What looked like an image but could not be listed, by path.
    pub fn unlisted(&self) -> &[Failure] {
        &self.unlisted
    }

    /// How many files are images of a kind that is not read, by extension in lower case.
    pub fn unread_kinds(&self) -> &BTreeMap<String, usize> {
        &self.unread
    }

    /// How many hidden files and folders, and copies of other programs', were left out.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// The folder that the keys are relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// True if the folder was looked through, so that a file that is not listed is no image of it.
    pub fn is_whole_folder(&self) -> bool {
        self.whole_folder
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True without files.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys, in order.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Path of file `index`.
    ///
    /// # Panics
    /// If `index` is not below [`ImageList::len`], as a slice does.
    pub fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.keys[index])
    }
}

struct Walk<'a> {
    root: &'a Path,
    keys: Vec<String>,
    unlisted: Vec<Failure>,
    unread: BTreeMap<String, usize>,
    left_out: LeftOut,
    /// Folders to enter.
    folders: Vec<PathBuf>,
    /// Links to folders, entered once there are no other folders.
    links: BTreeSet<PathBuf>,
    /// Real paths of the folders entered.
    entered: HashSet<PathBuf>,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Path) -> Self {
        let (keys, unlisted) = (Vec::new(), Vec::new());
        let (unread, left_out) = Default::default();
        let (folders, links, entered) = (Vec::new(), BTreeSet::new(), HashSet::new());
        Self { root, keys, unlisted, unread, left_out, folders, links, entered }
    }

    /// Takes the image files and the folders among `entries`.
    fn list(&mut self, entries: std::fs::ReadDir, folder: &Path) {
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.fail(folder, error.to_string());
                    continue;
                }
            };
            let path = entry.path();
            // Follows links; a dangling one has no metadata and is taken by its name, to be reported when it is read.
            let is_folder = path.metadata().is_ok_and(|m| m.is_dir());
            let extension =
                path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
            let named_as_image = IMAGE_EXTENSIONS.contains(&extension.as_str());
            let named_as_unread = UNREAD_EXTENSIONS.contains(&extension.as_str());
            if is_left_out(&entry.file_name().to_string_lossy(), is_folder) {
                self.left_out.folders += usize::from(is_folder);
                self.left_out.files += usize::from(!is_folder && (named_as_image || named_as_unread));
                continue;
            }
            if named_as_unread && !is_folder {
                *self.unread.entry(extension).or_default() += 1;
            }
            if named_as_image && is_folder {
                self.fail(&path, "a folder, though named as an image".into());
            } else if named_as_image {
                match self.key(&path) {
                    Some(key) => self.keys.push(key),
                    None => self.fail(&path, "the name is not UTF-8: rename the file".into()),
                }
            }
            if is_folder && entry.file_type().is_ok_and(|t| t.is_symlink()) {
                self.links.insert(path);
            } else if is_folder {
                self.folders.push(path);
            }
        }
    }

    fn key(&self, path: &Path) -> Option<String> {
        let relative = path.strip_prefix(self.root).ok()?;
        let parts: Option<Vec<&str>> = relative.components().map(|part| part.as_os_str().to_str()).collect();
        Some(parts?.join("/"))
    }

    fn fail(&mut self, path: &Path, reason: String) {
        let key = path.strip_prefix(self.root).unwrap_or(path).to_string_lossy().into_owned();
        self.unlisted.push(Failure { key, path: path.into(), stage: Stage::List, reason, remedy: None });
    }
}

/// Tells whether a file or a folder of this name is hidden or another program's.
pub(crate) fn is_left_out(name: &str, is_folder: bool) -> bool {
    name.starts_with('.') || is_folder && FOREIGN_FOLDERS.contains(&name)
}
