//! Writes a STAC collection and an item that describe a file of vectors (STAC 1.1.0, extension `emb` 0.0.1).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rscir_core::files::replace_together;
use rscir_core::{Archive, Value};
use rscir_geo::TileKey;
use serde_json::{Value as Json, json};

use super::ExportOptions;
use super::notes::{Times, license};
use super::places::{Extent, RowPlace};
use crate::{Error, Result};

/// Address of the extension's schema.
const EXTENSION: &str = "https://stac-extensions.github.io/embeddings/v0.0.1/schema.json";
/// Version of STAC that the files are written by.
const VERSION: &str = "1.1.0";
/// Media type of Parquet files.
const PARQUET: &str = "application/vnd.apache.parquet";

/// Summary of a STAC collection that [`export_stac`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StacExport {
    /// Path of the collection, `NAME.collection.json`.
    pub collection: PathBuf,
    /// Path of the item, `NAME.item.json`.
    pub item: PathBuf,
    /// Links that the extension asks for and that the collection lacks, because the options have no address for
    /// them: `emb:model` or `emb:source-data`.
    pub lacking: Vec<&'static str>,
}

/// Writes a STAC collection with one item, which describe the file `data`. The file must have been written by
/// [`export_geoparquet`](super::export_geoparquet) from the same archive with the same options. The collection and
/// the item are written beside the file, as `NAME.collection.json` and `NAME.item.json`, and are replaced together.
///
/// # Errors
/// - [`Error::NoPlace`] if no row of the archive has a place.
/// - [`Error::NoDate`] if neither a row nor [`ExportOptions::datetime`] has a time.
/// - [`Error::Name`] if the name of the file is not UTF-8.
/// - [`Error::File`] if a file cannot be written.
pub fn export_stac(
    archive: &dyn Archive,
    data: impl AsRef<Path>,
    options: &ExportOptions<'_>,
) -> Result<StacExport> {
    let data = data.as_ref();
    let name = |part: Option<&std::ffi::OsStr>| -> Result<String> {
        let text = part.and_then(|part| part.to_str());
        text.map(String::from).ok_or_else(|| Error::Name { path: data.into() })
    };
    let (file, stem) = (name(data.file_name())?, name(data.file_stem())?);
    let mut extent = Extent::empty();
    (0..archive.len()).filter_map(|row| RowPlace::of_row(archive, row)).for_each(|place| extent.add(&place));
    if extent.rows == 0 {
        return Err(Error::NoPlace { path: data.into() });
    }
    let times = Times::of(archive, options).ok_or_else(|| Error::NoDate { path: data.into() })?;
    let (collection_name, item_name) = (format!("{stem}.collection.json"), format!("{stem}.item.json"));
    let described = Described {
        archive,
        options,
        id: options.id.clone().unwrap_or_else(|| stem.clone()),
        edges: extent.edges,
        times,
    };
    let collection = described.collection(&collection_name, &item_name);
    let item = described.item(&file, &collection_name);
    let (collection_path, item_path) =
        (data.with_file_name(&collection_name), data.with_file_name(&item_name));
    // The collection refers to the item, so it is replaced after the item.
    replace_together([(&item_path, pretty(&item)), (&collection_path, pretty(&collection))])?;
    let given = [("emb:model", &options.model), ("emb:source-data", &options.source)];
    let lacking = given.into_iter().filter(|(_, address)| address.is_none()).map(|(link, _)| link).collect();
    Ok(StacExport { collection: collection_path, item: item_path, lacking })
}

/// Writes JSON with indentation and a newline at the end.
fn pretty(json: &Json) -> String {
    format!("{json:#}\n")
}

/// An archive and what its collection and its item say about it.
struct Described<'a> {
    archive: &'a dyn Archive,
    options: &'a ExportOptions<'a>,
    id: String,
    edges: [f64; 4],
    times: Times,
}

impl Described<'_> {
    /// Makes the collection. `own` and `item` are the names of its file and of the item's.
    fn collection(&self, own: &str, item: &str) -> Json {
        let spec = self.archive.spec();
        let model = spec.model.as_deref().unwrap_or("an encoder that is not named");
        let description = self.options.description.clone().unwrap_or_else(|| {
            format!("{} embeddings of {} dimensions by {model}", self.archive.len(), spec.dim)
        });
        let mut links = vec![
            json!({ "rel": "root", "href": reference(own), "type": "application/json" }),
            json!({ "rel": "item", "href": reference(item), "type": "application/geo+json" }),
        ];
        for (rel, address) in [("emb:model", &self.options.model), ("emb:source-data", &self.options.source)]
        {
            links.extend(address.iter().map(|address| json!({ "rel": rel, "href": address })));
        }
        let mut collection = json!({
            "type": "Collection",
            "stac_version": VERSION,
            "stac_extensions": [EXTENSION],
            "id": self.id,
            "description": description,
            "license": license(self.options),
            "extent": {
                "spatial": { "bbox": [self.edges] },
                "temporal": { "interval": [[self.times.first, self.times.last]] },
            },
            "links": links,
            "item_assets": { "embeddings": asset() },
            "emb:type": "chip",
            "emb:dimensions": spec.dim,
            "emb:chip_layout": layout(self.archive),
            "data_type": "float32",
        });
        if let Some(provider) = &self.options.provider {
            collection["providers"] = json!([{ "name": provider, "roles": ["producer"] }]);
        }
        if let Some(meters) = self.meters() {
            collection["gsd"] = json!(meters);
        }
        collection
    }

    /// Makes the item. `file` and `collection` are the names of the file of vectors and of the collection's.
    fn item(&self, file: &str, collection: &str) -> Json {
        let [west, south, east, north] = self.edges;
        let mut properties = json!({ "datetime": self.times.first });
        if self.times.first != self.times.last {
            properties = json!({
                "datetime": null,
                "start_datetime": self.times.first,
                "end_datetime": self.times.last,
            });
        }
        let mut embeddings = asset();
        embeddings["href"] = json!(reference(file));
        let mut links: Vec<Json> = ["root", "parent", "collection"]
            .map(|rel| json!({ "rel": rel, "href": reference(collection), "type": "application/json" }))
            .to_vec();
        links.extend(
            self.options.source.iter().map(|address| json!({ "rel": "emb:source-data", "href": address })),
        );
        json!({
            "type": "Feature",
            "stac_version": VERSION,
            "stac_extensions": [EXTENSION],
            "id": format!("{}-embeddings", self.id),
            "collection": self.id,
            "bbox": self.edges,
            "geometry": { "type": "Polygon", "coordinates": [[
                [west, south], [east, south], [east, north], [west, north], [west, south],
            ]] },
            "properties": properties,
            "links": links,
            "assets": { "embeddings": embeddings },
        })
    }

    /// Returns the ground sample distance in meters, if all rows have the same.
    fn meters(&self) -> Option<f64> {
        let mut all = self.archive.column("gsd")?.map(|value| match value {
            Some(Value::Float(meters)) => Some(meters),
            _ => None,
        });
        let first = all.next()??;
        all.all(|meters| meters == Some(first)).then_some(first)
    }
}

/// Makes the description of the file of vectors as an asset.
fn asset() -> Json {
    json!({ "title": "Embeddings", "type": PARQUET, "roles": ["data", "embeddings"] })
}

/// Describes how the tiles of an archive were cut, by their keys: in a regular grid if all have one size.
fn layout(archive: &dyn Archive) -> Json {
    let irregular = json!({ "layout_type": "variable_grid" });
    let mut size = None;
    // Columns and rows of pixels at which the tiles of each scene begin.
    let mut starts: BTreeMap<String, [BTreeSet<usize>; 2]> = BTreeMap::new();
    for row in 0..archive.len() {
        let Ok(key) = archive.key(row).parse::<TileKey>() else { return irregular };
        let own = [key.window.height, key.window.width];
        if *size.get_or_insert(own) != own {
            return irregular;
        }
        let [columns, rows] = starts.entry(key.scene).or_default();
        columns.insert(key.window.x);
        rows.insert(key.window.y);
    }
    let Some(size) = size else { return irregular };
    let mut grid = json!({ "layout_type": "regular_grid", "chip_size": size });
    if let (Some(down), Some(across)) = (stride(&starts, 1), stride(&starts, 0)) {
        grid["stride"] = json!([down, across]);
    }
    grid
}

/// Returns the most frequent step from tile to tile, in pixels. If several are equally frequent, the smallest is
/// returned, because missing tiles make larger steps. The last tile of a row is shifted inwards, so its step may
/// differ.
fn stride(starts: &BTreeMap<String, [BTreeSet<usize>; 2]>, at: usize) -> Option<usize> {
    let mut steps: BTreeMap<usize, usize> = BTreeMap::new();
    for starts in starts.values().filter_map(|both| both.get(at)) {
        for (from, to) in starts.iter().zip(starts.iter().skip(1)) {
            *steps.entry(to - from).or_default() += 1;
        }
    }
    steps.into_iter().max_by_key(|&(step, count)| (count, std::cmp::Reverse(step))).map(|(step, _)| step)
}

/// Returns a reference to a file in the same folder (RFC 3986).
fn reference(file: &str) -> String {
    format!("./{}", encoded(file))
}

/// Percent-encodes a name: all bytes except the unreserved characters of RFC 3986.
fn encoded(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}
