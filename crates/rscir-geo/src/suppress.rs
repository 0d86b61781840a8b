use crate::Footprint;

/// Keeps one tile of each place: of tiles in the order of an answer, those whose footprints overlap with none of the kept ones
/// by more than an intersection over union.
///
/// ```
/// use rscir_geo::{Distinct, Footprint};
///
/// let tile = |west: f64| Footprint::new([[west, 1.0], [west, 0.0], [west + 1.0, 0.0], [west + 1.0, 1.0]]);
/// let mut distinct = Distinct::new(0.3);
/// assert!(distinct.keep(&tile(10.0)));
/// // A third of their union is common.
/// assert!(!distinct.keep(&tile(10.5)));
/// assert!(distinct.keep(&tile(10.75)));
/// ```
#[derive(Debug, Clone)]
pub struct Distinct {
    most: f64,
    kept: Vec<Footprint>,
}

impl Distinct {
    /// Makes an empty answer in which no two footprints have more than `most` as their intersection over union, from 0 to 1.
    #[must_use]
    pub fn new(most: f64) -> Self {
        Self { most, kept: Vec::new() }
    }

    /// Takes the next tile of the answer, and tells whether it is kept.
    pub fn keep(&mut self, footprint: &Footprint) -> bool {
        let is_new = self.kept.iter().all(|kept| kept.iou(footprint) <= self.most);
        if is_new {
            self.kept.push(*footprint);
        }
        is_new
    }
}
