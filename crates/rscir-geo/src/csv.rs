use std::fmt::Write;

use rscir_core::Value;

use crate::place::column_name;
use crate::{Error, Footprint, Place, Result};

/// Writes places as CSV, one row each, below a header. The fields are `key`, `rank`, `score`, `image_similarity`,
/// `text_similarity`, the columns of the archive, and `wkt`: the footprint in WGS84 as well-known text, a polygon, or a
/// multipolygon where the antimeridian cuts it. The header has the columns of the first place, so that all places must
/// be of one archive.
///
/// Every value is written unchanged, in quotes if it has a comma, a quote or a line break (RFC 4180), so that readers
/// get the keys that the archive has. A spreadsheet takes a text that begins with `=`, `+`, `-` or `@` for a formula:
/// import tables with keys of others as text.
///
/// # Errors
/// [`Error::Core`] if places have different numbers of columns.
pub fn to_csv(places: &[Place<'_>]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error| {
        Error::Core(rscir_core::Error::from_source("writing places as CSV", Box::new(error) as Box<_>))
    };
    let mut header = vec!["key".to_owned()];
    header.extend(["rank", "score", "image_similarity", "text_similarity"].map(String::from));
    header.extend(places.first().iter().flat_map(|place| &place.columns).map(|(name, _)| column_name(name)));
    header.push("wkt".into());
    writer.write_record(&header).map_err(failed)?;
    for place in places {
        let mut record = vec![place.key.to_owned()];
        record.extend(
            place.numbers().map(|(_, number)| number.map_or(String::new(), |number| number.to_string())),
        );
        record.extend(place.columns.iter().map(|(_, value)| value.map_or(String::new(), cell)));
        record.push(wkt(&place.footprint));
        writer.write_record(&record).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error().into()).map_err(failed)?;
    String::from_utf8(bytes)
        .map_err(|error| Error::Core(rscir_core::Error::from_source("writing places as CSV", error)))
}

fn cell(value: Value<'_>) -> String {
    match value {
        Value::Floats(_) => serde_json::json!(value).to_string(),
        value => value.to_string(),
    }
}

/// Returns a footprint as well-known text (OGC 06-103r4): a polygon, or a multipolygon where the antimeridian cuts it.
fn wkt(footprint: &Footprint) -> String {
    let rings: Vec<String> = footprint
        .rings()
        .iter()
        .map(|ring| {
            let mut text = String::new();
            for (at, [x, y]) in ring.iter().enumerate() {
                // Writing to a string does not fail.
                let _ = write!(text, "{}{x} {y}", if at == 0 { "" } else { ", " });
            }
            format!("(({text}))")
        })
        .collect();
    match &rings[..] {
        [ring] => format!("POLYGON {ring}"),
        rings => format!("MULTIPOLYGON ({})", rings.join(", ")),
    }
}
