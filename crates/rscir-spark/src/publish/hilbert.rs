/// Bits of each coordinate. If the rows lie all over the world, a cell is 0.3 km wide at the equator, less than a
/// tile.
const BITS: u32 = 17;

/// Returns the position along the Hilbert curve of a point in the unit square, whose `x` and `y` are from 0 to 1. A
/// coordinate outside of this range counts as the nearer end of it, and NaN as 0.
///
/// Points that are near each other along the curve are near each other in the square (D. Hilbert, *Ueber die
/// stetige Abbildung einer Linie auf ein Flaechenstueck*, 1891). Rows that are sorted by this position make parts
/// that are compact areas.
pub(super) fn place(x: f64, y: f64) -> u64 {
    let side = 1u64 << BITS;
    let cell = |v: f64| ((v * side as f64) as u64).min(side - 1);
    let (mut x, mut y, mut place) = (cell(x), cell(y), 0);
    let mut half = side / 2;
    while half > 0 {
        let (right, upper) = (x & half != 0, y & half != 0);
        place += half * half * ((3 * u64::from(right)) ^ u64::from(upper));
        // The quadrant is turned so that its piece of the curve meets the pieces before and after.
        if !upper {
            if right {
                (x, y) = (side - 1 - x, side - 1 - y);
            }
            (x, y) = (y, x);
        }
        half /= 2;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_meets_each_cell_once_and_steps_to_a_neighbor() {
        // The corner of 16 x 16 cells is a curve of its own.
        let side = (1u64 << BITS) as f64;
        let mut cells: Vec<(u64, i64, i64)> = (0..16)
            .flat_map(|x| (0..16).map(move |y| (x, y)))
            .map(|(x, y)| (place(f64::from(x) / side, f64::from(y) / side), x.into(), y.into()))
            .collect();
        cells.sort_unstable();
        assert_eq!(cells.iter().map(|cell| cell.0).collect::<Vec<_>>(), (0..256).collect::<Vec<u64>>());
        for pair in cells.windows(2) {
            let step = (pair[0].1 - pair[1].1).abs() + (pair[0].2 - pair[1].2).abs();
            assert_eq!(step, 1, "{pair:?}");
        }
    }

    #[test]
    fn what_lies_beyond_the_square_is_on_its_edge() {
        assert_eq!(place(-1.0, -1.0), place(0.0, 0.0));
        assert_eq!(place(7.0, 2.0), place(1.0, 1.0));
        assert_eq!(place(f64::NAN, 0.0), place(0.0, 0.0));
    }
}
