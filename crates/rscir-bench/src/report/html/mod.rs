//! Writes one self-contained HTML page about an evaluation.

mod curve;
mod queries;
mod tables;
mod tiles;

use std::fmt;
use std::path::Path;

use rscir_core::{Archive, Html, files};

use crate::{Error, Evaluation, Intervals, QuerySet, Result};

use tiles::Tiles;
pub use tiles::{TileData, TileSource};

/// Default limit for the image files that a page embeds, in bytes. A browser opens 8 MiB at once, and 30
/// tiles for each of a dozen queries stay well below it.
const TILE_BYTES: usize = 8 << 20;

/// Number of groups whose queries and curves are shown. Benchmarks with a group for each instance have
/// hundreds, which no reader can tell apart; all groups are in the table.
const GROUPS: usize = 14;

/// Default number of best and of worst queries that are shown for each group.
const EXAMPLES: usize = 1;

/// An evaluation as one self-contained HTML page that opens from disk: the table of all methods, the curve over lambda,
/// and the best and worst queries of each group. For each query it shows the tiles that the image alone, the text alone
/// and the composition find, side by side, with hits marked.
///
/// The tiles are the rows that were kept ([`EvaluateOptions::top`](crate::EvaluateOptions::top)); without them the page
/// has only tables. The composition is the WeiCom whose lambda is nearest the paper's 0.5, or the method that
/// [`HtmlReport::composition`] chooses. Two or more WeiComs that differ only in lambda make the curve. If there are
/// more than 14 groups, the first 14 have curves and queries. The same evaluation gives the same bytes.
///
/// ```
/// # use rscir_bench::{EvaluateOptions, Query, QueryGroup, QuerySet, QueryVectors, evaluate};
/// # use rscir_core::{Embeddings, EncoderSpec};
/// # use rscir_index::MemoryArchive;
/// # use rscir_weicom::{ImageOnly, TextOnly, WeiCom};
/// use rscir_bench::{HtmlReport, TileData};
///
/// # let rows = Embeddings::normalize(2, vec![1.0, 0.0, 0.8, 0.6, 0.0, 1.0])?;
/// # let keys = ["a.jpg", "b.jpg", "c.jpg"].map(String::from);
/// # let archive = MemoryArchive::new(EncoderSpec::unknown(2), keys.into(), rows)?;
/// # let queries = QuerySet {
/// #     images: vec!["a.jpg".into()],
/// #     texts: vec!["dense".into()],
/// #     relevant: vec![vec![1]],
/// #     groups: vec![QueryGroup {
/// #         name: "density".into(),
/// #         queries: vec![Query { image: 0, text: 0, relevant: 0 }],
/// #         gallery: None,
/// #     }],
/// # };
/// # let texts = Embeddings::normalize(2, vec![0.0, 1.0])?;
/// # let vectors = QueryVectors::from_archive(&queries, &archive, &queries.texts, &texts)?;
/// let weicom = WeiCom::default();
/// let options = EvaluateOptions::default().top(10);
/// let outcome = evaluate(&archive, &queries, &vectors, &[&ImageOnly, &TextOnly, &weicom], options)?;
/// let tiles = |key: &str| TileData::sniff(std::fs::read(key).ok()?);
/// let html = HtmlReport::new("Density", &archive, &queries, &outcome)?.tiles(&tiles).to_html();
/// assert!(html.starts_with("<!DOCTYPE html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct HtmlReport<'a> {
    title: &'a str,
    note: Option<&'a str>,
    archive: &'a dyn Archive,
    queries: &'a QuerySet,
    evaluation: &'a Evaluation,
    intervals: Option<&'a Intervals>,
    tiles: Option<&'a dyn TileSource>,
    tile_bytes: usize,
    examples: usize,
    /// Index of the method that is shown as the composition.
    composition: usize,
}

impl fmt::Debug for HtmlReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HtmlReport")
            .field("title", &self.title)
            .field("queries", &self.queries.len())
            .field("methods", &self.evaluation.methods)
            .finish_non_exhaustive()
    }
}

impl<'a> HtmlReport<'a> {
    /// Makes a page about `evaluation` of `queries` on `archive`.
    ///
    /// # Errors
    /// [`rscir_core::Error::Length`] and [`Error::BadIndex`] if the evaluation is of other queries or another
    /// archive.
    pub fn new(
        title: &'a str,
        archive: &'a dyn Archive,
        queries: &'a QuerySet,
        evaluation: &'a Evaluation,
    ) -> Result<Self> {
        use rscir_core::Error as CoreError;
        queries.check(archive.len())?;
        CoreError::check_length("groups of the evaluation", queries.groups.len(), evaluation.groups.len())?;
        for (group, outcomes) in queries.groups.iter().zip(&evaluation.groups) {
            CoreError::check_length(
                "queries of a group of the evaluation",
                group.queries.len(),
                outcomes.queries.len(),
            )?;
            for of_query in &outcomes.queries {
                CoreError::check_length(
                    "methods of the evaluation",
                    evaluation.methods.len(),
                    of_query.len(),
                )?;
                let rows = of_query.iter().flat_map(|outcome| &outcome.top).map(|scored| scored.row);
                if let Some(index) = rows.into_iter().find(|row| *row >= archive.len()) {
                    let (group, what) = (group.name.clone(), "row of a ranking");
                    return Err(Error::BadIndex { group, what, index, len: archive.len() });
                }
            }
        }
        Ok(Self {
            title,
            note: None,
            archive,
            queries,
            evaluation,
            intervals: None,
            tiles: None,
            tile_bytes: TILE_BYTES,
            examples: EXAMPLES,
            composition: tables::default_composition(&evaluation.methods),
        })
    }

    /// Sets a sentence below the title, such as what was measured and what it may not be compared with.
    /// Default: none.
    #[must_use]
    pub fn note(self, note: &'a str) -> Self {
        Self { note: Some(note), ..self }
    }

    /// Sets confidence intervals of the same evaluation, which the tables show. Default: none.
    ///
    /// # Errors
    /// [`rscir_core::Error::Length`] if the intervals are of other methods or groups.
    pub fn intervals(self, intervals: &'a Intervals) -> Result<Self> {
        use rscir_core::Error as CoreError;
        let Evaluation { methods, groups } = self.evaluation;
        CoreError::check_length("methods of the intervals", methods.len(), intervals.rows.len())?;
        for row in &intervals.rows {
            CoreError::check_length("groups of the intervals", groups.len(), row.groups.len())?;
        }
        Ok(Self { intervals: Some(intervals), ..self })
    }

    /// Sets the source of pictures. Default: none, so that rankings are lists of keys.
    #[must_use]
    pub fn tiles(self, tiles: &'a dyn TileSource) -> Self {
        Self { tiles: Some(tiles), ..self }
    }

    /// Sets the limit for the image files in the page, in bytes. Default: 8 MiB. Tiles beyond it show their
    /// key.
    #[must_use]
    pub fn tile_bytes(self, bytes: usize) -> Self {
        Self { tile_bytes: bytes, ..self }
    }

    /// Sets the number of best and of worst queries that are shown for each group. Default: 1.
    #[must_use]
    pub fn examples(self, examples: usize) -> Self {
        Self { examples, ..self }
    }

    /// Sets the method that is shown as the composition, by its label. Default: the WeiCom whose lambda is
    /// nearest 0.5.
    ///
    /// # Errors
    /// [`rscir_core::Error::Parameter`] if the evaluation has no such method.
    pub fn composition(self, label: &str) -> Result<Self> {
        let composition = self.method(label).ok_or_else(|| rscir_core::Error::Parameter {
            name: "the page's composition",
            value: label.into(),
            expected: "the label of one of the evaluated methods",
        })?;
        Ok(Self { composition, ..self })
    }

    /// Returns the page as HTML text.
    pub fn to_html(&self) -> String {
        let mut tiles = Tiles::new(self.archive, self.tiles, self.tile_bytes);
        let mut body = Html::default();
        self.write_header(&mut body);
        self.write_tables(&mut body);
        self.write_curve(&mut body);
        self.write_queries(&mut body, &mut tiles);

        let mut page = Html::default();
        page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        // The policy forbids all requests, whatever a name or a text holds.
        page.raw(
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             img-src data:\">\n",
        );
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
        // Without an icon in the page, a browser asks the server for one.
        page.raw("<link rel=\"icon\" href=\"data:,\">\n<title>").text(self.title).raw("</title>\n<style>\n");
        page.raw(include_str!("page.css")).raw("</style>\n</head>\n<body>\n");
        tiles.write_definitions(&mut page);
        page.raw(&body.into_string()).raw("</main>\n</body>\n</html>\n");
        page.into_string()
    }

    /// Writes the page to a file. An existing file is replaced once the new one is complete.
    ///
    /// # Errors
    /// [`Error::Io`] with the path if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let page = self.to_html();
        Ok(files::replace(path, |out| out.write_all(page.as_bytes()))?)
    }

    fn write_header(&self, html: &mut Html) {
        html.raw("<header>\n<h1>").text(self.title).raw("</h1>\n");
        if let Some(note) = self.note {
            html.raw("<p class=\"note\">").text(note).raw("</p>\n");
        }
        let spec = self.archive.spec();
        html.raw("<p>").text(&format!(
            "{} queries on {} images, {} methods.",
            self.queries.len(),
            self.archive.len(),
            self.evaluation.methods.len()
        ));
        if !spec.is_unknown() {
            html.text(&format!(
                " Model {}, weights {}, {} values an embedding.",
                spec.model.as_deref().unwrap_or_default(),
                spec.weights_sha256.as_deref().map_or("", |hash| hash.get(..12).unwrap_or(hash)),
                spec.dim
            ));
        }
        html.raw("</p>\n</header>\n<main>\n");
    }

    /// Returns the index of the method with this label.
    fn method(&self, label: &str) -> Option<usize> {
        self.evaluation.methods.iter().position(|method| method.label == label)
    }

    /// Returns the index of the first method of a family.
    fn family(&self, family: &str) -> Option<usize> {
        self.evaluation.methods.iter().position(|method| method.family == family)
    }

    /// Returns the label of the composition. It is empty only without methods.
    fn composition_label(&self) -> &str {
        self.evaluation.methods.get(self.composition).map_or("", |method| &method.label)
    }
}

#[cfg(test)]
mod tests;
