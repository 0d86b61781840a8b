use std::fmt;

use rscir_core::{
    Archive, AskedPart, ComposedQuery, Error as CoreError, Evidence, EvidenceSum, Fit, Fusion, Modality,
    Part, PartKind, Queries, Result as CoreResult, fit_list, fuse_lists,
};

use crate::{Error, Result};

/// Two archives of the same images by two encoders: the image of a query is compared in one, its text in the other.
///
/// A fusion normalizes each similarity list by itself, so the two may come from encoders that share nothing, such as
/// a model that knows textures for images and one that knows words for texts. Rows are matched by key; scores are in
/// the order of the images' archive.
///
/// ```
/// use rscir_core::{ComposedQuery, Embeddings, EncoderSpec, UnitVector, top_k};
/// use rscir_index::MemoryArchive;
/// use rscir_weicom::{TwoArchives, WeiCom};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = |keys: [&str; 3]| keys.map(String::from).to_vec();
/// let rows = Embeddings::normalize(2, vec![1.0, 0.0, 0.8, 0.6, 0.0, 1.0])?;
/// let by_image = MemoryArchive::new(EncoderSpec::unknown(2), keys(["a", "b", "c"]), rows)?;
/// let rows = Embeddings::normalize(3, vec![0.0, 1.0, 0.0, 0.0, 0.9, 0.1, 1.0, 0.0, 0.0])?;
/// let by_text = MemoryArchive::new(EncoderSpec::unknown(3), keys(["c", "b", "a"]), rows)?;
///
/// let both = TwoArchives::new(&by_image, &by_text)?;
/// let image = ComposedQuery::new(EncoderSpec::unknown(2)).with_image(UnitVector::normalize(vec![1.0, 0.1])?)?;
/// let text = ComposedQuery::new(EncoderSpec::unknown(3)).with_text(UnitVector::normalize(vec![0.0, 1.0, 0.0])?)?;
/// let scores = both.score(&WeiCom::new(0.5)?, &image, &text)?;
/// assert_eq!(both.key(top_k(&scores, 1)[0].row), "b");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TwoArchives<'a> {
    images: &'a dyn Archive,
    texts: &'a dyn Archive,
    /// The row of `texts` with the same key, for each row of `images`.
    rows: Vec<usize>,
}

impl<'a> TwoArchives<'a> {
    /// Matches the rows of the images' archive with those of the texts' archive.
    ///
    /// # Errors
    /// [`Error::DifferentKeys`] if one of them has a key that the other lacks.
    pub fn new(images: &'a dyn Archive, texts: &'a dyn Archive) -> Result<Self> {
        let lacking = |key: &str, part| Error::DifferentKeys { key: key.into(), part };
        let row_of = |row: usize| {
            let key = images.key(row);
            texts.find(key).ok_or_else(|| lacking(key, "texts"))
        };
        let rows = (0..images.len()).map(row_of).collect::<Result<Vec<_>>>()?;
        if texts.len() != images.len() {
            let alone = (0..texts.len()).map(|row| texts.key(row)).find(|key| images.find(key).is_none());
            return Err(lacking(alone.unwrap_or_default(), "images"));
        }
        Ok(Self { images, texts, rows })
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tells whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the key of a row.
    ///
    /// # Panics
    /// Panics if `row` is not below [`TwoArchives::len`].
    pub fn key(&self, row: usize) -> &str {
        self.images.key(row)
    }

    /// Scores every row by a fusion. Similarities are those to the image of the query `image`, which the
    /// images' encoder made, and to the text of the query `text`, which the texts' encoder made.
    ///
    /// # Errors
    /// [`CoreError::MissingPart`] if a query lacks its part; [`CoreError::Spec`] if a query and its archive
    /// come from different encoders; the errors of the archives.
    pub fn score(
        &self,
        fusion: &dyn Fusion,
        image: &ComposedQuery,
        text: &ComposedQuery,
    ) -> CoreResult<Vec<f32>> {
        let label = fusion.label();
        let modality = fusion.modality();
        let (mut images, mut texts) = (Vec::new(), Vec::new());
        if modality != Modality::Text {
            self.images.spec().check(image.spec())?;
            images = similarities(self.images, image.require_image(&label)?)?;
        }
        if modality != Modality::Image {
            self.texts.spec().check(text.spec())?;
            let list = similarities(self.texts, text.require_text(&label)?)?;
            texts = self.rows.iter().map(|&row| list.get(row).copied().unwrap_or_default()).collect();
        }
        let mut scores = vec![0.0; self.len()];
        fuse_lists(fusion, &images, &texts, &mut scores)?;
        Ok(scores)
    }
}

impl TwoArchives<'_> {
    /// Scores every row by a method by evidence. The images of the query `image` are compared in the images'
    /// archive, the texts of the query `text` in the texts' archive. A list is learned from within its own
    /// archive.
    ///
    /// # Errors
    /// The errors of [`TwoArchives::score`]; [`CoreError::MissingPart`] if neither query has a part that the
    /// method reads.
    pub fn score_evidence(
        &self,
        method: &dyn Evidence,
        image: &ComposedQuery,
        text: &ComposedQuery,
    ) -> CoreResult<Vec<f32>> {
        let modality = method.modality();
        let sides = [
            (self.images, image, PartKind::Image, modality.reads_image()),
            (self.texts, text, PartKind::Text, modality.reads_text()),
        ];
        let (mut asked, mut fits, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        for (archive, query, kind, reads) in sides {
            archive.spec().check(query.spec())?;
            let parts: Vec<Part<'_>> = query.parts().filter(|part| reads && part.kind == kind).collect();
            for part in method.ask(&parts, archive)? {
                let list = similarities(archive, &part.vector)?;
                let fit = fit_list(method, &part, &list);
                let mut evidence = vec![0.0; list.len()];
                method.evidence(&part, &fit, &list, &mut evidence);
                lists.push((kind, evidence));
                asked.push(part);
                fits.push(fit);
            }
        }
        self.sum(method, &asked, &fits, &lists)
    }

    /// Adds up evidence in the row order of the images' archive.
    fn sum(
        &self,
        method: &dyn Evidence,
        asked: &[AskedPart],
        fits: &[Fit],
        lists: &[(PartKind, Vec<f32>)],
    ) -> CoreResult<Vec<f32>> {
        if asked.is_empty() {
            return Err(CoreError::MissingPart { method: method.label(), part: "image or text" });
        }
        let sum = EvidenceSum::new(asked, method.weights(asked, fits));
        let mut scores = vec![0.0; self.len()];
        sum.scores(&mut Vec::new(), &mut scores, |i, out| match &lists[i] {
            (PartKind::Image, list) => out.copy_from_slice(list),
            (PartKind::Text, list) => {
                for (out, &row) in out.iter_mut().zip(&self.rows) {
                    *out = list.get(row).copied().unwrap_or_default();
                }
            }
        });
        Ok(scores)
    }
}

fn similarities(archive: &dyn Archive, vector: &[f32]) -> Result<Vec<f32>, CoreError> {
    let mut list = vec![0.0; archive.len()];
    archive.similarities(Queries::new(archive.dim(), vector)?, &mut list)?;
    Ok(list)
}

impl fmt::Debug for TwoArchives<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwoArchives")
            .field("rows", &self.len())
            .field("images", self.images.spec())
            .field("texts", self.texts.spec())
            .finish()
    }
}
