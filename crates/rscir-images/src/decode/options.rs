use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// How images are decoded. What decides the pixels is shown as one line, for
/// [`EncoderSpec::decoding`](rscir_core::EncoderSpec::decoding): nothing by default, `bands=[3, 2, 1] stretch=minmax`. Such
/// a line can be parsed.
///
/// ```
/// # use rscir_images::{DecodeOptions, Stretch};
/// let options: DecodeOptions = "bands=[3, 2, 1] stretch=percentile(2, 98)".parse()?;
/// assert_eq!((options.bands, options.stretch), (Some([3, 2, 1]), Stretch::Percentile(2.0, 98.0)));
/// # Ok::<(), rscir_images::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// The most pixels, width times height; checked on the header.
    pub max_pixels: u64,
    /// The largest size of a file in bytes.
    pub max_bytes: u64,
    /// The most bytes of memory for each byte of the file, once decoding takes more than 192 MiB: what takes more is a
    /// decompression bomb, or one colour all over.
    pub max_expansion: u64,
    /// Turn and mirror the image as its EXIF orientation says. Pillow's `open` does not, and the published vectors were made
    /// without it. A TIFF file's own orientation is always applied, as Pillow does.
    pub apply_orientation: bool,
    /// Which bands of the file become red, green and blue, counted from 0. An image of neither gray nor colour cannot be
    /// decoded without; a gray image repeats its first band, a colour image has its own three.
    pub bands: Option<[usize; 3]>,
    /// How values become bytes.
    pub stretch: Stretch,
}

impl Default for DecodeOptions {
    /// 178,956,970 pixels, where Pillow refuses an image as a decompression bomb; files of 1 GiB, 256
    /// bytes of memory for each of theirs; nothing else applied.
    fn default() -> Self {
        Self {
            max_pixels: 178_956_970,
            max_bytes: 1 << 30,
            max_expansion: 256,
            apply_orientation: false,
            bands: None,
            stretch: Stretch::None,
        }
    }
}

impl fmt::Display for DecodeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Limits decide whether there are pixels, not which.
        let Self { apply_orientation, bands, stretch, max_pixels: _, max_bytes: _, max_expansion: _ } = self;
        let bands = bands.map(|bands| format!("bands={bands:?}"));
        let stretch = (*stretch != Stretch::None).then(|| format!("stretch={stretch}"));
        let orientation = apply_orientation.then(|| "orientation=exif".into());
        let parts: Vec<String> = [bands, stretch, orientation].into_iter().flatten().collect();
        f.write_str(&parts.join(" "))
    }
}

impl FromStr for DecodeOptions {
    type Err = Error;

    /// Reads the line that [`Display`](fmt::Display) writes; the limits are the default's.
    ///
    /// # Errors
    /// [`Error::ConfigValue`] if it is none.
    fn from_str(line: &str) -> Result<Self> {
        let mut options = Self::default();
        // A space stands within a list after a comma alone.
        let joined = line.replace(", ", ",");
        let mut seen = Vec::new();
        for option in joined.split_whitespace() {
            let name = option.split_once('=').map_or(option, |(name, _)| name);
            let read = match option.split_once('=') {
                _ if seen.contains(&name) => None,
                Some(("bands", list)) => numbers(list).map(|bands| options.bands = Some(bands)),
                Some(("stretch", stretch)) => read_stretch(stretch).map(|stretch| options.stretch = stretch),
                Some(("orientation", "exif")) => {
                    options.apply_orientation = true;
                    Some(())
                }
                _ => None,
            };
            seen.push(name);
            read.ok_or_else(|| Error::ConfigValue {
                key: "decoding".into(),
                got: format!("{line:?}"),
                expected: "like bands=[3, 2, 1] stretch=percentile(2, 98) orientation=exif, any or all of them, once; a \
                           stretch may also be minmax or range([0, 0, 0], [255, 255, 255])",
            })?;
        }
        options.check()?;
        Ok(options)
    }
}

impl DecodeOptions {
    /// Checks that the stretch has an extent: see [`Stretch`].
    ///
    /// # Errors
    /// [`Error::ConfigValue`] with the rule.
    pub fn check(&self) -> Result<()> {
        let expected = match self.stretch {
            Stretch::None | Stretch::MinMax => return Ok(()),
            Stretch::Percentile(low, high) if 0.0 <= low && low < high && high <= 100.0 => return Ok(()),
            Stretch::Percentile(..) => "percentile(low, high) with 0 <= low < high <= 100",
            Stretch::Range(low, high) if (0..3).all(|i| is_range(low[i], high[i])) => return Ok(()),
            Stretch::Range(..) => "range(low, high) with low < high in each of the three bands, all finite",
        };
        Err(Error::ConfigValue { key: "stretch".into(), got: self.stretch.to_string(), expected })
    }
}

/// True if both are finite and something lies between them.
fn is_range(low: f32, high: f32) -> bool {
    low.is_finite() && high.is_finite() && low < high
}

fn read_stretch(text: &str) -> Option<Stretch> {
    if text == "minmax" {
        return Some(Stretch::MinMax);
    }
    match text.strip_suffix(')')?.split_once('(')? {
        ("percentile", list) => numbers(list).map(|[low, high]| Stretch::Percentile(low, high)),
        ("range", list) => numbers(list).map(|[a, b, c, d, e, f]| Stretch::Range([a, b, c], [d, e, f])),
        _ => None,
    }
}

/// Numbers between commas, brackets or not.
fn numbers<T: FromStr, const N: usize>(list: &str) -> Option<[T; N]> {
    let number = |number: &str| number.trim_matches(['[', ']']).parse().ok();
    list.split(',').map(number).collect::<Option<Vec<T>>>()?.try_into().ok()
}

/// How the values of a band become bytes: a line from two values to 0 and 255, clipped beyond and rounded between.
///
/// Values that are no measurement (NaN, and those that a TIFF file declares as such in GDAL_NODATA) take no part in finding
/// the two and become 0. The lower one must be below the higher: see [`DecodeOptions::check`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Stretch {
    /// As Pillow does it: 8 bits stay, 16-bit colour keeps its high byte, gray of more bits is cut off and clipped at 255.
    #[default]
    None,
    /// From the least to the greatest value of each band.
    MinMax,
    /// From one percentile of each band to a higher one, 0 to 100.
    Percentile(f32, f32),
    /// From given values, the least of red, green and blue and the greatest.
    Range([f32; 3], [f32; 3]),
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::MinMax => f.write_str("minmax"),
            Self::Percentile(low, high) => write!(f, "percentile({low}, {high})"),
            Self::Range(low, high) => write!(f, "range({low:?}, {high:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretches() -> impl Strategy<Value = Stretch> {
        let three = || proptest::array::uniform3(-1e6f32..1e6);
        prop_oneof![
            Just(Stretch::None),
            Just(Stretch::MinMax),
            (0f32..50.0, 50f32..100.0).prop_map(|(low, high)| Stretch::Percentile(low, high)),
            (three(), proptest::array::uniform3(2e6f32..1e7))
                .prop_map(|(low, high)| Stretch::Range(low, high)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            bands in proptest::option::of(proptest::array::uniform3(0usize..300)),
            stretch in stretches(),
            apply_orientation: bool,
        ) {
            let options = DecodeOptions { bands, stretch, apply_orientation, ..DecodeOptions::default() };
            prop_assert_eq!(options.to_string().parse::<DecodeOptions>().unwrap(), options);
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _: Result<DecodeOptions> = text.parse();
        }
    }

    #[test]
    fn a_stretch_without_extent_is_refused_with_its_rule() {
        for (stretch, rule) in [
            ("percentile(98, 2)", "0 <= low < high <= 100"),
            ("percentile(50, 50)", "0 <= low < high <= 100"),
            ("percentile(NaN, 98)", "0 <= low < high <= 100"),
            ("percentile(2, NaN)", "0 <= low < high <= 100"),
            ("percentile(-5, 98)", "0 <= low < high <= 100"),
            ("percentile(2, 200)", "0 <= low < high <= 100"),
            ("range([3000.0, 3000.0, 3000.0], [0.0, 0.0, 0.0])", "low < high in each of the three bands"),
            ("range([0.0, 0.0, 7.0], [9.0, 9.0, 7.0])", "low < high in each of the three bands"),
            ("range([0.0, 0.0, 0.0], [9.0, 9.0, inf])", "low < high in each of the three bands"),
            ("range([0.0, NaN, 0.0], [9.0, 9.0, 9.0])", "low < high in each of the three bands"),
        ] {
            let error = format!("stretch={stretch}").parse::<DecodeOptions>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("stretch is {stretch}, but must be")), "{error}");
            assert!(error.contains(rule), "{error}");
        }
        for stretch in ["percentile(0, 100)", "percentile(2, 98)", "range([0, 0, 0], [1, 1, 1])"] {
            format!("stretch={stretch}").parse::<DecodeOptions>().unwrap();
        }
    }

    #[test]
    fn what_is_no_option_is_said() {
        for line in [
            "band=[3, 2, 1]",
            "bands=[3, 2]",
            "bands=[3, 2, -1]",
            "stretch=percentile(2)",
            "stretch",
            "orientation=6",
            "stretch=minmax stretch=percentile(2, 98)",
        ] {
            let error = line.parse::<DecodeOptions>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("decoding is {line:?}, but must be like bands")), "{error}");
        }
    }
}
