//! The linear maps by which values become bytes: one for each color.

use rscir_core::Stretch;

use super::number::Number;

/// The values that become 0 and 255: three of each, for the colors, or as many as there are bands in use if these are
/// more than three.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lines {
    pub(super) low: Vec<f64>,
    pub(super) high: Vec<f64>,
}

/// Number of values that half of a rank, 16 bits, can have.
const HALVES: usize = 1 << 16;

/// Looks up the byte of a sample of a color in a [`Lines::table`].
pub(super) fn looked_up<T: Number>(table: &[u8], sample: T, color: usize) -> u8 {
    table[color * HALVES + (sample.rank() >> 16) as usize]
}

impl Lines {
    /// Returns the lines of a stretch of `bands` bands that does not depend on the scene's values, else `None`.
    pub(super) fn given(stretch: Stretch, bands: usize) -> Option<Self> {
        // If there are more than three bands, `SceneOptions::check` has made sure that the three ranges are equal.
        let each = |ends: [f32; 3]| (0..bands.max(3)).map(|band| ends[band.min(2)].into()).collect();
        match stretch {
            Stretch::Range(low, high) => Some(Self { low: each(low), high: each(high) }),
            // Values are rounded, and clipped to the range of a byte.
            Stretch::None => Some(Self { low: each([0.0; 3]), high: each([255.0; 3]) }),
            Stretch::MinMax | Stretch::Percentile(..) => None,
        }
    }

    /// Returns the byte of a sample of a color. NaN becomes 0, and so does every value of a band whose ends are equal.
    pub(super) fn byte<T: Number>(&self, sample: T, color: usize) -> u8 {
        let (low, high) = (self.low[color], self.high[color]);
        if high > low { ((sample.value() - low) * 255.0 / (high - low) + 0.5).floor() as u8 } else { 0 }
    }

    /// Returns the bytes of all samples of a type of at most 16 bits: [`HALVES`] for each color, by the upper half of
    /// the sample's rank.
    pub(super) fn table<T: Number>(&self) -> Vec<u8> {
        let byte = |color, half: u32| self.byte(T::of_rank(half << 16), color);
        (0..self.low.len()).flat_map(|color| (0..HALVES as u32).map(move |half| byte(color, half))).collect()
    }

    /// Writes the lines as a stretch, for an archive's column.
    pub(crate) fn words(&self) -> String {
        format!("range({:?}, {:?})", self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_between_the_ends_and_clipped_beyond() {
        let lines = Lines::given(Stretch::Range([0.0; 3], [3000.0; 3]), 3).unwrap();
        // A byte stands for 5.882 values.
        for (value, byte) in
            [(-5i16, 0), (0, 0), (2, 0), (3, 0), (6, 1), (1500, 128), (3000, 255), (9000, 255)]
        {
            assert_eq!(lines.byte(value, 1), byte, "{value}");
        }
        assert_eq!(lines.byte(f32::NAN, 0), 0);
        assert_eq!(lines.byte(f32::INFINITY, 0), 255);
        let flat = Lines { low: vec![5.0; 3], high: vec![5.0; 3] };
        assert_eq!(flat.byte(9u16, 2), 0);
        let table = lines.table::<i16>();
        for value in [i16::MIN, -5, 0, 6, 1500, 3000, i16::MAX] {
            assert_eq!(looked_up(&table, value, 2), lines.byte(value, 2), "{value}");
        }
        assert_eq!(lines.words(), "range([0.0, 0.0, 0.0], [3000.0, 3000.0, 3000.0])");
    }
}
