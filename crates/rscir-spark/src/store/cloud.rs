use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock, mpsc};

use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion};
use tokio::runtime::Runtime;
use url::Url;

use super::{Seen, Sink, Store};
use crate::table::POINTER;
use crate::{Error, Result};

/// Which variables of the environment say how a store is reached: those of the three clouds' own programs.
const PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// Bytes that are sent at once of a file: S3 takes at most 10,000 pieces of a file, each of 5 MiB or more, so that files may have
/// 156 GiB.
const PIECE: usize = 16 << 20;

/// How many objects are removed at once.
const AT_ONCE: usize = 8;

/// A prefix of an object store, under which versions are prefixes.
pub(super) struct Cloud {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    url: String,
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Cloud {
    /// Opens a URL such as `s3://bucket/tiles`. Nothing is sent.
    pub(super) fn open(url: &str) -> Result<Self> {
        let failed = |source: StoreError| Error::Store { url: url.into(), source: Box::new(source) };
        let generic = |error| StoreError::Generic { store: "URL", source: Box::new(error) };
        let parsed = Url::parse(url).map_err(generic).map_err(failed)?;
        let options =
            std::env::vars().filter(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
        let (store, prefix) = object_store::parse_url_opts(&parsed, options).map_err(failed)?;
        Ok(Self { store: store.into(), prefix, url: url.into() })
    }

    /// Returns the place of a file by its name within the table.
    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// Returns the URL of a file by its name within the table.
    fn url_of(&self, name: &str) -> String {
        format!("{}/{name}", self.url.trim_end_matches('/'))
    }

    fn failed(&self, name: &str) -> impl FnOnce(StoreError) -> Error + use<> {
        let url = self.url_of(name);
        move |source| Error::Store { url, source: Box::new(source) }
    }

    /// Reads an object, with what tells whether it is another later.
    fn get(&self, name: &str, most: u64) -> Result<Option<(Vec<u8>, UpdateVersion)>> {
        let (store, path) = (Arc::clone(&self.store), self.path(name));
        let got = wait(async move {
            let got = store.get(&path).await?;
            let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
            // A longer one is refused by its length, before it is read.
            let bytes = if got.meta.size > most { Err(got.meta.size) } else { Ok(got.bytes().await?) };
            Ok((bytes, version))
        });
        match got {
            Ok((Ok(bytes), version)) => Ok(Some((bytes.to_vec(), version))),
            Ok((Err(bytes), _)) => {
                let reason = format!("it has {bytes} bytes, and at most {most} are read of such a file");
                Err(Error::description(self.url_of(name), reason))
            }
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(name)(error)),
        }
    }
}

impl Store for Cloud {
    fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>> {
        Ok(self.get(name, most)?.map(|(bytes, _)| bytes))
    }

    fn pointer(&self, most: u64) -> Result<Seen> {
        Ok(self.get(POINTER, most)?.map_or_else(Seen::default, |(bytes, version)| Seen {
            bytes: Some(bytes),
            tag: (version.e_tag, version.version),
        }))
    }

    /// Returns the name that the version keeps: nobody reads a version that the pointer does not name.
    fn draft(&self, version: &str) -> Result<String> {
        Ok(version.into())
    }

    fn create(&self, place: &str, name: &str) -> Result<Box<dyn Sink>> {
        let name = format!("{place}/{name}");
        let url = self.url_of(&name);
        Ok(Box::new(Upload {
            store: Arc::clone(&self.store),
            path: self.path(&name),
            url,
            bytes: Vec::new(),
        }))
    }

    fn settle(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    fn point(&self, pointer: &[u8], seen: &Seen) -> Result<bool> {
        let mode = match seen {
            Seen { bytes: None, .. } => PutMode::Create,
            Seen { tag: (e_tag, version), .. } => {
                PutMode::Update(UpdateVersion { e_tag: e_tag.clone(), version: version.clone() })
            }
        };
        let (store, path) = (Arc::clone(&self.store), self.path(POINTER));
        let payload = PutPayload::from(pointer.to_vec());
        match wait(async move { store.put_opts(&path, payload, mode.into()).await }) {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(false),
            Err(error) => Err(self.failed(POINTER)(error)),
        }
    }

    fn discard(&self, place: &str) {
        let (store, path) = (Arc::clone(&self.store), self.path(place));
        // Nobody sees it; what cannot be removed now can be later.
        let _ = wait(async move {
            let found: Vec<Path> =
                store.list(Some(&path)).map_ok(|object| object.location).try_collect().await?;
            let remove = |path: Path| {
                let store = Arc::clone(&store);
                async move { store.delete(&path).await }
            };
            futures_util::stream::iter(found).map(remove).buffer_unordered(AT_ONCE).try_collect::<()>().await
        });
    }
}

/// A file that is sent once it is whole: a part has 128 MB unless it was asked for larger ones.
struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    url: String,
    bytes: Vec<u8>,
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Upload {
    fn finish(self: Box<Self>) -> Result<()> {
        let Self { store, path, url, bytes } = *self;
        wait(async move {
            if bytes.len() <= PIECE {
                return store.put(&path, bytes.into()).await.map(drop);
            }
            let mut upload = store.put_multipart(&path).await?;
            let mut rest = PutPayload::from(bytes).into_iter();
            let whole = rest.next().unwrap_or_default();
            for begin in (0..whole.len()).step_by(PIECE) {
                let piece = whole.slice(begin..whole.len().min(begin + PIECE));
                if let Err(error) = upload.put_part(piece.into()).await {
                    // What is left of it costs room until it is told to go; the first error is the one to tell.
                    let _ = upload.abort().await;
                    return Err(error);
                }
            }
            upload.complete().await.map(drop)
        })
        .map_err(|source| Error::Store { url, source: Box::new(source) })
    }
}

/// Does what a store does on a runtime of its own while this thread waits, which may be one of another runtime.
fn wait<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Generic { store: "client", source };
    let runtime = RUNTIME
        .get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build());
    let runtime = runtime.as_ref().map_err(|error| failed(error.to_string().into()))?;
    let (sender, receiver) = mpsc::channel();
    runtime.spawn(async move {
        // Nobody waits any more if the thread that asked has ended.
        let _ = sender.send(work.await);
    });
    receiver.recv().unwrap_or_else(|_| Err(failed("it ended without an answer".into())))
}
