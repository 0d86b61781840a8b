//! Tiles as they are, before anything is asked: what a page begins with, and the tile of a key.

use std::collections::BTreeMap;

use rscir_core::Archive;
use rscir_page::Ring;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::rank::{Allowed, allowed};
use crate::request::{MAX_TOP, Narrowing, count};
use crate::source::Snapshot;
use crate::state::State;
use crate::vectors::no_such_key;

/// Tiles of a listing without being told: those that fill a large screen twice.
const DEFAULT_TOP: usize = 48;

/// What of the archive is listed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListingQuery {
    key: Option<String>,
    #[serde(rename = "where")]
    condition: Option<String>,
    within: Option<String>,
    top: Option<u64>,
}

/// Tiles without a rank.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListingAnswer {
    /// The snapshot of the archive that answered; rows belong to it.
    version: String,
    /// How many rows the archive has.
    rows: usize,
    /// How many of them `where` and `within` leave.
    matching: usize,
    tiles: Vec<TileAnswer>,
}

/// A tile as the archive has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TileAnswer {
    row: usize,
    key: String,
    /// Where its picture is.
    picture: String,
    #[schema(value_type = Object)]
    columns: BTreeMap<String, serde_json::Value>,
    /// Closed rings of longitude and latitude.
    #[schema(value_type = Vec<Vec<[f64; 2]>>)]
    rings: Vec<Ring>,
}

/// Lists the tile of a key, or tiles that lie as far from each other in the order of rows as can be: a few of them show what
/// there is.
pub(crate) fn list(state: &State, asked: ListingQuery) -> Result<ListingAnswer, Problem> {
    let narrowing = Narrowing::new(asked.condition, asked.within.as_deref().map(bounds).transpose()?)?;
    let top = count("top", asked.top, DEFAULT_TOP, MAX_TOP)?;
    state.source.look();
    let snapshot = state.source.current();
    let archive = &*snapshot.archive;
    let allowed = allowed(state, &snapshot, &narrowing, &[])?;
    let rows = match &asked.key {
        Some(key) => vec![archive.find(key).ok_or_else(|| no_such_key(archive, key).at("key"))?],
        None => spread(&allowed, archive.len(), top),
    };
    let tile = |row| TileAnswer {
        row,
        key: archive.key(row).into(),
        picture: picture(&snapshot, row),
        columns: columns(archive, row),
        rings: rings(state, archive, row),
    };
    Ok(ListingAnswer {
        version: snapshot.version.clone(),
        rows: archive.len(),
        matching: allowed.matching,
        tiles: rows.into_iter().map(tile).collect(),
    })
}

/// Chooses `top` of the rows that are left, or all of them, evenly spread.
fn spread(allowed: &Allowed, rows: usize, top: usize) -> Vec<usize> {
    let count = top.min(allowed.matching);
    let mut places = (0..count).map(|i| i * allowed.matching / count).peekable();
    let matching = (0..rows).filter(|&row| allowed.contains(row)).enumerate();
    matching.filter(|(place, _)| places.next_if_eq(place).is_some()).map(|(_, row)| row).collect()
}

/// Reads west, south, east and north as an address has them.
fn bounds(text: &str) -> Result<[f64; 4], Problem> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    let bounds = numbers.ok().and_then(|numbers| <[f64; 4]>::try_from(numbers).ok());
    let message = "within is four numbers with commas between: west, south, east, north";
    bounds.ok_or_else(|| Problem::field("within", message))
}

/// Returns where the picture of a row is.
pub(crate) fn picture(snapshot: &Snapshot, row: usize) -> String {
    format!("/api/tiles/{row}?version={}", snapshot.version)
}

/// Returns what the columns hold for a row.
pub(crate) fn columns(archive: &dyn Archive, row: usize) -> BTreeMap<String, serde_json::Value> {
    let columns = archive.columns().into_iter();
    columns.filter_map(|(name, _)| Some((name.to_string(), json!(archive.value(name, row)?)))).collect()
}

/// Returns where a row lies.
pub(crate) fn rings(state: &State, archive: &dyn Archive, row: usize) -> Vec<Ring> {
    state.places.as_ref().map(|places| places.rings(archive, row)).unwrap_or_default()
}
