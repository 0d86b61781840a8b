use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rscir_core::{Archive, ComposedQuery, Method};

use crate::int8::Int8Index;
use crate::search::{Plan, answer_batch};
use crate::{Answer, Hit, Result, SearchOptions, Statistics};

/// Rows from which on bounds pay: an archive of fewer is multiplied in two milliseconds at 768 wide.
pub(crate) const MIN_ROWS: usize = 10_000;

/// Queries after which the 8-bit rows are made. Making them reads every row some times over, which takes as long as some
/// dozens of scans; who asks a few questions gets scans.
const QUERIES_BEFORE: usize = 32;

/// How an answer was found. All ways give the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SearchPath {
    /// Bounds from 8-bit rows, and the similarities of the rows that they leave.
    Int8,
    /// The similarities of all rows.
    Scan,
    /// The method's own scores of all rows, as it is no monotone fusion and takes no evidence.
    Scores,
}

impl fmt::Display for SearchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int8 => "8-bit bounds",
            Self::Scan => "scan",
            Self::Scores => "scores of the method",
        })
    }
}

/// An archive that is asked again and again: each question takes the fastest exact way there is, and says which.
///
/// It owns its archive (an `Arc` of one is an archive, too) and can be shared by threads. The 8-bit rows of a large archive
/// that keeps none ([`ArchiveWriter::quantize`](crate::ArchiveWriter::quantize)) are made after some questions, once, by the thread whose question it is, while others go on with scans; they take a
/// quarter of what the rows take in `f32`. Statistics are those of [`Archive::moments`] on every way, so no answer depends
/// on when it was asked for.
///
/// ```
/// use rscir_core::{ComposedQuery, Embeddings, EncoderSpec, UnitVector};
/// use rscir_index::{MemoryArchive, SearchOptions, SearchPath, Searcher};
/// use rscir_weicom::WeiCom;
///
/// let spec = EncoderSpec::unknown(2);
/// let rows = Embeddings::normalize(2, vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0])?;
/// let archive = MemoryArchive::new(spec.clone(), vec!["a".into(), "b".into(), "c".into()], rows)?;
/// let searcher = Searcher::new(archive);
/// let query = ComposedQuery::new(spec)
///     .with_image(UnitVector::normalize(vec![1.0, 0.1])?)?
///     .with_text(UnitVector::normalize(vec![0.1, 1.0])?)?;
/// let (hits, path) = searcher.search(&WeiCom::default(), &query, &SearchOptions::top(1))?;
/// assert_eq!((hits[0].key.as_str(), path), ("b", SearchPath::Scan));
/// # Ok::<(), rscir_index::Error>(())
/// ```
pub struct Searcher<A> {
    archive: Arc<A>,
    asked: AtomicUsize,
    int8: OnceLock<Int8Index<Arc<A>>>,
    /// Held by who makes the 8-bit rows.
    making: Mutex<()>,
}

impl<A: Archive> fmt::Debug for Searcher<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Searcher")
            .field("rows", &self.archive.len())
            .field("int8", &self.int8.get().is_some())
            .finish_non_exhaustive()
    }
}

impl<A: Archive> Searcher<A> {
    /// Takes an archive. If it [keeps](Archive::quantized) 8-bit rows, the first question is answered by them already.
    pub fn new(archive: A) -> Self {
        let archive = Arc::new(archive);
        let kept = if archive.len() < MIN_ROWS { None } else { Int8Index::kept(Arc::clone(&archive)).ok() };
        Self {
            archive,
            asked: AtomicUsize::new(0),
            int8: kept.map_or_else(OnceLock::new, OnceLock::from),
            making: Mutex::new(()),
        }
    }

    /// The archive.
    pub fn archive(&self) -> &A {
        &self.archive
    }

    /// Makes the 8-bit rows now, if the archive is large enough for them to pay.
    ///
    /// # Errors
    /// As [`Int8Index::new`].
    pub fn prepare(&self) -> Result<()> {
        if self.archive.len() < MIN_ROWS {
            return Ok(());
        }
        self.make(&self.making.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the 8-bit rows, if no thread has made them before this one's turn.
    fn make(&self, _turn: &MutexGuard<'_, ()>) -> Result<()> {
        if self.int8.get().is_none() {
            let _ = self.int8.set(Int8Index::new(Arc::clone(&self.archive))?);
        }
        Ok(())
    }

    /// The best rows for one query, and the way they were found.
    ///
    /// # Errors
    /// As [`Method::score`].
    pub fn search(
        &self,
        method: &dyn Method,
        query: &ComposedQuery,
        options: &SearchOptions<'_>,
    ) -> Result<(Vec<Hit>, SearchPath)> {
        let (mut answers, path) = self.search_batch(method, std::slice::from_ref(query), options)?;
        Ok((answers.pop().unwrap_or_default(), path))
    }

    /// [`Searcher::search`] for many queries.
    ///
    /// # Errors
    /// As [`Method::score`] for the first query that fails; then there is no answer to any.
    pub fn search_batch(
        &self,
        method: &dyn Method,
        queries: &[ComposedQuery],
        options: &SearchOptions<'_>,
    ) -> Result<(Vec<Vec<Hit>>, SearchPath)> {
        let (answers, path) = self.answer_batch(method, queries, options)?;
        Ok((answers.into_iter().map(|answer| answer.hits).collect(), path))
    }

    /// [`Searcher::search_batch`], with what the method learned on the way.
    ///
    /// # Errors
    /// As [`Searcher::search_batch`].
    pub fn answer_batch(
        &self,
        method: &dyn Method,
        queries: &[ComposedQuery],
        options: &SearchOptions<'_>,
    ) -> Result<(Vec<Answer>, SearchPath)> {
        let options = options.statistics(Statistics::Moments);
        if Plan::of(method).is_none() {
            return Ok((answer_batch(&self.archive, method, queries, &options)?, SearchPath::Scores));
        }
        if self.asked.fetch_add(queries.len(), Ordering::Relaxed) >= QUERIES_BEFORE
            && self.archive.len() >= MIN_ROWS
            && self.int8.get().is_none()
            && let Ok(turn) = self.making.try_lock()
        {
            // Rows too wide for 8-bit products stay with scans.
            let _ = self.make(&turn);
        }
        match self.int8.get().filter(|index| index.pays(options.k)) {
            Some(index) => Ok((index.answer_batch(method, queries, &options)?, SearchPath::Int8)),
            None => Ok((answer_batch(&self.archive, method, queries, &options)?, SearchPath::Scan)),
        }
    }
}

/// [`search_with`](crate::search_with) on the fastest exact way that the archive has, and says which.
///
/// Where a large archive [keeps](Archive::quantized) 8-bit rows that is by them. Statistics are those of
/// [`Archive::moments`] then, as [`Statistics::Moments`] has them. Whoever asks more than once has a [`Searcher`].
///
/// # Errors
/// As [`Method::score`].
pub fn search_fastest(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    options: &SearchOptions<'_>,
) -> Result<(Vec<Hit>, SearchPath)> {
    let (answer, path) = answer_fastest(archive, method, query, options)?;
    Ok((answer.hits, path))
}

/// [`search_fastest`], with what the method learned on the way.
///
/// # Errors
/// As [`Method::score`].
pub fn answer_fastest(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    options: &SearchOptions<'_>,
) -> Result<(Answer, SearchPath)> {
    let queries = std::slice::from_ref(query);
    let searcher = Searcher::new(archive);
    let (mut answers, path) = if searcher.int8.get().is_some() {
        searcher.answer_batch(method, queries, options)?
    } else {
        let path = if Plan::of(method).is_some() { SearchPath::Scan } else { SearchPath::Scores };
        (answer_batch(archive, method, queries, options)?, path)
    };
    Ok((answers.pop().unwrap_or_default(), path))
}
