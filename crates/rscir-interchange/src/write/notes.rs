//! Makes a file's metadata: `geo` of GeoParquet 1.1.0, and `emb`.

use rscir_core::{Archive, EncoderSpec, Value};
use serde_json::{Map, Value as Json, json};

use super::ExportOptions;
use super::places::Extent;
use super::table::{BOX, EDGES};
use crate::layout::GEOMETRY;

/// Makes the metadata `geo` by the schema of GeoParquet 1.1.0. They have no `crs`, which means longitudes and
/// latitudes of WGS84.
pub(super) fn geo(extent: &Extent) -> Json {
    let covering: Map<String, Json> =
        EDGES.iter().map(|edge| ((*edge).to_owned(), json!([BOX, edge]))).collect();
    json!({
        "version": "1.1.0",
        "primary_column": GEOMETRY,
        "columns": { GEOMETRY: {
            "encoding": "WKB",
            "geometry_types": extent.types,
            "bbox": extent.edges,
            "covering": { "bbox": covering },
        } },
    })
}

/// Makes the metadata `emb`, which describe the vectors, in the form that Earth Index's files have.
pub(super) fn emb(spec: &EncoderSpec, times: Option<&Times>, options: &ExportOptions<'_>) -> Json {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut notes = json!({
        "version": "0.0.1",
        "model": {
            "id": text(&spec.model),
            "version": text(&spec.weights_sha256),
            "family": spec.architecture.as_deref().and_then(|line| line.split('(').next()).unwrap_or_default(),
            "name": text(&spec.model),
            "description": text(&spec.architecture),
            "config": spec,
            "source": text(&options.model),
        },
        "license": license(options),
        "embedding": { "dim": spec.dim, "quantization": "none" },
    });
    if let Some(provider) = &options.provider {
        notes["providers"] = json!([{ "name": provider }]);
    }
    if let Some(source) = &options.source {
        notes["datasets"] = json!([source]);
    }
    if let Some(times) = times {
        if times.first == times.last {
            notes["datetime"] = json!(times.first);
        }
        notes["start_datetime"] = json!(times.first);
        notes["end_datetime"] = json!(times.last);
    }
    notes
}

/// Returns the license of the vectors; `other` is STAC's word for a license without an SPDX name.
pub(super) fn license<'a>(options: &'a ExportOptions<'_>) -> &'a str {
    options.license.as_deref().unwrap_or("other")
}

/// First and last time of the imagery, in the form of RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) first: String,
    pub(super) last: String,
}

impl Times {
    /// Finds the first and the last time in an archive's column `datetime`. Texts that are no times are skipped.
    /// Without any time, both are [`ExportOptions::datetime`]; `None` if that is missing or no time either.
    pub(super) fn of(archive: &dyn Archive, options: &ExportOptions<'_>) -> Option<Self> {
        let mut times: Option<Self> = None;
        for value in archive.column("datetime").into_iter().flatten() {
            let time = match value {
                Some(Value::Text(text)) => utc(text),
                Some(Value::Date(date)) => utc(&date.to_string()),
                _ => None,
            };
            let Some(time) = time else { continue };
            match &mut times {
                None => times = Some(Self { first: time.clone(), last: time }),
                Some(times) if time < times.first => times.first = time,
                Some(times) if time > times.last => times.last = time,
                Some(_) => {}
            }
        }
        times.or_else(|| {
            let given = utc(options.datetime.as_deref()?)?;
            Some(Self { first: given.clone(), last: given })
        })
    }
}

/// Writes a date or a time of ISO 8601 in the form of RFC 3339 in UTC, which STAC asks for. A date becomes its
/// midnight, and a time without a zone counts as UTC. Returns `None` for another text.
fn utc(text: &str) -> Option<String> {
    let is = |text: &str, form: &str| {
        let fits = |(got, asked): (char, char)| match asked {
            '0' => got.is_ascii_digit(),
            asked => got == asked,
        };
        text.len() == form.len() && text.chars().zip(form.chars()).all(fits)
    };
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let time = time.strip_suffix('Z').unwrap_or(time);
    let (seconds, fraction) = time.split_once('.').map_or((time, None), |(whole, part)| (whole, Some(part)));
    let is_fraction =
        fraction.is_none_or(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    (is(date, "0000-00-00") && is(seconds, "00:00:00") && is_fraction).then(|| format!("{date}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_become_those_of_rfc_3339_and_other_texts_none() {
        assert_eq!(utc("2024-02-29").as_deref(), Some("2024-02-29T00:00:00Z"));
        assert_eq!(utc("2024-02-29T10:30:00Z").as_deref(), Some("2024-02-29T10:30:00Z"));
        assert_eq!(utc("2010-06-29T08:15:00").as_deref(), Some("2010-06-29T08:15:00Z"));
        assert_eq!(utc("2010-06-29T08:15:00.125Z").as_deref(), Some("2010-06-29T08:15:00.125Z"));
        for text in [
            "",
            "2024",
            "20240229T100011",
            "2024-02-29T",
            "2024-02-29T10:30",
            "2024-02-29T10:30:00.",
            "24-02-29T10:30:00+02",
        ] {
            assert_eq!(utc(text), None, "{text}");
        }
    }
}
