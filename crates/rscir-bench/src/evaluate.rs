use std::collections::HashMap;

use rscir_core::{Archive, Embeddings, Method, Progress, Scored, Silent, TextEncoder};

use crate::engine::{Engine, Job};
use crate::subset::Subset;
use crate::{Error, Evaluation, GroupOutcome, QueryGroup, QueryOutcome, QuerySet, Result};

/// Greatest number of rows of an archive. Ranks are counted in 31 bits.
const MAX_ROWS: usize = 1 << 31;

/// The vectors of a query set.
#[derive(Debug, Clone)]
pub struct QueryVectors {
    /// One row for each of [`QuerySet::images`].
    pub images: Embeddings,
    /// One row for each of [`QuerySet::texts`].
    pub texts: Embeddings,
}

impl QueryVectors {
    /// Takes the vectors of the images from the archive that holds them and those of the texts from
    /// `features`, whose row `i` belongs to `known_texts[i]`.
    ///
    /// # Errors
    /// [`Error::MissingText`] if a text is not among `known_texts`; [`Error::MissingImage`] if the archive
    /// does not hold an image; [`rscir_core::Error::Length`] if archive and texts differ in width.
    pub fn from_archive(
        queries: &QuerySet,
        archive: &dyn Archive,
        known_texts: &[String],
        features: &Embeddings,
    ) -> Result<Self> {
        rscir_core::Error::check_length("width of the text features", archive.dim(), features.dim())?;
        rscir_core::Error::check_length("texts of the text features", features.len(), known_texts.len())?;
        let known: HashMap<&str, usize> = known_texts.iter().map(String::as_str).zip(0..).collect();
        let mut values = Vec::with_capacity(queries.texts.len() * features.dim());
        for (index, text) in queries.texts.iter().enumerate() {
            let row = known.get(text.as_str()).copied().ok_or_else(|| Error::MissingText {
                text: text.clone(),
                group: queries.first_group_with_text(index).unwrap_or_default().into(),
            })?;
            values.extend_from_slice(features.row(row));
        }
        Ok(Self {
            images: Self::images_of(queries, archive)?,
            texts: Embeddings::normalize(features.dim(), values)?,
        })
    }

    /// Takes the vectors of the images from `images`, the archive that holds them, and encodes the texts.
    ///
    /// # Errors
    /// [`Error::MissingImage`] if the archive does not hold an image; [`rscir_core::Error::Spec`] if archive
    /// and encoder do not fit; the errors of the encoder.
    pub fn encode(queries: &QuerySet, encoder: &dyn TextEncoder, images: &dyn Archive) -> Result<Self> {
        images.spec().check(encoder.spec()).map_err(rscir_core::Error::from)?;
        let texts: Vec<&str> = queries.texts.iter().map(String::as_str).collect();
        Ok(Self { images: Self::images_of(queries, images)?, texts: encoder.encode_texts(&texts)? })
    }

    /// Takes the vectors of the query images from the archive that holds them.
    ///
    /// # Errors
    /// [`Error::MissingImage`] if the archive does not hold an image.
    pub fn images_of(queries: &QuerySet, archive: &dyn Archive) -> Result<Embeddings> {
        let mut values = Vec::with_capacity(queries.images.len() * archive.dim());
        for image in &queries.images {
            let missing = || Error::MissingImage { key: image.key().into() };
            let row = image.row_in(archive).ok_or_else(missing)?;
            values.extend_from_slice(&archive.vector(row));
        }
        Ok(Embeddings::normalize(archive.dim(), values)?)
    }
}

/// How queries are evaluated.
///
/// ```
/// let options = rscir_bench::EvaluateOptions::default().exclude_query(true).top(10);
/// assert_eq!((options.exclude_query, options.top), (true, 10));
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct EvaluateOptions<'a> {
    /// `true`: the query image is left out of the ranking and of the relevant images.
    pub exclude_query: bool,
    /// Number of best rows that are kept for each query and method, in [`QueryOutcome::top`].
    pub top: usize,
    /// Receiver of the progress, in queries.
    pub progress: &'a dyn Progress,
}

impl<'a> EvaluateOptions<'a> {
    /// Sets whether the query image is left out of the ranking and out of the relevant images. Default: `false`.
    #[must_use]
    pub fn exclude_query(self, exclude_query: bool) -> Self {
        Self { exclude_query, ..self }
    }

    /// Sets the number of best rows that are kept for each query and method. Default: 0.
    #[must_use]
    pub fn top(self, top: usize) -> Self {
        Self { top, ..self }
    }

    /// Sets the receiver of the progress. Default: [`Silent`](rscir_core::Silent).
    #[must_use]
    pub fn progress(self, progress: &'a dyn Progress) -> Self {
        Self { progress, ..self }
    }
}

impl std::fmt::Debug for EvaluateOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvaluateOptions")
            .field("exclude_query", &self.exclude_query)
            .field("top", &self.top)
            .finish_non_exhaustive()
    }
}

impl Default for EvaluateOptions<'_> {
    fn default() -> Self {
        Self { exclude_query: false, top: 0, progress: &Silent }
    }
}

/// Evaluates `methods` on `queries`.
///
/// The similarities of a block of query images are one matrix product, and those of the texts another.
/// Fusions with the same normalization share normalized lists, so a sweep over lambda costs little more than
/// one lambda. Queries that a method composes into one vector are multiplied in blocks, too. The ranks of
/// relevant images are counted without sorting. Ties rank by row. The results do not depend on the number of
/// threads.
///
/// Beside the archive, the function holds about 48 MB of image similarities, at most 256 MB of text
/// similarities, and a few lists for each thread. A group with a [gallery](QueryGroup::gallery) is evaluated
/// on a copy of the gallery's rows.
///
/// # Errors
/// [`rscir_core::Error`] from the archive or a method; its variant `Length` if `vectors` do not fit
/// `queries`; [`Error::BadIndex`] and [`Error::OutsideGallery`] if `queries` are inconsistent or do not fit
/// the archive; [`Error::NotANumber`] if a method gives NaN.
pub fn evaluate(
    archive: &dyn Archive,
    queries: &QuerySet,
    vectors: &QueryVectors,
    methods: &[&dyn Method],
    options: EvaluateOptions<'_>,
) -> Result<Evaluation> {
    use rscir_core::Error as CoreError;
    CoreError::check_length("vectors of the query images", queries.images.len(), vectors.images.len())?;
    CoreError::check_length("vectors of the query texts", queries.texts.len(), vectors.texts.len())?;
    for vectors in [&vectors.images, &vectors.texts] {
        CoreError::check_length("width of the query vectors", archive.dim(), vectors.dim())?;
    }
    if archive.len() >= MAX_ROWS {
        let (name, value, expected) = ("rows of the archive", archive.len().to_string(), "below 2^31");
        return Err(CoreError::Parameter { name, value, expected }.into());
    }
    queries.check(archive.len())?;
    let mut groups: Vec<GroupOutcome> = queries
        .groups
        .iter()
        .map(|g| GroupOutcome { name: g.name.clone(), queries: vec![Vec::new(); g.queries.len()] })
        .collect();
    options.progress.begin("evaluating", Some(queries.len() as u64));
    let on_all = (0..).zip(&queries.groups).filter(|(_, group)| group.gallery.is_none());
    let jobs = on_all.flat_map(|(g, group)| jobs_of(g, group, &queries.relevant)).collect();
    Engine::new(archive, queries, vectors, methods, options)
        .run(jobs, |job, outcomes| groups[job.group].queries[job.place] = outcomes)?;
    for (group, outcome) in queries.groups.iter().zip(&mut groups) {
        if let Some(gallery) = &group.gallery {
            let subset = Subset::new(archive, gallery)?;
            let relevant = relevant_in(&subset, archive, group, queries)?;
            let engine = Engine::new(&subset, queries, vectors, methods, options);
            engine.run(jobs_of(0, group, &relevant).collect(), |job, mut outcomes| {
                let of_archive = |scored: &mut Scored| scored.row = gallery[scored.row];
                outcomes.iter_mut().flat_map(|o: &mut QueryOutcome| &mut o.top).for_each(of_archive);
                outcome.queries[job.place] = outcomes;
            })?;
        }
    }
    options.progress.end();
    Ok(Evaluation { methods: methods.iter().map(|m| m.info()).collect(), groups })
}

/// Returns the queries of a group, with their relevant rows from `relevant`.
fn jobs_of<'a>(
    group_index: usize,
    group: &'a QueryGroup,
    relevant: &'a [Vec<usize>],
) -> impl Iterator<Item = Job<'a>> {
    group.queries.iter().enumerate().map(move |(place, query)| Job {
        query: *query,
        relevant: &relevant[query.relevant],
        group: group_index,
        place,
    })
}

/// Returns the relevant sets that a group uses, as rows of its gallery. The other sets are left empty.
fn relevant_in(
    gallery: &Subset<'_>,
    archive: &dyn Archive,
    group: &QueryGroup,
    queries: &QuerySet,
) -> Result<Vec<Vec<usize>>> {
    let mut relevant = vec![Vec::new(); queries.relevant.len()];
    for query in &group.queries {
        let rows = &queries.relevant[query.relevant];
        if relevant[query.relevant].len() == rows.len() {
            continue;
        }
        let place = |row: &usize| {
            gallery.place(*row).ok_or_else(|| Error::OutsideGallery {
                group: group.name.clone(),
                key: archive.key(*row).into(),
            })
        };
        let mut places = rows.iter().map(place).collect::<Result<Vec<_>>>()?;
        places.sort_unstable();
        relevant[query.relevant] = places;
    }
    Ok(relevant)
}
