use rscir_core::Archive;
use rscir_page::Ring;

/// Knows where an archive's rows lie. This crate knows no coordinates but longitudes and latitudes.
pub trait Places: Send + Sync {
    /// Returns the closed rings of longitude and latitude that a row covers; none without a place.
    fn rings(&self, archive: &dyn Archive, row: usize) -> Vec<Ring>;

    /// Tells for each row whether it lies in bounds: west, south, east, north in degrees. West above east crosses the
    /// antimeridian.
    ///
    /// # Errors
    /// With a reason if they are no bounds.
    fn within(&self, archive: &dyn Archive, bounds: [f64; 4]) -> Result<Vec<bool>, String>;
}

/// Counts the rows that have a place, with the bounds of all of them; `None` if there are none.
pub(crate) fn survey(places: &dyn Places, archive: &dyn Archive) -> Option<(usize, [f64; 4])> {
    let mut rows = 0;
    let mut bounds: Option<[f64; 4]> = None;
    for row in 0..archive.len() {
        let rings = places.rings(archive, row);
        rows += usize::from(!rings.is_empty());
        for &[x, y] in rings.iter().flatten() {
            let [west, south, east, north] = bounds.unwrap_or([x, y, x, y]);
            bounds = Some([west.min(x), south.min(y), east.max(x), north.max(y)]);
        }
    }
    bounds.map(|bounds| (rows, bounds))
}
