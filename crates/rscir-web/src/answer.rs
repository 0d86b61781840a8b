//! What a search answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use rscir_page::Ring;
use serde::Serialize;
use utoipa::ToSchema;

use crate::digest::key_of;
use crate::incoming::Files;
use crate::listing;
use crate::lists::{Distribution, List, Lists};
use crate::problem::Problem;
use crate::rank::{Ranked, allowed, rank};
use crate::request::{Query, SearchRequest};
use crate::source::Snapshot;
use crate::state::State;
use crate::vectors::{SentAnswer, encode};

/// The best tiles for a query.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchAnswer {
    /// The snapshot of the archive that answered; rows belong to it.
    version: String,
    /// How many rows the archive has.
    rows: usize,
    /// How many of them may be in the answer.
    matching: usize,
    /// The method that ranked.
    method: String,
    /// The weight of the text; null if the method has none.
    lambda: Option<f64>,
    offset: usize,
    /// What to know about the answer.
    notes: Vec<String>,
    /// The images that were asked with.
    images: Vec<SentAnswer>,
    distributions: Distributions,
    /// How long the server worked on it, in milliseconds.
    took_ms: f64,
    hits: Vec<HitAnswer>,
}

/// What the similarities of all rows are like.
#[derive(Serialize, ToSchema)]
pub(crate) struct Distributions {
    /// To what is asked with as images.
    image: Option<Distribution>,
    /// To what is asked with as texts.
    text: Option<Distribution>,
}

/// One tile of an answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct HitAnswer {
    /// Its place, from 1.
    pub(crate) rank: usize,
    pub(crate) row: usize,
    pub(crate) key: String,
    /// Null if it is not a number.
    pub(crate) score: f32,
    pub(crate) image: Option<PartAnswer>,
    pub(crate) text: Option<PartAnswer>,
    /// Where its picture is.
    picture: String,
    #[schema(value_type = Object)]
    pub(crate) columns: BTreeMap<String, serde_json::Value>,
    /// Closed rings of longitude and latitude.
    #[schema(value_type = Vec<Vec<[f64; 2]>>)]
    pub(crate) rings: Vec<Ring>,
}

/// What a part of the query contributes to a tile.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct PartAnswer {
    /// The cosine of the angle between the vectors.
    pub(crate) similarity: f32,
    /// The normal CDF of its z-score among those of all rows, from 0 to 1.
    pub(crate) cdf: f64,
}

/// An answer before it is written down: a snapshot with a ranking of its rows.
pub(crate) struct Found {
    snapshot: Arc<Snapshot>,
    query: Query,
    ranked: Ranked,
    lists: Arc<Lists>,
    images: Vec<SentAnswer>,
    matching: usize,
    asked: usize,
}

impl Found {
    /// Answers a request.
    pub(crate) fn new(state: &State, request: SearchRequest, files: &Files) -> Result<Self, Problem> {
        let query = request.check()?;
        state.source.look();
        let snapshot = state.source.current();
        let archive = &*snapshot.archive;
        let encoded = encode(state, archive, &query, files)?;
        let key = key_of(&(&snapshot.version, encoded.identity));
        let lists = state.lists_of(key, || Lists::new(archive, &encoded.query))?;
        let allowed = allowed(state, &snapshot, &query.narrowing, &encoded.rows)?;
        let ranked = rank(state, &snapshot, &query, &encoded, &lists, &allowed)?;
        let (images, asked, matching) = (encoded.images, encoded.rows.len(), allowed.matching);
        Ok(Self { snapshot, query, ranked, lists, images, matching, asked })
    }

    /// Returns the names of the archive's columns, sorted.
    pub(crate) fn columns(&self) -> Vec<String> {
        self.snapshot.archive.columns().into_iter().map(|(name, _)| name.into()).collect()
    }

    /// Returns what the archive's columns hold for rows.
    #[cfg(feature = "tables")]
    pub(crate) fn values_of(&self, rows: &[usize]) -> Vec<(String, rscir_index::Column)> {
        use rscir_core::{ColumnType, Value};
        use rscir_index::Column;
        let archive = &*self.snapshot.archive;
        macro_rules! of_type {
            ($name:expr, $variant:ident, $value:ident => $owned:expr) => {
                Column::$variant(
                    rows.iter()
                        .map(|&row| match archive.value($name, row) {
                            Some(Value::$variant($value)) => Some($owned),
                            _ => None,
                        })
                        .collect(),
                )
            };
        }
        let column = |(name, column_type): (&str, ColumnType)| {
            let column = match column_type {
                ColumnType::Text => of_type!(name, Text, value => value.to_string()),
                ColumnType::Int => of_type!(name, Int, value => value),
                ColumnType::Float => of_type!(name, Float, value => value),
                ColumnType::Bool => of_type!(name, Bool, value => value),
                ColumnType::Date => of_type!(name, Date, value => value),
                ColumnType::Floats => of_type!(name, Floats, value => value.to_vec()),
            };
            (name.to_string(), column)
        };
        archive.columns().into_iter().map(column).collect()
    }

    /// Returns the vectors of rows, one after the other, with what decides them.
    #[cfg(feature = "tables")]
    pub(crate) fn vectors_of(&self, rows: &[usize]) -> (rscir_core::EncoderSpec, Vec<f32>) {
        let archive = &*self.snapshot.archive;
        let vectors = rows.iter().flat_map(|&row| archive.vector(row).into_owned()).collect();
        (archive.spec().clone(), vectors)
    }

    pub(crate) fn method(&self) -> &str {
        &self.ranked.method
    }

    /// Returns the hits that are asked for.
    pub(crate) fn hits(&self, state: &State) -> Vec<HitAnswer> {
        let archive = &*self.snapshot.archive;
        let hit = |(place, &(row, score)): (usize, &(usize, f32))| HitAnswer {
            rank: place + 1,
            row,
            key: archive.key(row).into(),
            score,
            image: part(self.lists.image.as_ref(), row),
            text: part(self.lists.text.as_ref(), row),
            picture: listing::picture(&self.snapshot, row),
            columns: listing::columns(archive, row),
            rings: listing::rings(state, archive, row),
        };
        self.ranked.rows.iter().enumerate().skip(self.query.offset).map(hit).collect()
    }

    /// Writes the answer down.
    pub(crate) fn answer(self, state: &State, began: Instant) -> SearchAnswer {
        let hits = self.hits(state);
        let mut notes = self.ranked.notes;
        if self.asked > 0 {
            notes.push(format!("Tiles that were asked with are left out: {}.", self.asked));
        }
        if state.source.is_stale() {
            notes.push(
                "The archive has changed and cannot be read: this answer is of what it was before.".into(),
            );
        }
        let of = |list: &Option<List>| list.as_ref().map(|list| list.distribution.clone());
        SearchAnswer {
            version: self.snapshot.version.clone(),
            rows: self.snapshot.archive.len(),
            matching: self.matching,
            method: self.ranked.method,
            lambda: self.ranked.lambda,
            offset: self.query.offset,
            notes,
            images: self.images,
            distributions: Distributions { image: of(&self.lists.image), text: of(&self.lists.text) },
            took_ms: began.elapsed().as_secs_f64() * 1e3,
            hits,
        }
    }
}

fn part(list: Option<&List>, row: usize) -> Option<PartAnswer> {
    let list = list?;
    Some(PartAnswer { similarity: *list.similarities.get(row)?, cdf: list.cdf(row)? })
}
