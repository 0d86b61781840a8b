//! Lists of evidence, which queries with the same image or text share.

use std::ops::Range;

use rayon::prelude::*;
use rscir_core::{Archive, AskedPart, Evidence, Fit, Part, PartKind, Queries, fit_list_with};

use crate::Result;
use crate::engine::statistics;
use crate::ranks::Scores;

/// The similarities of the vectors that some images or texts search by, under one method by evidence.
pub(crate) struct AskedLists<'a> {
    method: &'a dyn Evidence,
    /// One part for each image or text. Empty if the method does not read them.
    asked: Vec<AskedPart>,
    rows: usize,
    /// Similarities, `[asked, rows]`.
    similarities: Vec<f32>,
}

/// What was learned from a list, and the part that it belongs to.
pub(crate) type Learned = Option<(AskedPart, Fit)>;

impl<'a> AskedLists<'a> {
    /// Computes the lists of some parts, which are all images or all texts. `room` is a buffer to reuse.
    pub(crate) fn new(
        method: &'a dyn Evidence,
        archive: &dyn Archive,
        parts: &[Part<'_>],
        room: Vec<f32>,
    ) -> Result<Self> {
        let modality = method.modality();
        let reads = |part: &Part<'_>| match part.kind {
            PartKind::Image => modality.reads_image(),
            PartKind::Text => modality.reads_text(),
        };
        let mut lists = Self { method, asked: Vec::new(), rows: archive.len(), similarities: room };
        if parts.first().is_some_and(reads) {
            lists.asked = method.ask(parts, archive)?;
        }
        let vectors: Vec<f32> = lists.asked.iter().flat_map(|part| part.vector.iter().copied()).collect();
        lists.similarities.resize(lists.asked.len() * lists.rows, 0.0);
        archive.similarities(Queries::new(archive.dim(), &vectors)?, &mut lists.similarities)?;
        Ok(lists)
    }

    /// Learns from the list of one image or text and writes its evidence. Writes nothing if the method does
    /// not read it.
    pub(crate) fn evidence(&self, i: usize, evidence: &mut Vec<f32>) -> Learned {
        let part = self.asked.get(i)?;
        let list = &self.similarities[i * self.rows..][..self.rows];
        let fit = fit_list_with(self.method, part, list, statistics(list));
        evidence.resize(self.rows, 0.0);
        self.method.evidence(part, &fit, list, evidence);
        Some((part.clone(), fit))
    }

    /// Returns the evidence of all parts.
    pub(crate) fn all(&self) -> Vec<(Learned, Vec<f32>)> {
        let of = |i: usize| {
            let mut evidence = Vec::new();
            (self.evidence(i, &mut evidence), evidence)
        };
        (0..self.asked.len()).into_par_iter().map(of).collect()
    }

    /// Returns the buffer for reuse.
    pub(crate) fn into_room(self) -> Vec<f32> {
        self.similarities
    }
}

/// The scores of a method by evidence for an image and a text, which are added up when they are read.
pub(crate) struct EvidenceScores<'a> {
    rows: usize,
    lists: Vec<(f32, &'a [f32])>,
}

impl<'a> EvidenceScores<'a> {
    /// Makes the scores of the parts that the method reads.
    pub(crate) fn new(method: &dyn Evidence, rows: usize, parts: [(&Learned, &'a [f32]); 2]) -> Self {
        let read = || parts.iter().filter_map(|(learned, list)| Some((learned.as_ref()?, *list)));
        let (asked, fits): (Vec<AskedPart>, Vec<Fit>) = read().map(|(learned, _)| learned.clone()).unzip();
        let weights = method.weights(&asked, &fits);
        Self { rows, lists: weights.into_iter().zip(read().map(|(_, list)| list)).collect() }
    }

    /// Adds up the weighted evidence in the range of both lists that `part` cuts out.
    fn sum<'b>(&self, out: &mut [f32], part: impl Fn(&'a [f32]) -> &'b [f32])
    where
        'a: 'b,
    {
        match self.lists[..] {
            [(image_weight, image), (text_weight, text)] => {
                rscir_kernels::weighted_sum(part(image), part(text), [image_weight, text_weight], out);
            }
            [(weight, list)] => {
                out.iter_mut().zip(part(list)).for_each(|(out, evidence)| *out = weight * evidence);
            }
            _ => out.fill(0.0),
        }
    }
}

impl Scores for EvidenceScores<'_> {
    fn len(&self) -> usize {
        self.rows
    }

    fn write(&self, rows: Range<usize>, out: &mut [f32]) {
        self.sum(out, |list| &list[rows.clone()]);
    }

    fn gather(&mut self, rows: &[usize], out: &mut [f32]) {
        out.fill(0.0);
        for (place, &(weight, list)) in self.lists.iter().enumerate() {
            for (out, &row) in out.iter_mut().zip(rows) {
                let evidence = weight * list[row];
                *out = if place == 0 { evidence } else { *out + evidence };
            }
        }
    }
}
