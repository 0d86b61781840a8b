//! Answers as files.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use rscir_page::Ring;
use serde::Deserialize;
use serde_json::json;

use crate::answer::{Found, HitAnswer};
use crate::incoming::Files;
use crate::problem::{Problem, ProblemKind};
use crate::request::SearchRequest;
use crate::state::State;

/// What can be exported.
pub(crate) const FORMATS: &[&str] =
    if cfg!(feature = "tables") { &["geojson", "csv", "parquet"] } else { &["geojson", "csv"] };

/// What is exported, and as what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportQuery {
    format: String,
    query: String,
}

/// Answers a query as a file.
pub(crate) fn export(state: &State, asked: &ExportQuery) -> Result<Response, Problem> {
    if !FORMATS.contains(&asked.format.as_str()) {
        let message =
            format!("{:?} is no format of this server: it has {}", asked.format, FORMATS.join(", "));
        return Err(Problem::field("format", message));
    }
    let request = SearchRequest::from_json(asked.query.as_bytes()).map_err(|problem| {
        let is_json = problem.kind() != ProblemKind::BadJson;
        if is_json { problem } else { problem.at("query") }
    })?;
    let found = Found::new(state, request, &Files::new())?;
    let hits = found.hits(state);
    let (media_type, bytes) = match asked.format.as_str() {
        "csv" => ("text/csv; charset=utf-8", csv(&found, &hits)?),
        #[cfg(feature = "tables")]
        "parquet" => ("application/vnd.apache.parquet", parquet::write(&found, &hits)?),
        _ => ("application/geo+json", geojson(&found, &hits)),
    };
    let name = format!("attachment; filename=\"tiles.{}\"", asked.format);
    let headers = [(header::CONTENT_TYPE, media_type.to_string()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}

/// Writes features in the order of the answer, each with what is known of it; without geometry where a row has no place (RFC 7946).
fn geojson(found: &Found, hits: &[HitAnswer]) -> Vec<u8> {
    let feature = |hit: &HitAnswer| {
        let geometry = match &hit.rings[..] {
            [] => json!(null),
            [ring] => json!({ "type": "Polygon", "coordinates": [ring] }),
            rings => {
                let polygons: Vec<[&Ring; 1]> = rings.iter().map(|ring| [ring]).collect();
                json!({ "type": "MultiPolygon", "coordinates": polygons })
            }
        };
        let part = |part: Option<crate::answer::PartAnswer>| {
            part.map(|part| json!({ "similarity": part.similarity, "cdf": part.cdf }))
        };
        json!({
            "type": "Feature",
            "id": hit.key,
            "geometry": geometry,
            "properties": {
                "rank": hit.rank,
                "key": hit.key,
                "score": hit.score,
                "method": found.method(),
                "image": part(hit.image),
                "text": part(hit.text),
                "columns": hit.columns,
            },
        })
    };
    let features: Vec<_> = hits.iter().map(feature).collect();
    json!({ "type": "FeatureCollection", "features": features }).to_string().into_bytes()
}

/// The columns of a table that are not the archive's.
const OWN: [&str; 8] =
    ["rank", "key", "score", "image_similarity", "image_cdf", "text_similarity", "text_cdf", "footprint"];

/// Returns the name that a column of the archive has in a table: its own, unless it is one of ours.
fn exported(name: &str) -> String {
    if OWN.contains(&name) { format!("archive_{name}") } else { name.into() }
}

/// Writes a table with a header, places as well-known text.
fn csv(found: &Found, hits: &[HitAnswer]) -> Result<Vec<u8>, Problem> {
    let columns = found.columns();
    let mut table = csv::Writer::from_writer(Vec::new());
    let header = OWN.map(String::from).into_iter().chain(columns.iter().map(|name| exported(name)));
    let failed = |_| Problem::internal();
    table.write_record(header).map_err(failed)?;
    for hit in hits {
        let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let mut record = vec![hit.rank.to_string(), hit.key.clone(), hit.score.to_string()];
        for part in [hit.image, hit.text] {
            record.push(part.map_or(String::new(), |part| part.similarity.to_string()));
            record.push(number(part.map(|part| part.cdf)));
        }
        record.push(well_known_text(&hit.rings));
        record.extend(columns.iter().map(|name| match hit.columns.get(name) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }));
        table.write_record(&record).map_err(failed)?;
    }
    table.into_inner().map_err(|_| Problem::internal())
}

/// Rings as a polygon, or several; empty without any.
fn well_known_text(rings: &[Ring]) -> String {
    let polygon = |ring: &Ring| {
        let points: Vec<String> = ring.iter().map(|[x, y]| format!("{x} {y}")).collect();
        format!("(({}))", points.join(", "))
    };
    match rings {
        [] => String::new(),
        [ring] => format!("POLYGON {}", polygon(ring)),
        rings => format!("MULTIPOLYGON ({})", rings.iter().map(polygon).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(feature = "tables")]
mod parquet {
    use rscir_core::Embeddings;
    use rscir_index::{Column, Columns, Features, KeyKind};

    use super::{exported, well_known_text};
    use crate::answer::{Found, HitAnswer};
    use crate::problem::Problem;

    /// Writes a table in the form of feature files: keys and vectors, and everything else as columns.
    pub(super) fn write(found: &Found, hits: &[HitAnswer]) -> Result<Vec<u8>, Problem> {
        let failed = |_| Problem::internal();
        let rows: Vec<usize> = hits.iter().map(|hit| hit.row).collect();
        let numbers = |of: &dyn Fn(&HitAnswer) -> Option<f64>| Column::Float(hits.iter().map(of).collect());
        let place = |hit: &HitAnswer| Some(well_known_text(&hit.rings)).filter(|text| !text.is_empty());
        let mut columns = Columns::new(hits.len());
        for (name, column) in [
            ("rank", Column::Int(hits.iter().map(|hit| i64::try_from(hit.rank).ok()).collect())),
            ("score", numbers(&|hit| Some(hit.score.into()))),
            ("image_similarity", numbers(&|hit| Some(hit.image?.similarity.into()))),
            ("image_cdf", numbers(&|hit| Some(hit.image?.cdf))),
            ("text_similarity", numbers(&|hit| Some(hit.text?.similarity.into()))),
            ("text_cdf", numbers(&|hit| Some(hit.text?.cdf))),
            ("footprint", Column::Text(hits.iter().map(place).collect())),
        ] {
            columns.insert(name, column).map_err(failed)?;
        }
        for (name, column) in found.values_of(&rows) {
            columns.insert(&exported(&name), column).map_err(failed)?;
        }
        let (spec, vectors) = found.vectors_of(&rows);
        let features = Features {
            embeddings: Embeddings::normalize(spec.dim, vectors).map_err(|_| Problem::internal())?,
            spec,
            kind: KeyKind::Keys,
            keys: hits.iter().map(|hit| hit.key.clone()).collect(),
            labels: None,
            columns,
        };
        // Features are written to files alone.
        let folder = tempfile::tempdir().map_err(|_| Problem::internal())?;
        let path = folder.path().join("tiles.parquet");
        features.write(&path).map_err(failed)?;
        std::fs::read(&path).map_err(|_| Problem::internal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_well_known_text() {
        let ring: Ring = vec![[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 0.5]];
        assert_eq!(well_known_text(&[]), "");
        assert_eq!(well_known_text(std::slice::from_ref(&ring)), "POLYGON ((0 0.5, 1 0.5, 1 1, 0 0.5))");
        assert!(well_known_text(&[ring.clone(), ring]).starts_with("MULTIPOLYGON (((0 0.5"));
    }
}
