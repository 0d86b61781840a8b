use std::fmt;
use std::path::PathBuf;

/// Rows that are named; the rest is counted, so that memory does not grow with them.
const NAMED: usize = 1000;

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowPlace {
    /// The file.
    pub file: PathBuf,
    /// Its number in the file, from 0.
    pub row: u64,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeftOut {
    /// Where it stands.
    pub place: RowPlace,
    /// Why.
    pub reason: LeftOutReason,
}

/// Why a row was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeftOutReason {
    /// All numbers of its vector are zero: it has no direction.
    Zero,
    /// A number of its vector is NaN, infinite or missing.
    NotFinite,
    /// It has no vector.
    NoVector,
    /// Its key is missing or empty.
    NoKey,
    /// An earlier row of the files has its key, and stays.
    DuplicateKey,
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "all numbers are zero",
            Self::NotFinite => "a number is missing or not finite",
            Self::NoVector => "there is no vector",
            Self::NoKey => "there is no key",
            Self::DuplicateKey => "an earlier row has its key",
        })
    }
}

/// What was not taken as it stands: everything is counted, and what comes first is named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Rows that were left out.
    pub left_out: u64,
    /// The first thousand of them.
    pub named: Vec<LeftOut>,
    /// Rows that have a geometry of which no place is known.
    pub unplaced: u64,
    /// The first of them, and what is wrong with its geometry.
    pub first_unplaced: Option<(RowPlace, String)>,
    /// Values that columns of an archive cannot hold, such as lists with gaps: their rows have none.
    pub without_value: u64,
    /// The first of them, and its column.
    pub first_without_value: Option<(RowPlace, String)>,
}

impl Tally {
    pub(crate) fn leave_out(&mut self, place: RowPlace, reason: LeftOutReason) {
        self.left_out += 1;
        if self.named.len() < NAMED {
            self.named.push(LeftOut { place, reason });
        }
    }

    pub(crate) fn unplaced(&mut self, place: impl FnOnce() -> RowPlace, problem: &dyn fmt::Display) {
        self.unplaced += 1;
        if self.first_unplaced.is_none() {
            self.first_unplaced = Some((place(), problem.to_string()));
        }
    }

    pub(crate) fn without_value(&mut self, place: impl FnOnce() -> RowPlace, column: &str) {
        self.without_value += 1;
        if self.first_without_value.is_none() {
            self.first_without_value = Some((place(), column.into()));
        }
    }

    /// Adds what came after.
    pub(crate) fn append(&mut self, later: Self) {
        self.left_out += later.left_out;
        let room = NAMED - self.named.len().min(NAMED);
        self.named.extend(later.named.into_iter().take(room));
        self.unplaced += later.unplaced;
        self.first_unplaced = self.first_unplaced.take().or(later.first_unplaced);
        self.without_value += later.without_value;
        self.first_without_value = self.first_without_value.take().or(later.first_without_value);
    }
}
