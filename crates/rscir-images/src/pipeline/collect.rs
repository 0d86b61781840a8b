use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use rscir_core::Stage;

use super::Failure;
use crate::{Error, Result};

/// Extensions, in lowercase, of the formats that are decoded. Those from `jfif` to `jpg` are of JPEG.
pub const IMAGE_EXTENSIONS: [&str; 10] =
    ["bmp", "jfif", "jif", "jpe", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// Extensions, in lowercase, of raster images that are not read: JPEG 2000, JPEG XL, JPEG XR, GIF, Netpbm, the formats
/// of phones, of the web, of painting and of rendering, and those of remote sensing (`img` and `ige` of ERDAS, `ecw`,
/// `sid` of MrSID, NITF, `bil`, `bip`, `bsq`). Drawings such as SVG are not listed, since they have no pixels, nor is
/// `hdr`, which is more often a text beside a raster of ENVI than an image.
pub(crate) const UNREAD_EXTENSIONS: [&str; 41] = [
    "arw", "avif", "bil", "bip", "bsq", "cr2", "cr3", "cur", "dds", "dng", "ecw", "exr", "gif", "heic",
    "heif", "ico", "ige", "img", "j2c", "j2k", "jp2", "jpc", "jpf", "jpx", "jxl", "jxr", "nef", "nitf",
    "ntf", "pam", "pbm", "pcx", "pfm", "pgm", "pnm", "ppm", "psb", "psd", "sid", "tga", "wdp",
];

/// Folders in which other programs keep copies of images: thumbnails of Synology's, and resource forks in Apple's
/// archives.
const FOREIGN_FOLDERS: [&str; 2] = ["@eaDir", "__MACOSX"];

/// A list of the image files below a folder. A file's key is its path relative to the folder, with `/` between its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageList {
    root: PathBuf,
    keys: Vec<String>,
    unlisted: Vec<Failure>,
    unread: BTreeMap<String, usize>,
    left_out: LeftOut,
    whole_folder: bool,
}

/// Numbers of files and folders that [`ImageList::collect`] left out: hidden ones, whose names begin with a dot
/// (`.thumbnails`, `._a.jpg` of AppleDouble), and folders in which other programs keep copies of images (`@eaDir`,
/// `__MACOSX`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LeftOut {
    /// Number of files with an image's extension.
    pub files: usize,
    /// Number of folders. Files in them are not counted.
    pub folders: usize,
}

impl ImageList {
    /// Makes a list of the files `keys` below `root`, in this order. A file that does not exist is reported when it is
    /// read.
    pub fn new(root: impl Into<PathBuf>, keys: Vec<String>) -> Self {
        let (unlisted, unread, left_out) = Default::default();
        Self { root: root.into(), keys, unlisted, unread, left_out, whole_folder: false }
    }

    /// Lists every file below `root` with an image's extension, in the byte order of the keys.
    ///
    /// Links are followed: links to folders are entered after all that is below `root` itself, in the order of their
    /// paths, and no folder is entered twice. The keys do not depend on the order in which a disk lists its files.
    ///
    /// [`ImageList::unlisted`] has what cannot be listed: files whose name is not UTF-8, folders that cannot be read,
    /// and folders that are named as images. [`ImageList::unread_kinds`] counts images of kinds that are not read,
    /// [`ImageList::left_out`] hidden files and folders.
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

    /// Returns what could not be listed, in the order of the paths.
    pub fn unlisted(&self) -> &[Failure] {
        &self.unlisted
    }

    /// Returns the number of files that are images of a kind that is not read, by their extension in lowercase.
    pub fn unread_kinds(&self) -> &BTreeMap<String, usize> {
        &self.unread
    }

    /// Returns how many hidden files and folders, and folders with copies of other programs, were left out.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Returns the folder that the keys are relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Tells whether the whole folder was searched by [`ImageList::collect`], so that the list has all its images.
    pub fn is_whole_folder(&self) -> bool {
        self.whole_folder
    }

    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Tells whether the list has no files.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the keys, in the order of the list.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Returns the path of the file at a position.
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
    /// Folders that are to be entered.
    folders: Vec<PathBuf>,
    /// Links to folders, which are entered once no other folders are left.
    links: BTreeSet<PathBuf>,
    /// Paths, without links, of the folders that were entered.
    entered: HashSet<PathBuf>,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Path) -> Self {
        let (keys, unlisted) = (Vec::new(), Vec::new());
        let (unread, left_out) = Default::default();
        let (folders, links, entered) = (Vec::new(), BTreeSet::new(), HashSet::new());
        Self { root, keys, unlisted, unread, left_out, folders, links, entered }
    }

    /// Adds the image files and the folders among `entries`.
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
            // Links are followed. A link that leads nowhere has no metadata: its name decides, and it is reported when
            // it is read.
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
                self.fail(
                    &path,
                    "this is a folder, though it is named as an image: rename the folder".into(),
                );
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

/// Tells whether a file or a folder with this name is hidden, or a folder of another program.
pub(crate) fn is_left_out(name: &str, is_folder: bool) -> bool {
    name.starts_with('.') || is_folder && FOREIGN_FOLDERS.contains(&name)
}
