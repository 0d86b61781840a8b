use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cache::BlockCache;
use super::directory::{Directory, Form};
use super::image::{Parts, Shared, TiffImage, named};
use super::read_at::{ReadAt, RegularFile};
use super::tags::Photometric;
use super::{WINDOWS_OF, damaged, tag};
use crate::{ImageProblem, Result};

/// The most directories that are read. A scene of 2^32 pixels a side has 32 overviews, and a mask for each.
const MAX_DIRECTORIES: usize = 1024;
/// The most bytes that are read of directories after the first and of their tags' values: 64 KiB for each directory.
const MAX_READ: u64 = 64 << 20;
/// Bit of the tag NewSubfileType: the image is a smaller copy of another.
const REDUCED: u64 = 1;
/// Bit of the tag NewSubfileType: the image is a mask of another.
const MASK: u64 = 4;

/// A TIFF or BigTIFF file that is read window by window.
///
/// ```
/// use rscir_images::tiff::{Tiff, Window};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/images/kinds/rgb8_tiles.tif");
/// let tiff = Tiff::open(path)?;
/// let image = tiff.image();
/// assert_eq!((image.width(), image.height(), image.bands()), (23, 19, 3));
/// // The third band, then the first, of 4 x 2 pixels from column 10 and row 5.
/// let samples = image.read_window(Window::new(10, 5, 4, 2), &[2, 0])?;
/// assert_eq!(samples.len(), 4 * 2 * 2);
/// # Ok::<(), rscir_images::Error>(())
/// ```
#[derive(Clone)]
pub struct Tiff {
    image: TiffImage,
    overviews: Vec<TiffImage>,
    mask: Option<TiffImage>,
    problems: Arc<[ImageProblem]>,
}

impl Tiff {
    /// Opens a regular file. Its decoded strips and tiles are kept in a [`BlockCache`] of its own, of 64 MiB.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) and [`Error::File`](crate::Error::File) if the file cannot be read;
    /// [`Error::Image`](crate::Error::Image) if its first image is damaged or of a kind that is not read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_cached(path, Arc::default())
    }

    /// Opens a regular file. Its decoded strips and tiles are kept in `cache`, which several files may share.
    ///
    /// # Errors
    /// The errors of [`open`](Self::open).
    pub fn open_cached(path: impl AsRef<Path>, cache: Arc<BlockCache>) -> Result<Self> {
        let path = path.as_ref();
        let source = Arc::new(RegularFile::open(path)?);
        Self::read(Shared { source, path: Some(path.into()), cache })
    }

    /// Opens a TIFF file in any source of bytes. Its directories are read now, and decoded strips and tiles are kept in
    /// `cache`.
    ///
    /// # Errors
    /// [`Error::Pixels`](crate::Error::Pixels) if the first image is damaged or of a kind that is not read, or if the
    /// source fails.
    pub fn new(source: Arc<dyn ReadAt>, cache: Arc<BlockCache>) -> Result<Self> {
        Self::read(Shared { source, path: None, cache })
    }

    fn read(file: Shared) -> Result<Self> {
        let file = Arc::new(file);
        let source = &*file.source;
        let first = || -> Result<(Form, Parts), ImageProblem> {
            let (form, at) = Form::read(source)?;
            let directory = Directory::read(source, form, at)?;
            Ok((form, Parts::of(source, directory, WINDOWS_OF)?))
        };
        let (form, parts) = first().map_err(|problem| named(problem, file.path.as_deref()))?;
        let mut problems = Vec::new();
        let others = others(source, form, &parts.directory, &mut problems);
        let image = TiffImage::new(file.clone(), parts);
        let (mut overviews, mut mask) = (Vec::new(), None);
        for parts in others {
            let size = (parts.layout.width, parts.layout.height);
            let is_mask = parts.subfile & MASK != 0 || parts.photometric == Photometric::Mask;
            let other = TiffImage::new(file.clone(), parts);
            if is_mask {
                // A mask of another size belongs to an overview, and is not needed.
                if size == (image.width(), image.height()) {
                    mask.get_or_insert(other);
                }
            } else if other.parts().subfile & REDUCED != 0 {
                overviews.push(other);
            }
        }
        overviews.sort_by_key(|overview| std::cmp::Reverse(overview.width()));
        Ok(Self { image, overviews, mask, problems: problems.into() })
    }

    /// Returns the first image, which is the scene itself.
    pub fn image(&self) -> &TiffImage {
        &self.image
    }

    /// Returns the overviews, which are smaller copies of the first image, the largest first.
    pub fn overviews(&self) -> &[TiffImage] {
        &self.overviews
    }

    /// Returns the mask of the first image, of the same size, or `None` if the file has none. Pixels are valid where
    /// the mask is not 0.
    pub fn mask(&self) -> Option<&TiffImage> {
        self.mask.as_ref()
    }

    /// Returns the problems with directories after the first. Such directories were left out, and an overview or the
    /// mask may be among them.
    pub fn problems(&self) -> &[ImageProblem] {
        &self.problems
    }
}

impl fmt::Debug for Tiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiff")
            .field("image", &self.image)
            .field("overviews", &self.overviews.len())
            .field("mask", &self.mask.is_some())
            .field("problems", &self.problems)
            .finish()
    }
}

/// Reads the images after the first: those of the chain of directories, and those that the first directory has under
/// it. Problems with directories are added to `problems`.
fn others(
    source: &dyn ReadAt,
    form: Form,
    first: &Directory,
    problems: &mut Vec<ImageProblem>,
) -> Vec<Parts> {
    let source = &Bounded { source, left: AtomicU64::new(MAX_READ) };
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut places = match first.values(source, tag::SUB_DIRECTORIES) {
        Ok(places) => places.unwrap_or_default(),
        Err(problem) => {
            problems.push(problem);
            Vec::new()
        }
    };
    places.truncate(MAX_DIRECTORIES);
    let under = places.len();
    places.push(first.next);
    let mut at = 0;
    while let Some(place) = places.get(at).copied() {
        at += 1;
        if place == 0 {
            continue;
        }
        if !seen.insert(place) {
            problems.push(damaged(format!("the directory at byte {place} comes twice")));
            continue;
        }
        if seen.len() > MAX_DIRECTORIES {
            problems
                .push(damaged(format!("directories beyond the first {MAX_DIRECTORIES} are not looked at")));
            break;
        }
        match Directory::read(source, form, place) {
            Ok(directory) => {
                if at > under {
                    places.push(directory.next);
                }
                match Parts::of(source, directory, WINDOWS_OF) {
                    Ok(parts) => found.push(parts),
                    Err(problem) => problems.push(problem),
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    found
}

/// A source of bytes with a limit of how many are read.
#[derive(Debug)]
struct Bounded<'a> {
    source: &'a dyn ReadAt,
    left: AtomicU64,
}

impl ReadAt for Bounded<'_> {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let less = |left: u64| left.checked_sub(buffer.len() as u64);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => self.source.read_at(offset, buffer),
            Err(_) => Err(io::Error::other(format!("directories take more than {MAX_READ} bytes"))),
        }
    }
}
