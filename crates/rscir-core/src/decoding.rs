use std::fmt;
use std::str::FromStr;

use crate::{Error, Result, Stretch};

/// Everything beside a file that decides the pixels of its decoded image. Default: the pixels of Pillow's `open`
/// and `convert("RGB")`.
///
/// The value is part of an [`EncoderSpec`](crate::EncoderSpec). Its text form, for JSON and command lines, is one
/// line, such as `bands=[3, 2, 1] stretch=minmax`; the default is an empty line. The line can be parsed.
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
    /// Bands of the file that become red, green and blue, or those of an encoder that takes more
    /// ([`ImageEncoder::channels`](crate::ImageEncoder::channels)), in its order, counted from 0. `None`: a gray
    /// image repeats its first band, a color image has its own three, any other image cannot become colors, and
    /// an encoder of bands takes all bands of the file.
    pub bands: Option<Vec<usize>>,
    /// How the values of the bands become bytes.
    pub stretch: Stretch,
    /// How the image is turned.
    pub orientation: Orientation,
    /// A record that another program wrote in words of its own. The record is kept and compared, but no image
    /// can be decoded by it.
    foreign: Option<Box<str>>,
}

/// How an image is turned before it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Orientation {
    /// The image stays as it is stored, as with Pillow's `open`; the published vectors were made so. A TIFF
    /// file's own orientation is always applied, as Pillow does.
    #[default]
    Stored,
    /// The image is turned and mirrored as its EXIF data says.
    Exif,
}

/// Description of the text form, for error messages.
const FORM: &str = "like bands=[3, 2, 1] stretch=percentile(2, 98) orientation=exif, any or all of them, once; a \
                    stretch may also be minmax or range([0, 0, 0], [255, 255, 255])";

impl Decoding {
    /// Sets the bands that become red, green and blue, or those of an encoder that takes more, counted from 0.
    /// Default: the image's own.
    #[must_use]
    pub fn bands(mut self, bands: impl Into<Vec<usize>>) -> Self {
        self.bands = Some(bands.into());
        self
    }

    /// Sets how the values of the bands become bytes. Default: [`Stretch::None`].
    #[must_use]
    pub fn stretch(mut self, stretch: Stretch) -> Self {
        self.stretch = stretch;
        self
    }

    /// Sets how the image is turned. Default: [`Orientation::Stored`].
    #[must_use]
    pub fn orientation(mut self, orientation: Orientation) -> Self {
        self.orientation = orientation;
        self
    }

    /// Tells whether files are decoded as Pillow decodes them.
    pub fn is_pillow(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that images can be decoded by this value.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the rule if the stretch has no extent, there are fewer bands than three, or the
    /// record is in another program's words.
    pub fn check(&self) -> Result<()> {
        match (&self.foreign, &self.bands) {
            (Some(line), _) => Err(not_read(line)),
            (None, Some(bands)) if bands.len() < COLORS => Err(Error::Parameter {
                name: "bands",
                value: format!("{bands:?}"),
                expected: "three, of red, green and blue, or those of an encoder that takes more",
            }),
            (None, _) => self.stretch.check(),
        }
    }
}

/// Channels of a color image, of which no image has fewer here.
const COLORS: usize = 3;

fn not_read(line: &str) -> Error {
    Error::Parameter { name: "decoding", value: format!("{line:?}"), expected: FORM }
}

impl fmt::Display for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bands, stretch, orientation, foreign } = self;
        if let Some(line) = foreign {
            return f.write_str(line);
        }
        let bands = bands.as_ref().map(|bands| format!("bands={bands:?}"));
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
    /// [`Error::Parameter`] if the line has another form.
    fn from_str(line: &str) -> Result<Self> {
        let mut decoding = Self::default();
        // Options are separated by spaces, and the only spaces within an option follow a comma.
        let joined = line.replace(", ", ",");
        let mut seen = Vec::new();
        for option in joined.split_whitespace() {
            let name = option.split_once('=').map_or(option, |(name, _)| name);
            let read = match option.split_once('=') {
                _ if seen.contains(&name) => None,
                Some(("bands", list)) => list_of(list)
                    .filter(|bands| bands.len() >= COLORS)
                    .map(|bands| decoding.bands = Some(bands)),
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
    /// Reads the record of an archive. A record of another form is kept to the letter.
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

/// Reads `N` numbers between commas, with or without brackets.
fn numbers<T: FromStr, const N: usize>(list: &str) -> Option<[T; N]> {
    list_of(list)?.try_into().ok()
}

/// Reads any number of numbers between commas, with or without brackets.
fn list_of<T: FromStr>(list: &str) -> Option<Vec<T>> {
    list.split(',').map(|number| number.trim_matches(['[', ']']).parse().ok()).collect()
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
            bands in proptest::option::of(proptest::collection::vec(0usize..300, 3..14)),
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
