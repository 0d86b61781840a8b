use rscir_core::{Archive, Value};

use super::hilbert;

/// Sorts the rows of an archive as tables have them: along a Hilbert curve over their places. Rows without a place
/// come first, and rows that are equal by place are sorted by key.
pub(super) fn order(archive: &dyn Archive) -> Vec<usize> {
    let centers: Vec<Option<[f64; 2]>> = (0..archive.len()).map(|row| center(archive, row)).collect();
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for center in centers.iter().flatten() {
        for axis in 0..2 {
            low[axis] = low[axis].min(center[axis]);
            high[axis] = high[axis].max(center[axis]);
        }
    }
    // Both axes have one scale, so that the curve's cells are squares.
    let extent = (high[0] - low[0]).max(high[1] - low[1]).max(f64::MIN_POSITIVE);
    let mut rows: Vec<(Option<u64>, usize)> = centers
        .iter()
        .enumerate()
        .map(|(row, center)| {
            let place = center.map(|[x, y]| hilbert::place((x - low[0]) / extent, (y - low[1]) / extent));
            (place, row)
        })
        .collect();
    rows.sort_by(|a, b| (a.0, archive.key(a.1)).cmp(&(b.0, archive.key(b.1))));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Returns the middle of a row's bounds, x and y. The bounds are the columns `west`, `south`, `east` and `north`,
/// or else those of the points in the column `footprint`, which holds x and y in turn. Returns `None` if the row
/// has neither, or if the middle is not finite.
fn center(archive: &dyn Archive, row: usize) -> Option<[f64; 2]> {
    let number = |name: &str| match archive.value(name, row)? {
        Value::Float(number) => Some(number),
        Value::Int(number) => Some(number as f64),
        _ => None,
    };
    let edges = || Some([number("west")?, number("south")?, number("east")?, number("north")?]);
    let of_footprint = || match archive.value("footprint", row)? {
        Value::Floats(numbers) if numbers.len() >= 2 => {
            let along = |axis: usize| numbers.iter().skip(axis).step_by(2).copied();
            let least = |axis| along(axis).fold(f64::INFINITY, f64::min);
            let most = |axis| along(axis).fold(f64::NEG_INFINITY, f64::max);
            Some([least(0), least(1), most(0), most(1)])
        }
        _ => None,
    };
    let [left, bottom, right, top] = edges().or_else(of_footprint)?;
    let middle = [left + (right - left) / 2.0, bottom + (top - bottom) / 2.0];
    middle.iter().all(|number| number.is_finite()).then_some(middle)
}
