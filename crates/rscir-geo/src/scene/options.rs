use rscir_core::{Date, Stretch};

use crate::{Crs, Error, Result};

/// Options of how a scene is read.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SceneOptions {
    /// The bands to read, counted from 0. Three bands become red, green and blue, one becomes gray, and more than three
    /// are for an encoder of bands ([`Scene::read_bands`](crate::Scene::read_bands)). Default: the bands that the file
    /// names red, green and blue, else the first three, else the only one.
    pub bands: Option<Vec<usize>>,
    /// How values that are not of 8 bits become bytes. Default: the 2nd percentile of each band becomes 0, the 98th
    /// becomes 255.
    pub stretch: Option<Stretch>,
    /// True if values stay as measured, for an encoder that takes measured values. No stretch is computed, and the
    /// tiles' column `stretch` is `none`. Default: false.
    pub measured: bool,
    /// The value that stands for no measurement. Default: the one that the scene declares.
    pub no_data: Option<f64>,
    /// The coordinate system of scenes that have none, or one that is not computed. Default: none, and such scenes are
    /// refused.
    pub crs: Option<Crs>,
    /// The date, as ISO 8601 writes it, of scenes that have none. Default: none.
    pub date: Option<String>,
}

impl SceneOptions {
    /// Sets the bands to read, counted from 0: three that become red, green and blue, one that becomes gray, or more
    /// than three for an encoder of bands. Default: the bands that the file names red, green and blue, else the first
    /// three, else the only one.
    #[must_use]
    pub fn bands(mut self, bands: impl Into<Vec<usize>>) -> Self {
        self.bands = Some(bands.into());
        self
    }

    /// Sets how values that are not of 8 bits become bytes. Default: from the 2nd to the 98th percentile of each band.
    #[must_use]
    pub fn stretch(mut self, stretch: Stretch) -> Self {
        self.stretch = Some(stretch);
        self
    }

    /// Sets whether values stay as measured, for an encoder that takes measured values. Default: false.
    #[must_use]
    pub fn measured(mut self, measured: bool) -> Self {
        self.measured = measured;
        self
    }

    /// Sets the value that stands for no measurement. Default: the one that the scene declares.
    #[must_use]
    pub fn no_data(mut self, no_data: f64) -> Self {
        self.no_data = Some(no_data);
        self
    }

    /// Sets the coordinate system of scenes that have none, or one that is not computed. Default: none.
    #[must_use]
    pub fn crs(mut self, crs: Crs) -> Self {
        self.crs = Some(crs);
        self
    }

    /// Sets the date, as ISO 8601 writes it, of scenes that have none. Default: none.
    #[must_use]
    pub fn date(mut self, date: impl Into<String>) -> Self {
        self.date = Some(date.into());
        self
    }

    /// Checks the options that can be checked without a scene.
    ///
    /// # Errors
    /// [`Error::Core`] for a stretch without extent. [`Error::Option`] for a list of no bands or two, for different
    /// ranges of the colors with more than three bands, for a stretch of values that stay as measured, and for a text
    /// that is no date.
    pub fn check(&self) -> Result<()> {
        if let Some(stretch) = self.stretch {
            stretch.check()?;
        }
        let bands = self.bands.as_deref().unwrap_or(&[0]);
        if matches!(bands.len(), 0 | 2) {
            let expected =
                "one band for gray, three for red, green and blue, or more for a model of so many bands";
            return Err(Error::Option { name: "bands", value: format!("{bands:?}"), expected });
        }
        if let Some(stretch) = self.stretch.filter(|_| self.measured) {
            let expected = "left out where values stay as measured";
            return Err(Error::Option { name: "stretch", value: stretch.to_string(), expected });
        }
        if let Some(Stretch::Range(low, high)) = self.stretch
            && bands.len() > 3
            && [low, high].iter().any(|ends| ends.iter().any(|end| *end != ends[0]))
        {
            let expected = "one range for all bands if there are more than three";
            return Err(Error::Option {
                name: "stretch",
                value: format!("{:?} to {:?}", low, high),
                expected,
            });
        }
        if let Some(date) = self.date.as_ref().filter(|date| iso_date(date).is_none()) {
            let expected =
                "a day or a time as ISO 8601 writes it, such as 2024-02-29 or 2024-02-29T10:30:00Z";
            return Err(Error::Option { name: "date", value: date.clone(), expected });
        }
        Ok(())
    }
}

/// Converts a date, with or without a time, to the form of ISO 8601. The form of TIFF (`2024:02:29 10:30:00`) is
/// accepted, too. Returns `None` for any other text.
pub(crate) fn iso_date(text: &str) -> Option<String> {
    let text = text.trim();
    let (day, time) = text.split_at_checked(10)?;
    let day = day.replace(':', "-").parse::<Date>().ok()?;
    let Some(separator) = time.chars().next() else { return Some(day.to_string()) };
    let time = time.get(1..).filter(|_| matches!(separator, 'T' | 't' | ' '))?;
    let is_time = time.starts_with(|c: char| c.is_ascii_digit())
        && time.bytes().all(|byte| byte.is_ascii_digit() || b":.,+-Zz".contains(&byte));
    is_time.then(|| format!("{day}T{}", time.replace('z', "Z")))
}

/// Reads the stretch of a scene from text: `percentile(2, 98)`, `minmax`, `none`, `range(0, 3000)`, `range([0, 0, 0],
/// [3000, 2500, 2000])`, or `gain(2.5/10000)`. A value times the gain is its share of 255, as Major TOM scales
/// Sentinel-2.
///
/// # Errors
/// [`Error::Option`] if the text is none of these; [`Error::Core`] for a stretch without extent.
pub fn parse_stretch(text: &str) -> Result<Stretch> {
    let text = text.trim();
    let call = |name: &str| text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')');
    let numbers = |list: &str| -> Option<Vec<f32>> {
        list.split(',').map(|number| number.trim().trim_matches(['[', ']']).trim().parse().ok()).collect()
    };
    let stretch = if let Some(list) = call("percentile") {
        numbers(list).and_then(|list| <[f32; 2]>::try_from(list).ok()).map(|[a, b]| Stretch::Percentile(a, b))
    } else if let Some(list) = call("range") {
        numbers(list).and_then(|list| match list[..] {
            [low, high] => Some(Stretch::Range([low; 3], [high; 3])),
            [a, b, c, d, e, f] => Some(Stretch::Range([a, b, c], [d, e, f])),
            _ => None,
        })
    } else if let Some(gain) = call("gain") {
        let (factor, divisor) = gain.split_once('/').unwrap_or((gain, "1"));
        let parsed = (factor.trim().parse::<f64>().ok(), divisor.trim().parse::<f64>().ok());
        match parsed {
            // The range ends at the value that the gain brings to 1.
            (Some(factor), Some(divisor)) => Some(Stretch::Range([0.0; 3], [(divisor / factor) as f32; 3])),
            _ => None,
        }
    } else {
        match text {
            "minmax" => Some(Stretch::MinMax),
            "none" => Some(Stretch::None),
            _ => None,
        }
    };
    let expected = "percentile(2, 98), minmax, none, range(0, 3000), range([0, 0, 0], [3000, 2500, 2000]) or gain(2.5/10000)";
    let stretch = stretch.ok_or_else(|| Error::Option { name: "stretch", value: text.into(), expected })?;
    stretch.check()?;
    Ok(stretch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_tiff_and_of_iso_come_to_the_form_of_iso() {
        assert_eq!(iso_date("2010:06:29 08:15:00").unwrap(), "2010-06-29T08:15:00");
        assert_eq!(iso_date("2020-04-08T14:37:29.000000000").unwrap(), "2020-04-08T14:37:29.000000000");
        assert_eq!(iso_date("2024-02-29T10:30:00z").unwrap(), "2024-02-29T10:30:00Z");
        assert_eq!(iso_date(" 2024-02-29 ").unwrap(), "2024-02-29");
        for text in [
            "",
            "yesterday",
            "2023-02-29",
            "2024-02-29T",
            "2024-02-29Tnoon",
            "2024-02-29\u{1b}[1m",
            "24-02-29",
        ] {
            assert_eq!(iso_date(text), None, "{text}");
        }
    }

    #[test]
    fn stretches_are_read_as_they_are_written_for_scenes() {
        let range = |low, high| Stretch::Range([low; 3], [high; 3]);
        assert_eq!(parse_stretch("range(0,3000)").unwrap(), range(0.0, 3000.0));
        assert_eq!(parse_stretch("gain(2.5/10000)").unwrap(), range(0.0, 4000.0));
        assert_eq!(parse_stretch("gain(0.5)").unwrap(), range(0.0, 2.0));
        assert_eq!(parse_stretch("percentile(2, 98)").unwrap(), Stretch::Percentile(2.0, 98.0));
        assert_eq!(parse_stretch("minmax").unwrap(), Stretch::MinMax);
        let each = parse_stretch("range([0, 1, 2], [10, 11, 12])").unwrap();
        assert_eq!(each, Stretch::Range([0.0, 1.0, 2.0], [10.0, 11.0, 12.0]));
        for text in
            ["", "gain(0)", "gain(-1)", "range(5,5)", "range(1,2,3)", "percentile(98, 2)", "percentile(2)"]
        {
            assert!(parse_stretch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn options_that_no_scene_can_be_read_by_are_refused() {
        SceneOptions::default().bands([3, 2, 1]).date("2024-02-29").check().unwrap();
        assert!(SceneOptions::default().bands([0, 1]).check().is_err());
        assert!(SceneOptions::default().date("29.2.2024").check().is_err());
        assert!(SceneOptions::default().stretch(Stretch::Percentile(98.0, 2.0)).check().is_err());
    }
}
