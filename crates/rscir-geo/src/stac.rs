//! Local STAC Items and ItemCollections (STAC 1.0 and 1.1): the files that they name, with dates and properties.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use rscir_core::files::read_text;
use rscir_core::{ColumnType, Value};
use serde_json::{Map, Value as Json};

use crate::scene::iso_date;
use crate::{Error, Result};

/// The properties of an item, which all its scenes have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Properties {
    /// The date as ISO 8601 writes it.
    pub(crate) datetime: Option<String>,
    /// Names and values of the properties that are texts, numbers or booleans.
    pub(crate) values: Vec<(String, Property)>,
}

/// The value of a property.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Property {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Property {
    fn of(json: &Json) -> Option<Self> {
        match json {
            Json::Bool(flag) => Some(Self::Bool(*flag)),
            Json::String(text) => Some(Self::Text(text.clone())),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Some(Self::Int(number)),
                None => number.as_f64().map(Self::Float),
            },
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        }
    }

    /// Returns the type of a column for such values.
    pub(crate) fn column_type(&self) -> ColumnType {
        match self {
            Self::Bool(_) => ColumnType::Bool,
            Self::Int(_) => ColumnType::Int,
            Self::Float(_) => ColumnType::Float,
            Self::Text(_) => ColumnType::Text,
        }
    }

    /// Calls `take` with the value converted to a column's type: integers become floats in a column of floats, and
    /// every value becomes text in a column of texts.
    pub(crate) fn with<R>(&self, column: ColumnType, take: impl FnOnce(Value<'_>) -> R) -> R {
        match (self, column) {
            (Self::Int(number), ColumnType::Float) => take(Value::Float(*number as f64)),
            (Self::Text(text), _) => take(Value::Text(text)),
            (Self::Bool(flag), ColumnType::Text) => take(Value::Text(&flag.to_string())),
            (Self::Int(number), ColumnType::Text) => take(Value::Text(&number.to_string())),
            (Self::Float(number), ColumnType::Text) => take(Value::Text(&number.to_string())),
            (Self::Bool(flag), _) => take(Value::Bool(*flag)),
            (Self::Int(number), _) => take(Value::Int(*number)),
            (Self::Float(number), _) => take(Value::Float(*number)),
        }
    }
}

/// Returns a type that can hold the values of two types: floats if both are numbers, text if the types differ otherwise.
pub(crate) fn common_type(one: ColumnType, other: ColumnType) -> ColumnType {
    match (one, other) {
        _ if one == other => one,
        (ColumnType::Int, ColumnType::Float) | (ColumnType::Float, ColumnType::Int) => ColumnType::Float,
        _ => ColumnType::Text,
    }
}

/// An asset of an item: a scene, or the reason why there is none.
#[derive(Debug)]
pub(crate) struct Asset {
    pub(crate) key: String,
    pub(crate) path: PathBuf,
    pub(crate) properties: Properties,
    /// The reason why the asset cannot be opened, if that is known already.
    pub(crate) problem: Option<Error>,
}

/// The longest file in bytes: ten thousand items of 25 KB each.
const MAX_BYTES: u64 = 256 << 20;

/// Reads the assets of a file's items that are GeoTIFFs, except previews and masks.
///
/// # Errors
/// [`Error::File`] if the file cannot be read; [`Error::Stac`] if it is neither an Item nor an ItemCollection with items.
pub(crate) fn read_assets(path: &Path) -> Result<Vec<Asset>> {
    let text = read_text(path, MAX_BYTES)?;
    let failed = |problem: String| Error::Stac { path: path.into(), problem };
    let json: Json = serde_json::from_str(&text).map_err(|error| {
        failed(format!("the file is no JSON ({error}); give a STAC Item or ItemCollection"))
    })?;
    let items: Vec<&Json> = match (json["type"].as_str(), &json["features"]) {
        (Some("Feature"), _) => vec![&json],
        (Some("FeatureCollection"), Json::Array(items)) => items.iter().collect(),
        (kind, _) => {
            let kind = kind.unwrap_or("something else");
            return Err(failed(format!(
                "the file is {kind}, not a STAC Item or ItemCollection: save the items that you need as one of these"
            )));
        }
    };
    if items.is_empty() {
        return Err(failed("the collection has no items: save those that you need in it".into()));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut assets = Vec::new();
    for item in items {
        of_item(item, path, folder, &mut assets)?;
    }
    Ok(assets)
}

fn of_item(item: &Json, file: &Path, folder: &Path, assets: &mut Vec<Asset>) -> Result<()> {
    let id = item["id"].as_str().unwrap_or("without an id");
    let failed =
        |problem: String| Error::Stac { path: file.into(), problem: format!("item {id:?} {problem}") };
    let Some(all) = item["assets"].as_object() else {
        return Err(failed("has no assets: it is not a STAC Item".into()));
    };
    let properties = properties(item["properties"].as_object());
    let scenes: Vec<(&String, &Json)> = all.iter().filter(|(_, asset)| is_scene(asset)).collect();
    if scenes.is_empty() {
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        let problem = failed(format!(
            "has no GeoTIFF asset among {names:?}: convert one to GeoTIFF, or leave out the item"
        ));
        assets.push(Asset { key: id.into(), path: file.into(), properties, problem: Some(problem) });
        return Ok(());
    }
    for (name, asset) in scenes {
        let href = asset["href"].as_str().unwrap_or_default();
        let local = local(href, folder);
        let (path, problem) = if href.is_empty() {
            (
                file.into(),
                Some(failed(format!("has an asset {name:?} without an href: add the path of its file"))),
            )
        } else if local.contains("://") && !(cfg!(feature = "remote") && local.starts_with("http")) {
            (
                PathBuf::from(href),
                Some(failed(format!(
                    "has its asset {name:?} on a server ({href}): download the file, and write the path of the copy into href"
                ))),
            )
        } else if local.contains("://") {
            (PathBuf::from(href), None)
        } else {
            let path = folder.join(&*local);
            let is_there = path.is_file();
            let missing = || {
                failed(format!(
                    "has its asset {name:?} at {}, where no file is: correct href",
                    path.display()
                ))
            };
            (path.clone(), (!is_there).then(missing))
        };
        let key = key(&local, name, id);
        assets.push(Asset { key, path, properties: properties.clone(), problem });
    }
    Ok(())
}

/// Returns the path that a reference names. The reference is taken literally if there is such a file, or if no file has
/// the name with percent signs decoded (RFC 3986), in which form URLs write spaces.
fn local<'a>(href: &'a str, folder: &Path) -> Cow<'a, str> {
    let local = href.strip_prefix("file://").unwrap_or(href);
    if local.contains("://") || folder.join(local).is_file() {
        return local.into();
    }
    let is_there = |decoded: &String| folder.join(decoded).is_file();
    percent_decoded(local).filter(is_there).map_or(Cow::Borrowed(local), Cow::Owned)
}

/// Decodes the percent signs of a text. Returns `None` if one is not followed by two hexadecimal digits, or if the
/// result is not UTF-8 or has a NUL.
fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let is_byte = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_byte)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok().filter(|decoded| !decoded.contains('\0'))
}

/// Tells whether an asset is a GeoTIFF, by its media type, else by its name. Previews, metadata and masks are no scenes.
fn is_scene(asset: &Json) -> bool {
    const OTHER_ROLES: [&str; 4] = ["thumbnail", "overview", "metadata", "data-mask"];
    let roles = asset["roles"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let extension =
        |href: &str| Path::new(href).extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let is_tiff = match asset["type"].as_str() {
        Some(kind) => kind.to_ascii_lowercase().starts_with("image/tiff"),
        None => asset["href"].as_str().and_then(extension).is_some_and(|e| e == "tif" || e == "tiff"),
    };
    is_tiff && !roles.into_iter().any(|role| OTHER_ROLES.contains(&role))
}

/// Returns the path of an asset's scene in keys: relative to the item's folder if the file lies below it, else the name
/// of the file.
fn key(href: &str, name: &str, id: &str) -> String {
    let path = Path::new(href);
    let parts: Vec<&str> = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .filter_map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    let is_below = !href.contains("://")
        && path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    match (is_below, parts.last()) {
        (true, Some(_)) => parts.join("/"),
        (false, Some(file)) => (*file).into(),
        (_, None) => format!("{id}/{name}"),
    }
}

fn properties(properties: Option<&Map<String, Json>>) -> Properties {
    let Some(properties) = properties else { return Properties::default() };
    // The date of an item with a range of dates is the beginning of the range.
    let date = ["datetime", "start_datetime"].iter().find_map(|name| properties.get(*name)?.as_str());
    let values = properties
        .iter()
        .filter(|(name, _)| *name != "datetime")
        .filter_map(|(name, value)| Some((name.clone(), Property::of(value)?)));
    Properties { datetime: date.and_then(iso_date), values: values.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets(json: &str) -> Result<Vec<Asset>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("july")).unwrap();
        std::fs::write(folder.path().join("july/visual.tif"), "").unwrap();
        let path = folder.path().join("item.json");
        std::fs::write(&path, json).unwrap();
        read_assets(&path)
    }

    const ITEM: &str = r#"{"type":"Feature","stac_version":"1.0.0","id":"S2_1","properties":{
        "datetime":"2024-07-01T10:30:00Z","eo:cloud_cover":12,"platform":"sentinel-2a","proj:shape":[1,2],"x":null,"y":true},
        "assets":{
            "visual":{"href":"./july/visual.tif","type":"image/tiff; application=geotiff; profile=cloud-optimized","roles":["visual"]},
            "gone":{"href":"july/gone.tif"},
            "far":{"href":"s3://bucket/a.tif","type":"image/tiff"},
            "preview":{"href":"preview.tif","roles":["thumbnail"]},
            "notes":{"href":"notes.xml"}}}"#;

    #[test]
    fn an_item_names_its_scenes_with_date_and_properties_and_what_is_missing_fails_by_name() {
        let assets = assets(ITEM).unwrap();
        let keys: Vec<&str> = assets.iter().map(|asset| asset.key.as_str()).collect();
        assert_eq!(keys, ["a.tif", "july/gone.tif", "july/visual.tif"]);
        let visual = &assets[2];
        assert!(visual.problem.is_none());
        assert_eq!(visual.properties.datetime.as_deref(), Some("2024-07-01T10:30:00Z"));
        let values = [
            ("eo:cloud_cover".to_owned(), Property::Int(12)),
            ("platform".to_owned(), Property::Text("sentinel-2a".into())),
            ("y".to_owned(), Property::Bool(true)),
        ];
        assert_eq!(visual.properties.values, values);
        let problem = |at: usize| assets[at].problem.as_ref().unwrap().to_string();
        assert!(
            problem(0).contains("\"far\" on a server") && problem(0).contains("\"S2_1\""),
            "{}",
            problem(0)
        );
        assert!(
            problem(1).contains("asset \"gone\" at") && problem(1).contains("no file is"),
            "{}",
            problem(1)
        );
    }

    #[test]
    fn percent_signs_are_decoded_where_no_file_has_them_in_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a b.tif", "c%20d.tif", "c d.tif", "\u{fc}.tif"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let of = |href: &str| local(href, folder.path()).into_owned();
        assert_eq!(of("./a%20b.tif"), "./a b.tif");
        // A file with the literal name comes first.
        assert_eq!(of("c%20d.tif"), "c%20d.tif");
        assert_eq!(of("%c3%BC.tif"), "\u{fc}.tif");
        let encoded = format!("file://{}/a%20b.tif", folder.path().display());
        assert_eq!(of(&encoded), format!("{}/a b.tif", folder.path().display()));
        for other in
            ["gone%20.tif", "a%2.tif", "a%zz.tif", "a%+1.tif", "%ff.tif", "a%00.tif", "s3://b/a%20b.tif"]
        {
            assert_eq!(of(other), other);
        }
    }

    #[test]
    fn a_collection_of_items_names_the_scenes_of_all_and_other_files_are_refused() {
        let collection = format!(r#"{{"type":"FeatureCollection","features":[{ITEM},{ITEM}]}}"#);
        assert_eq!(assets(&collection).unwrap().len(), 6);
        for (json, problem) in [
            ("", "no JSON"),
            ("[]", "something else"),
            (r#"{"type":"Catalog"}"#, "the file is Catalog"),
            (r#"{"type":"FeatureCollection","features":[]}"#, "no item"),
            (r#"{"type":"Feature","id":"a","geometry":null}"#, "no assets"),
        ] {
            let error = assets(json).unwrap_err().to_string();
            assert!(error.contains(problem), "{json}: {error}");
        }
        let without = assets(r#"{"type":"Feature","id":"a","assets":{"b":{"href":"b.xml"}}}"#).unwrap();
        assert!(without[0].problem.as_ref().unwrap().to_string().contains("no GeoTIFF asset among [\"b\"]"));
    }

    #[test]
    fn keys_are_paths_below_the_items_folder_and_names_elsewhere() {
        assert_eq!(key("./a/b.tif", "x", "id"), "a/b.tif");
        assert_eq!(key("../a/b.tif", "x", "id"), "b.tif");
        assert_eq!(key("/data/b.tif", "x", "id"), "b.tif");
    }

    #[test]
    fn types_of_one_property_in_several_items_come_to_one() {
        use ColumnType::{Bool, Float, Int, Text};
        assert_eq!(common_type(Int, Float), Float);
        assert_eq!(common_type(Bool, Int), Text);
        assert_eq!(common_type(Bool, Bool), Bool);
        Property::Int(3).with(Float, |value| assert_eq!(value, Value::Float(3.0)));
        Property::Float(0.5).with(Text, |value| assert_eq!(value, Value::Text("0.5")));
    }
}
