//! Files on a server, of which only the needed bytes are fetched (HTTP ranges, RFC 9110, section 14).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rscir_images::tiff::ReadAt;
use ureq::Agent;
use ureq::http::header;

/// Bytes of a part. The header of a cloud-optimized GeoTIFF has a few parts, and so has a tile of 256 x 256 pixels.
const PART: u64 = 16 << 10;

/// Bytes of parts that are kept, for directories and offsets, which are read again and again. Decoded blocks have a
/// cache of their own.
const KEPT: u64 = 16 << 20;

/// The most bytes of one read. Strips and tiles, which are what is read, are shorter.
const MAX_REQUEST: u64 = 1 << 30;

/// Time limit for a connection, for the beginning of an answer, and for each read of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Number of attempts at a request. Busy servers answer "try again", and the pause grows by 200 ms with each attempt.
const TRIES: u32 = 3;

/// A file on a server, read by ranges in parts of 16 KiB. Adjacent parts are fetched by one request, and the 16 MiB
/// used last are kept.
pub struct HttpFile {
    address: String,
    agent: Agent,
    size: u64,
    /// The file's ETag, else its time of change as the server writes it. It is empty if the server tells neither.
    version: String,
    parts: Mutex<Parts>,
}

/// The fetched parts that are kept.
#[derive(Default)]
struct Parts {
    /// For the number of each part, when it was used last, and its bytes.
    kept: HashMap<u64, (u64, Arc<[u8]>)>,
    /// Numbers of the parts by when they were used last.
    order: BTreeMap<u64, u64>,
    now: u64,
}

impl HttpFile {
    /// Opens a file by its address (`http://` or `https://`). The first 16 KiB are fetched, which tells the file's size
    /// and that the server supports ranges.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if the server does not support ranges, [`io::ErrorKind::NotFound`] if it has no
    /// such file, and other kinds for errors of the server and the network.
    pub fn open(address: impl Into<String>) -> io::Result<Self> {
        let address = address.into();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A server must not redirect a request over https to http.
            .https_only(address.starts_with("https:"))
            .user_agent(concat!("rscir/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .build()
            .into();
        let mut file = Self { address, agent, size: 0, version: String::new(), parts: Mutex::default() };
        let first = file.fetch(0..PART)?;
        (file.size, file.version) = (first.size, first.version);
        if (first.bytes.len() as u64) < PART.min(file.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.lock().keep(0, first.bytes.into());
        Ok(file)
    }

    /// Returns the file's ETag, else its time of change as the server writes it. The text is empty if the server tells
    /// neither.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        // A part is inserted whole or not at all, so that a panic elsewhere leaves no part incomplete.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches parts, whose numbers ascend, and keeps them. Adjacent parts are fetched by one request.
    fn fetch_parts(&self, numbers: &[u64]) -> io::Result<Vec<(u64, Arc<[u8]>)>> {
        let mut fetched = Vec::with_capacity(numbers.len());
        for run in numbers.chunk_by(|one, next| one + 1 == *next) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let answer = self.fetch(first * PART..((last + 1) * PART).min(self.size))?;
            let mut kept = self.lock();
            for (number, bytes) in run.iter().zip(answer.bytes.chunks(PART as usize)) {
                let bytes: Arc<[u8]> = bytes.into();
                kept.keep(*number, bytes.clone());
                fetched.push((*number, bytes));
            }
        }
        Ok(fetched)
    }

    /// Fetches a range. Errors that may pass are tried again.
    fn fetch(&self, range: Range<u64>) -> io::Result<Answer> {
        let mut tries = 1;
        loop {
            match self.ask(&range) {
                Err(error) if tries < TRIES && is_passing(&error) => {
                    std::thread::sleep(Duration::from_millis(200) * tries);
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    fn ask(&self, range: &Range<u64>) -> io::Result<Answer> {
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let response = self
            .agent
            .get(&self.address)
            .header(header::RANGE, bytes)
            // Ranges of a compressed answer would be ranges of other bytes.
            .header(header::ACCEPT_ENCODING, "identity")
            .call()
            .map_err(|error| match error {
                ureq::Error::Io(error) => error,
                ureq::Error::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, error),
                error => io::Error::other(error),
            })?;
        let status = response.status().as_u16();
        let text = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        match status {
            206 => {}
            200 => {
                let problem =
                    "the server sends whole files and no ranges: download the file and open the copy";
                return Err(io::Error::new(io::ErrorKind::Unsupported, problem));
            }
            404 | 410 => {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("the server has no such file ({status})"),
                ));
            }
            429 | 500..=599 => {
                return Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    format!("the server answers {status}"),
                ));
            }
            _ => return Err(io::Error::other(format!("the server answers {status}"))),
        }
        // The header is written as `bytes 0-99/1000`.
        let placed = || {
            let (range, size) = text("content-range").strip_prefix("bytes ")?.split_once('/')?;
            let (first, last) = range.split_once('-')?;
            Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, size.parse::<u64>().ok()?))
        };
        let (first, last, size) = placed()
            .filter(|(first, last, size)| {
                *first == range.start && first <= last && last < size && *last < range.end
            })
            .ok_or_else(|| io::Error::other("the server sent another range than it was asked for"))?;
        let version = [text("etag"), text("last-modified")].into_iter().find(|text| !text.is_empty());
        let version = version.unwrap_or_default().to_owned();
        let is_known = self.size > 0;
        if is_known && (size, version.as_str()) != (self.size, self.version.as_str()) {
            return Err(io::Error::other("the file on the server changed while it was read"));
        }
        let length = last - first + 1;
        let mut bytes = Vec::new();
        response.into_body().into_reader().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Answer { bytes, size, version })
    }
}

/// A fetched range of a file.
struct Answer {
    bytes: Vec<u8>,
    /// Number of bytes of the whole file.
    size: u64,
    version: String,
}

/// Tells whether a request that failed with this error may succeed a moment later.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ResourceBusy
            | Kind::TimedOut
            | Kind::ConnectionReset
            | Kind::UnexpectedEof
            | Kind::ConnectionAborted
    )
}

impl ReadAt for HttpFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if buffer.is_empty() {
            return Ok(());
        }
        if buffer.len() as u64 > MAX_REQUEST {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let wanted = offset / PART..end.div_ceil(PART);
        let mut parts: BTreeMap<u64, Arc<[u8]>> = BTreeMap::new();
        {
            let mut kept = self.lock();
            parts.extend(wanted.clone().filter_map(|number| Some((number, kept.find(number)?))));
        }
        let missing: Vec<u64> = wanted.filter(|number| !parts.contains_key(number)).collect();
        parts.extend(self.fetch_parts(&missing)?);
        for (number, bytes) in parts {
            let start = number * PART;
            let (from, to) = (offset.max(start), end.min(start + bytes.len() as u64));
            let (own, theirs) = (
                (from - start) as usize..(to - start) as usize,
                (from - offset) as usize..(to - offset) as usize,
            );
            match (buffer.get_mut(theirs), bytes.get(own)) {
                (Some(to), Some(from)) => to.copy_from_slice(from),
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(())
    }

    fn announce(&self, ranges: &mut dyn Iterator<Item = Range<u64>>) {
        let mut wanted = BTreeSet::new();
        for range in ranges.filter(|range| range.start < range.end && range.end <= self.size) {
            wanted.extend(range.start / PART..range.end.div_ceil(PART));
            // More parts than are kept would be dropped before they are read, and fetched twice.
            if wanted.len() as u64 > KEPT / PART / 2 {
                return;
            }
        }
        let missing: Vec<u64> = {
            let mut kept = self.lock();
            wanted.into_iter().filter(|number| kept.find(*number).is_none()).collect()
        };
        // An error is not lost: the read that needs the part fetches it again and returns the error.
        let _ = self.fetch_parts(&missing);
    }
}

impl Parts {
    fn find(&mut self, number: u64) -> Option<Arc<[u8]>> {
        let (used, bytes) = self.kept.get_mut(&number)?;
        self.order.remove(used);
        self.now += 1;
        *used = self.now;
        self.order.insert(self.now, number);
        Some(bytes.clone())
    }

    fn keep(&mut self, number: u64, bytes: Arc<[u8]>) {
        if self.find(number).is_some() {
            return;
        }
        self.now += 1;
        self.order.insert(self.now, number);
        self.kept.insert(number, (self.now, bytes));
        while self.kept.len() as u64 > KEPT / PART {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.kept.remove(&oldest);
        }
    }
}

impl fmt::Debug for HttpFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFile")
            .field("address", &self.address)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
