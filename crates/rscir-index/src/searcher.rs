use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rscir_core::{Archive, ComposedQuery, Method};

use crate::int8::Int8Index;
use crate::search::{Plan, answer_batch};
use crate::{Answer, Hit, Result, SearchOptions, Statistics};

/// Smallest archive, in rows, that is searched by 8-bit bounds. A scan of fewer rows of width 768 takes two
/// milliseconds at most.
pub(crate) const MIN_ROWS: usize = 10_000;

/// Number of queries before the 8-bit rows are made. Making them reads every row several times, which takes as
/// long as several dozen scans, so a program with few queries gets scans.
const QUERIES_BEFORE: usize = 32;

/// How an answer was found. All paths give the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SearchPath {
    /// Bounds from 8-bit rows, then the similarities of the rows that the bounds do not exclude.
    Int8,
    /// The similarities of all rows.
    Scan,
    /// The method's own scores of all rows, because the method is neither a monotone fusion nor one by evidence.
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

/// An archive for many searches: each takes the fastest exact path there is, and names it.
///
/// The searcher owns its archive (an `Arc` of an archive is an archive, too), and threads can share it. A large
/// archive that keeps no 8-bit rows ([`ArchiveWriter::quantize`](crate::ArchiveWriter::quantize)) gets them after
/// 32 queries: the thread of a later query makes them once, while other threads continue with scans. They take a
/// quarter of the memory of the rows in `f32`. Statistics are those of [`Archive::moments`] on every path, so no
/// answer depends on when it was asked for.
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
    /// Locked by the thread that makes the 8-bit rows.
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
    /// Makes a searcher of an archive. If the archive [keeps](Archive::quantized) 8-bit rows, the first query
    /// already uses them.
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

    /// Returns the archive.
    pub fn archive(&self) -> &A {
        &self.archive
    }

    /// Makes the 8-bit rows now. Does nothing if the archive has fewer than 10,000 rows.
    ///
    /// # Errors
    /// The errors of [`Int8Index::new`].
    pub fn prepare(&self) -> Result<()> {
        if self.archive.len() < MIN_ROWS {
            return Ok(());
        }
        self.make(&self.making.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the 8-bit rows unless another thread has made them.
    fn make(&self, _turn: &MutexGuard<'_, ()>) -> Result<()> {
        if self.int8.get().is_none() {
            let _ = self.int8.set(Int8Index::new(Arc::clone(&self.archive))?);
        }
        Ok(())
    }

    /// Returns the best rows for one query, best first, and the path on which they were found. The choice of
    /// statistics in `options` has no effect.
    ///
    /// # Errors
    /// The errors of [`search_with`](crate::search_with).
    pub fn search(
        &self,
        method: &dyn Method,
        query: &ComposedQuery,
        options: &SearchOptions<'_>,
    ) -> Result<(Vec<Hit>, SearchPath)> {
        let (mut answers, path) = self.search_batch(method, std::slice::from_ref(query), options)?;
        Ok((answers.pop().unwrap_or_default(), path))
    }

    /// Searches like [`Searcher::search`] for many queries.
    ///
    /// # Errors
    /// The errors of [`search_with`](crate::search_with) for the first query that fails; then no query has an
    /// answer.
    pub fn search_batch(
        &self,
        method: &dyn Method,
        queries: &[ComposedQuery],
        options: &SearchOptions<'_>,
    ) -> Result<(Vec<Vec<Hit>>, SearchPath)> {
        let (answers, path) = self.answer_batch(method, queries, options)?;
        Ok((answers.into_iter().map(|answer| answer.hits).collect(), path))
    }

    /// Searches like [`Searcher::search_batch`], and returns with each answer what the method learned for it.
    ///
    /// # Errors
    /// The errors of [`Searcher::search_batch`].
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
            // An archive of rows that are too wide for 8-bit products is searched by scans.
            let _ = self.make(&turn);
        }
        match self.int8.get().filter(|index| index.pays(options.k)) {
            Some(index) => Ok((index.answer_batch(method, queries, &options)?, SearchPath::Int8)),
            None => Ok((answer_batch(&self.archive, method, queries, &options)?, SearchPath::Scan)),
        }
    }
}

/// Searches like [`search_with`](crate::search_with) on the fastest exact path that the archive offers, and names
/// the path.
///
/// A large archive that [keeps](Archive::quantized) 8-bit rows is searched by them, with the statistics of
/// [`Archive::moments`] as under [`Statistics::Moments`]. For more than a few queries, use a [`Searcher`].
///
/// # Errors
/// The errors of [`search_with`](crate::search_with).
pub fn search_fastest(
    archive: &dyn Archive,
    method: &dyn Method,
    query: &ComposedQuery,
    options: &SearchOptions<'_>,
) -> Result<(Vec<Hit>, SearchPath)> {
    let (answer, path) = answer_fastest(archive, method, query, options)?;
    Ok((answer.hits, path))
}

/// Searches like [`search_fastest`], and returns with the answer what the method learned for it.
///
/// # Errors
/// The errors of [`search_with`](crate::search_with).
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
