use crate::Footprint;

/// Keeps one tile of each place. Tiles are given best first, and a tile is kept if its intersection over union with
/// every kept tile is at most a limit.
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
    /// Makes a filter that has kept no tile yet. `most`, from 0 to 1, is the greatest intersection over union of two
    /// kept footprints.
    #[must_use]
    pub fn new(most: f64) -> Self {
        Self { most, kept: Vec::new() }
    }

    /// Takes the footprint of the next tile and tells whether the tile is kept.
    pub fn keep(&mut self, footprint: &Footprint) -> bool {
        let is_new = self.kept.iter().all(|kept| kept.iou(footprint) <= self.most);
        if is_new {
            self.kept.push(*footprint);
        }
        is_new
    }
}
