//! Positions along Hilbert's curve, so that rows that are neighbors on the ground are neighbors in a file, too.

/// Bits of a coordinate, which make cells of 1.2 m at the equator.
const BITS: u32 = 25;

/// Returns the position of a longitude and a latitude, in degrees, on the curve over the whole Earth.
pub(super) fn position([longitude, latitude]: [f64; 2]) -> u64 {
    let cells = f64::from(1_u32 << BITS);
    let cell = |share: f64| ((share * cells).max(0.0) as u32).min((1 << BITS) - 1);
    along(cell((longitude + 180.0) / 360.0), cell((latitude + 90.0) / 180.0), BITS)
}

/// Returns the position of a cell on the curve through a grid of 2^`bits` by 2^`bits` cells, from the lower left to
/// the lower right corner (Hilbert 1891). Each level adds the quadrant that the cell is in, and turns the quadrant
/// so that the curve within has the same form as the whole.
fn along(mut x: u32, mut y: u32, bits: u32) -> u64 {
    let mut position = 0;
    for level in (0..bits).rev() {
        let side = 1 << level;
        let (right, upper) = (x & side != 0, y & side != 0);
        let quadrant = match (right, upper) {
            (false, false) => 0,
            (false, true) => 1,
            (true, true) => 2,
            (true, false) => 3,
        };
        position = position << 2 | quadrant;
        (x, y) = (x & (side - 1), y & (side - 1));
        match quadrant {
            0 => (x, y) = (y, x),
            3 => (x, y) = (side - 1 - y, side - 1 - x),
            _ => {}
        }
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_along_the_curve_goes_to_a_cell_beside_and_all_cells_are_met() {
        for bits in 1..=5 {
            let side = 1_u32 << bits;
            let mut cells: Vec<(u64, u32, u32)> =
                (0..side).flat_map(|x| (0..side).map(move |y| (along(x, y, bits), x, y))).collect();
            cells.sort_unstable();
            for (at, &(position, ..)) in cells.iter().enumerate() {
                assert_eq!(position, at as u64);
            }
            for pair in cells.windows(2) {
                assert_eq!(pair[0].1.abs_diff(pair[1].1) + pair[0].2.abs_diff(pair[1].2), 1);
            }
            assert_eq!((cells[0].1, cells[0].2), (0, 0));
            assert_eq!((cells[cells.len() - 1].1, cells[cells.len() - 1].2), (side - 1, 0));
        }
    }

    #[test]
    fn the_edges_of_the_earth_are_on_the_curve() {
        let corners = [[-180.0, -90.0], [180.0, -90.0], [180.0, 90.0], [-180.0, 90.0]].map(position);
        assert_eq!(corners[0], 0);
        assert_eq!(corners[1], (1 << (2 * BITS)) - 1);
        assert!(corners[3] < corners[2]);
    }
}
