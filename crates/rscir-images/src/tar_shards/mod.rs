//! Images in tar files, packed as for WebDataset.

#![deny(clippy::indexing_slicing)]

mod fields;
mod members;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rscir_core::files::{nanos_since_1970, open_regular};
use rscir_core::{
    BandImage, BandValues, ColumnSchema, Decoding, Error as CoreError, Fingerprint, ImageSource, Omission,
    RgbImage, RowValues, Stage,
};
use sha2::{Digest, Sha256};

use crate::decode::{self, DecodeLimits};
use crate::pipeline::{ChangeDetection, IMAGE_EXTENSIONS, UNREAD_EXTENSIONS, is_left_out};
use crate::{Error, Result};
use fields::Fields;
use members::{Found, Member, Members};

/// The most bytes of a member that becomes columns. A long caption has some kilobytes.
const MAX_FIELDS: u64 = 1 << 20;

/// Images in tar files, as the source of an ingest. They are read from the tar files, and nothing is unpacked to the
/// disk.
///
/// A sample of WebDataset is a group of members whose names are equal up to the first dot of the last part. Each member
/// with an image's extension is an item here. Its key is the name of the tar file without its folder, `#`, and the name
/// of the member: `000.tar#a/0001.jpg`. Members of the same sample become columns: the fields of the object in `.json`
/// by their names, `.txt` as the column `txt`, `.cls` as `cls`. A column has the type that all its values have in
/// common, else it is text.
///
/// Compressed tar files are not read. Links, devices, and members whose name is not UTF-8 or has `..` in it are
/// refused. A refused member with an image's extension is an item that cannot be read. A file that is damaged, cut off
/// or has a sparse member ends there with an item that cannot be read and tells why. Members that are neither image nor
/// column are counted ([`ImageSource::left_out`]).
///
/// The tar files of one archive must have different names: a tar file in another folder with the same name and members
/// would replace their rows.
///
/// ```
/// use rscir_core::{Decoding, ImageSource};
/// use rscir_images::TarShards;
///
/// # fn main() -> rscir_images::Result<()> {
/// let shards = TarShards::open(["tests/data/shards/000.tar"])?.decoding(Decoding::default());
/// assert_eq!(shards.key(0), "000.tar#tiles/0001.png");
/// assert_eq!(shards.columns()[0].name, "acquired");
/// # Ok(())
/// # }
/// ```
pub struct TarShards {
    shards: Vec<Shard>,
    items: Vec<Item>,
    fields: Fields,
    schema: Vec<ColumnSchema>,
    left_out: BTreeMap<&'static str, usize>,
    decoding: Decoding,
    limits: DecodeLimits,
    changes: ChangeDetection,
}

/// A tar file, with length and time of change when its headers were read.
struct Shard {
    path: PathBuf,
    /// Name of the file without its folder.
    name: String,
    length: u64,
    modified: Option<SystemTime>,
}

struct Item {
    shard: usize,
    content: Content,
    sample: usize,
}

enum Content {
    Image(Member),
    /// The name of the member, if it is known, and the reason why it cannot be read.
    Refused(Option<String>, String),
}

impl fmt::Debug for TarShards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TarShards")
            .field("shards", &self.shards.len())
            .field("items", &self.items.len())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl TarShards {
    /// Finds the images in tar files. Items are in the order of the files and of their members.
    ///
    /// The headers, and the members that become columns, are read once. Names, positions and values are kept in memory.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read, and [`Error::File`] if it is a pipe, a device or a folder.
    /// [`Error::Shard`] if two files have one name, a name is not UTF-8 or has a `#`, or the first member of a file
    /// cannot be read, as in a file that is no tar file.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut shards = Self {
            shards: Vec::new(),
            items: Vec::new(),
            fields: Fields::default(),
            schema: Vec::new(),
            left_out: BTreeMap::new(),
            decoding: Decoding::default(),
            limits: DecodeLimits::default(),
            changes: ChangeDetection::default(),
        };
        for path in paths {
            shards.add(path.as_ref())?;
        }
        if shards.fields.nested > 0 {
            shards.left_out.insert("nested values in .json members", shards.fields.nested);
        }
        shards.schema = shards.fields.schema();
        Ok(shards)
    }

    /// Sets how files become pixels. An ingest requires the decoding that its encoder's spec records. Default: as Pillow.
    #[must_use]
    pub fn decoding(mut self, decoding: Decoding) -> Self {
        self.decoding = decoding;
        self
    }

    /// Sets the limits for decoding an image. Default: [`DecodeLimits::default`].
    #[must_use]
    pub fn limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how changed members are found. Default: by size and time of change of the member and of its tar file, so
    /// that all images of a tar file that was written again are encoded again. [`ChangeDetection::Content`] reads every
    /// member.
    #[must_use]
    pub fn changes(mut self, changes: ChangeDetection) -> Self {
        self.changes = changes;
        self
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let refused = |reason: String| Error::Shard { path: path.into(), reason };
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| refused("the name is not UTF-8: rename the file".into()))?;
        if let Some(other) = self.shards.iter().find(|shard| shard.name == name) {
            let other = other.path.display();
            return Err(refused(format!("{other} has this name too, and keys begin with it: rename one")));
        }
        if name.contains('#') {
            return Err(refused("keys have # between the shard and the member: rename the file".into()));
        }
        let (file, length) = open_regular(path)?;
        let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let shard = self.shards.len();
        self.shards.push(Shard { path: path.into(), name: name.into(), length, modified });

        let mut input = BufReader::new(&file);
        let mut siblings = Vec::new();
        let mut samples = HashMap::new();
        // Positions of the items by name. Of two members with one name the later one counts, as it does when a tar file
        // is unpacked.
        let mut places: HashMap<String, usize> = HashMap::new();
        for found in Members::new(&mut input, length) {
            let (content, name) = match found {
                Found::Folder => continue,
                Found::Broken { after: None, reason } => return Err(refused(reason)),
                Found::Broken { after: Some(after), reason } => {
                    let sample = self.fields.add_sample();
                    let reason = format!("after {after}: {reason}");
                    self.items.push(Item { shard, content: Content::Refused(None, reason), sample });
                    continue;
                }
                Found::Refused { name, reason } => {
                    let name = plain(name);
                    (Content::Refused(Some(name.clone()), reason.into()), name)
                }
                Found::File(member) => {
                    let name = plain(member.name);
                    (Content::Image(Member { name: name.clone(), ..member }), name)
                }
            };
            let extension = Path::new(&name).extension().and_then(|e| e.to_str()).unwrap_or_default();
            let extension = extension.to_ascii_lowercase();
            let mut leave_out = |what| *self.left_out.entry(what).or_default() += 1;
            if name
                .split('/')
                .rev()
                .enumerate()
                .any(|(above, part)| part != ".." && is_left_out(part, above > 0))
            {
                leave_out("hidden members");
            } else if IMAGE_EXTENSIONS.contains(&extension.as_str()) {
                let sample =
                    *samples.entry(sample_of(&name).to_owned()).or_insert_with(|| self.fields.add_sample());
                let item = Item { shard, content, sample };
                match places.get(&name).and_then(|&place| self.items.get_mut(place)) {
                    Some(earlier) => {
                        leave_out("members that a later one of the same name replaces");
                        *earlier = item;
                    }
                    None => {
                        places.insert(name, self.items.len());
                        self.items.push(item);
                    }
                }
            } else if UNREAD_EXTENSIONS.contains(&extension.as_str()) {
                leave_out("images of kinds that are not read");
            } else {
                match (content, Kind::of(&name)) {
                    (Content::Image(member), Some(kind)) => siblings.push((member, kind)),
                    _ => leave_out("members that are neither images nor columns"),
                }
            }
        }
        for (member, kind) in siblings {
            match samples.get(sample_of(&member.name)) {
                Some(&sample) => self.add_fields(&mut input, &member, kind, sample),
                None => *self.left_out.entry("members of samples without an image").or_default() += 1,
            }
        }
        Ok(())
    }

    /// Adds the content of a member to the values of its sample. Content that cannot be read as values is counted as
    /// left out, and the image of the sample stays an item.
    fn add_fields(&mut self, input: &mut BufReader<&File>, member: &Member, kind: Kind, sample: usize) {
        let mut bytes = Vec::new();
        let mut read = || {
            input.seek(SeekFrom::Start(member.offset))?;
            input.by_ref().take(member.size).read_to_end(&mut bytes)
        };
        let is_read = member.size <= MAX_FIELDS && read().is_ok_and(|read| read as u64 == member.size);
        let taken = is_read
            && match kind {
                Kind::Object => self.fields.add_json(sample, &bytes),
                Kind::Text => self.fields.add_text(sample, "txt", &bytes),
                Kind::Class => self.fields.add_class(sample, "cls", &bytes),
            }
            .is_ok();
        if !taken {
            *self.left_out.entry("members that should be columns and cannot be read as such").or_default() +=
                1;
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "an item that is not there is the caller's mistake, as with a slice"
    )]
    fn item(&self, item: usize) -> (&Item, &Shard) {
        let item = &self.items[item];
        (item, &self.shards[item.shard])
    }
}

/// Removes the `./` that precedes a member's name when the folder `.` was packed.
fn plain(name: String) -> String {
    match name.strip_prefix("./") {
        Some(plain) => plain.into(),
        None => name,
    }
}

/// The form of a member that becomes columns.
#[derive(Clone, Copy)]
enum Kind {
    Object,
    Text,
    Class,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name.strip_prefix(sample_of(name))? {
            ".json" => Some(Self::Object),
            ".txt" => Some(Self::Text),
            ".cls" => Some(Self::Class),
            _ => None,
        }
    }
}

/// Returns the name of a member's sample: the member's name up to the first dot of its last part, as in WebDataset.
fn sample_of(name: &str) -> &str {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let end = name.get(last..).and_then(|last| last.find('.')).map_or(name.len(), |dot| last + dot);
    name.get(..end).unwrap_or(name)
}

impl TarShards {
    /// Reads the bytes of an item's image.
    fn content(&self, item: usize) -> rscir_core::Result<Vec<u8>> {
        let (item, shard) = self.item(item);
        match &item.content {
            Content::Image(member) => read(shard, member, self.limits.max_bytes),
            Content::Refused(_, reason) => Err(CoreError::refused(Stage::List, reason)),
        }
    }
}

/// Reads the content of a member, after a check that its tar file has not changed since its members were found.
fn read(shard: &Shard, member: &Member, limit: u64) -> rscir_core::Result<Vec<u8>> {
    let refused = |reason: String| CoreError::refused(Stage::Read, reason);
    if member.size > limit {
        return Err(refused(format!("the member has {} bytes, more than the limit of {limit}", member.size)));
    }
    let (mut file, length) = open_regular(&shard.path)?;
    let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
    if (length, modified) != (shard.length, shard.modified) {
        let path = shard.path.display();
        return Err(refused(format!("{path} has changed since its members were found: ingest it again")));
    }
    let mut bytes = Vec::new();
    let read = file
        .seek(SeekFrom::Start(member.offset))
        .and_then(|_| file.take(member.size).read_to_end(&mut bytes));
    match read {
        Ok(read) if read as u64 == member.size => Ok(bytes),
        Ok(_) => Err(refused(format!("{} ends within the member: it was cut off", shard.path.display()))),
        Err(error) => Err(refused(error.to_string())),
    }
}

impl ImageSource for TarShards {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn key(&self, item: usize) -> Cow<'_, str> {
        let (item, shard) = self.item(item);
        match &item.content {
            Content::Image(Member { name, .. }) | Content::Refused(Some(name), _) => {
                format!("{}#{name}", shard.name).into()
            }
            Content::Refused(None, _) => shard.name.as_str().into(),
        }
    }

    fn fingerprint(&self, item: usize) -> rscir_core::Result<Fingerprint> {
        let (item, shard) = self.item(item);
        let member = match &item.content {
            Content::Image(member) => member,
            Content::Refused(_, reason) => return Err(CoreError::refused(Stage::List, reason)),
        };
        let mut hash = Sha256::new();
        match self.changes {
            ChangeDetection::SizeAndTime => {
                hash.update(b"member");
                let shard = [u128::from(shard.length), nanos_since_1970(shard.modified)];
                let member = [member.size, member.modified].map(u128::from);
                [shard, member].as_flattened().iter().for_each(|number| hash.update(number.to_le_bytes()));
            }
            ChangeDetection::Content => {
                hash.update(b"content");
                hash.update(read(shard, member, self.limits.max_bytes)?);
            }
        }
        Ok(Fingerprint::of_sha256(hash.finalize().into()))
    }

    fn read(&self, item: usize) -> rscir_core::Result<RgbImage> {
        decode::decode(&self.content(item)?, &self.decoding, &self.limits)
            .map_err(|error| CoreError::refused(Stage::Decode, error.to_string()))
    }

    fn read_bands(&self, item: usize, values: BandValues) -> rscir_core::Result<BandImage> {
        decode::bands_of(&self.content(item)?, &self.decoding, &self.limits, values)
            .map_err(|error| CoreError::refused(Stage::Decode, error.to_string()))
    }

    fn columns(&self) -> &[ColumnSchema] {
        &self.schema
    }

    fn values(&self, item: usize, row: &mut RowValues<'_>) -> rscir_core::Result<()> {
        self.fields.values(self.item(item).0.sample, row)
    }

    fn left_out(&self) -> Vec<Omission> {
        self.left_out.iter().map(|(what, &count)| Omission { what: (*what).into(), count }).collect()
    }

    fn decoding(&self) -> Option<&Decoding> {
        Some(&self.decoding)
    }
}
