use geojson::feature::Id;
use geojson::{Feature, FeatureCollection, GeometryValue, JsonObject};
use serde_json::json;

use crate::place::column_name;
use crate::{Footprint, Place};

/// Writes places as a GeoJSON FeatureCollection (RFC 7946), in the given order. Each place is a polygon, or a
/// multipolygon where the antimeridian cuts it.
///
/// The properties are `key`, those of `rank`, `score`, `image_similarity` and `text_similarity` that are known, and the
/// columns of the archive. A column with one of these names is written as `column:NAME`. A missing value, and a number
/// that JSON cannot write such as infinity, is null.
#[must_use]
pub fn to_geojson(places: &[Place<'_>]) -> String {
    let features = places.iter().map(feature).collect();
    FeatureCollection { bbox: None, features, foreign_members: None }.to_string()
}

fn feature(place: &Place<'_>) -> Feature {
    let mut properties = JsonObject::new();
    properties.insert("key".into(), place.key.into());
    for (name, number) in place.numbers() {
        match (name, number) {
            (_, None) => {}
            ("rank", Some(rank)) => {
                properties.insert(name.into(), (rank as u64).into());
            }
            (_, Some(number)) => {
                properties.insert(name.into(), number.into());
            }
        }
    }
    for &(name, value) in &place.columns {
        properties.insert(column_name(name), json!(value));
    }
    Feature {
        bbox: None,
        geometry: Some(geometry(&place.footprint).into()),
        id: Some(Id::String(place.key.into())),
        properties: Some(properties),
        foreign_members: None,
    }
}

fn geometry(footprint: &Footprint) -> GeometryValue {
    match &footprint.rings()[..] {
        [ring] => GeometryValue::new_polygon([ring.clone()]),
        rings => GeometryValue::new_multi_polygon(rings.iter().map(|ring| [ring.clone()])),
    }
}
