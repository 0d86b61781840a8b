use std::fmt;
use std::str::FromStr;

use crate::{Error, Result, Stretch};

/// What decides the pixels of a decoded image beside its file. Default: as Pillow's `open` and `convert("RGB")`.
///
/// It is part of an [`EncoderSpec`](crate::EncoderSpec). Its text form, for JSON and command lines, is one line: nothing by
/// default, `bands=[3, 2, 1] stretch=minmax`; such a line can be parsed.
///
/// ```
/// # use rscir_core::{Decoding, Stretch};
/// let decoding = Decoding::default().bands([3, 2, 1]).stretch(Stretch::Percentile(2.0, 98.0));
/// assert_eq!(decoding.to_string(), "bands=[3, 2, 1] stretch=percentile(2, 98)");
/// assert_eq!("bands=[3, 2, 1] stretch=percentile(2, 98)".parse::<Decoding>()?, decoding);
/// # Ok::<(), rscir_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(from = "String", into = "String")
)]
#[non_exhaustive]
pub struct Decoding {
    /// Which bands of the file become red, green and blue, counted from 0. An image of neither gray nor color cannot be
    /// decoded without; a gray image repeats its first band, a color image has its own three.
    pub bands: Option<[usize; 3]>,
    /// How values become bytes.
    pub stretch: Stretch,
    /// Which way is up.
    pub orientation: Orientation,
    /// A record in another program's words. It is kept and compared, and no image can be decoded by it.
    foreign: Option<Box<str>>,
}

/// Which way an image is turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Orientation {
    /// As stored, which Pillow's `open` does and with which the published vectors were made. A TIFF file's own orientation
    /// is always applied, as Pillow does.
    #[default]
    Stored,
    /// Turned and mirrored as EXIF says.
    Exif,
}

/// The text form, for messages about others.
const FORM: &str = "like bands=[3, 2, 1] stretch=percentile(2, 98) orientation=exif, any or all of them, once; a \
                    stretch may also be minmax or range([0, 0, 0], [255, 255, 255])";

impl Decoding {
    /// Sets which bands become red, green and blue, counted from 0.
    #[must_use]
    pub fn bands(mut self, bands: [usize; 3]) -> Self {
        self.bands = Some(bands);
        self
    }

    /// Sets how values become bytes.
    #[must_use]
    pub fn stretch(mut self, stretch: Stretch) -> Self {
        self.stretch = stretch;
        self
    }

    /// Sets which way is up.
    #[must_use]
    pub fn orientation(mut self, orientation: Orientation) -> Self {
        self.orientation = orientation;
        self
    }

    /// Tells whether files are decoded as Pillow does.
    pub fn is_pillow(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that images can be decoded so.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the rule if the stretch has no extent, or if the record is in another program's words.
    pub fn check(&self) -> Result<()> {
        match &self.foreign {
            Some(line) => Err(not_read(line)),
            None => self.stretch.check(),
        }
    }
}

fn not_read(line: &str) -> Error {
    Error::Parameter { name: "decoding", value: format!("{line:?}"), expected: FORM }
}

impl fmt::Display for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bands, stretch, orientation, foreign } = self;
        if let Some(line) = foreign {
            return f.write_str(line);
        }
        let bands = bands.map(|bands| format!("bands={bands:?}"));
        let stretch = (*stretch != Stretch::None).then(|| format!("stretch={stretch}"));
        let orientation = (*orientation == Orientation::Exif).then(|| "orientation=exif".into());
        let parts: Vec<String> = [bands, stretch, orientation].into_iter().flatten().collect();
        f.write_str(&parts.join(" "))
    }
}

impl FromStr for Decoding {
    type Err = Error;

    /// Reads the line that [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    /// [`Error::Parameter`] if it is none.
    fn from_str(line: &str) -> Result<Self> {
        let mut decoding = Self::default();
        // A space stands within a list after a comma alone.
        let joined = line.replace(", ", ",");
        let mut seen = Vec::new();
        for option in joined.split_whitespace() {
            let name = option.split_once('=').map_or(option, |(name, _)| name);
            let read = match option.split_once('=') {
                _ if seen.contains(&name) => None,
                Some(("bands", list)) => numbers(list).map(|bands| decoding.bands = Some(bands)),
                Some(("stretch", stretch)) => read_stretch(stretch).map(|stretch| decoding.stretch = stretch),
                Some(("orientation", "exif")) => {
                    decoding.orientation = Orientation::Exif;
                    Some(())
                }
                _ => None,
            };
            seen.push(name);
            read.ok_or_else(|| not_read(line))?;
        }
        decoding.check()?;
        Ok(decoding)
    }
}

impl From<String> for Decoding {
    /// Takes the record of an archive. Another program's is kept to the letter.
    fn from(line: String) -> Self {
        line.parse().unwrap_or_else(|_| Self { foreign: Some(line.into()), ..Self::default() })
    }
}

impl From<Decoding> for String {
    fn from(decoding: Decoding) -> Self {
        decoding.to_string()
    }
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
            let orientation = if apply_orientation { Orientation::Exif } else { Orientation::Stored };
            let decoding = Decoding { bands, stretch, orientation, ..Decoding::default() };
            prop_assert_eq!(&decoding.to_string().parse::<Decoding>().unwrap(), &decoding);
            prop_assert_eq!(Decoding::from(String::from(decoding.clone())), decoding);
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            match text.parse::<Decoding>() {
                Ok(decoding) => prop_assert_eq!(Decoding::from(text), decoding),
                // A record is kept to the letter, whoever wrote it.
                Err(_) => prop_assert_eq!(String::from(Decoding::from(text.clone())), text),
            }
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
            let error = format!("stretch={stretch}").parse::<Decoding>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("stretch is {stretch}, but must be")), "{error}");
            assert!(error.contains(rule), "{error}");
        }
        for stretch in ["percentile(0, 100)", "percentile(2, 98)", "range([0, 0, 0], [1, 1, 1])"] {
            format!("stretch={stretch}").parse::<Decoding>().unwrap();
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
            let error = line.parse::<Decoding>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("decoding is {line:?}, but must be like bands")), "{error}");
        }
    }

    #[test]
    fn what_another_program_recorded_is_kept_and_compared_but_not_decoded() {
        let recorded = |text: &str| Decoding::from(text.to_owned());
        let theirs = recorded("gamma=2.2");
        assert_eq!(theirs.to_string(), "gamma=2.2");
        assert_ne!(theirs, Decoding::default());
        assert_ne!(theirs, recorded("gamma=1.8"));
        assert!(!theirs.is_pillow());
        let error = theirs.check().unwrap_err().to_string();
        assert!(error.starts_with("decoding is \"gamma=2.2\", but must be like bands"), "{error}");
    }

    #[test]
    fn equal_values_are_equal_whatever_order_they_were_written_in() {
        let [a, b] = ["bands=[3, 2, 1] orientation=exif", "orientation=exif bands=[3,2,1]"]
            .map(|text| Decoding::from(text.to_owned()));
        assert_eq!(a, b);
        assert_eq!(b.to_string(), "bands=[3, 2, 1] orientation=exif");
    }
}
