use std::fmt;
use std::path::PathBuf;

/// Most rows that are named. Further ones are counted alone, so that memory does not grow with their number.
const NAMED: usize = 1000;

/// Origin of a row: a file, and the row in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowPlace {
    /// Path of the file.
    pub file: PathBuf,
    /// Number of the row in the file, from 0.
    pub row: u64,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeftOut {
    /// File and number of the row.
    pub place: RowPlace,
    /// Reason for which the row was left out.
    pub reason: LeftOutReason,
}

/// Reason for which a row was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeftOutReason {
    /// All numbers of the vector are zero, so it has no direction.
    Zero,
    /// A number of the vector is NaN, infinite or missing.
    NotFinite,
    /// The row has no vector.
    NoVector,
    /// The key is missing or empty.
    NoKey,
    /// An earlier row of the files has the same key, and is kept.
    DuplicateKey,
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "all numbers are zero",
            Self::NotFinite => "a number is missing or not finite",
            Self::NoVector => "there is no vector",
            Self::NoKey => "there is no key",
            Self::DuplicateKey => "an earlier row has the same key",
        })
    }
}

/// Rows and values that were not read as they are. All of them are counted, and the first ones are named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Number of rows that were left out.
    pub left_out: u64,
    /// The first rows that were left out, at most a thousand.
    pub named: Vec<LeftOut>,
    /// Number of rows that were read without a place although their file has a column of geometries: the geometry
    /// is missing, cannot be read, or is in a coordinate system that is unknown.
    pub unplaced: u64,
    /// The first of the rows without a place, and what is wrong with its geometry.
    pub first_unplaced: Option<(RowPlace, String)>,
    /// Number of values that no column of an archive can hold, such as lists with gaps. Their rows were read
    /// without them.
    pub without_value: u64,
    /// Row of the first such value, and the name of its column.
    pub first_without_value: Option<(RowPlace, String)>,
}

impl Tally {
    /// Counts a row that is left out.
    pub(crate) fn leave_out(&mut self, place: RowPlace, reason: LeftOutReason) {
        self.left_out += 1;
        if self.named.len() < NAMED {
            self.named.push(LeftOut { place, reason });
        }
    }

    /// Counts a row without a place.
    pub(crate) fn unplaced(&mut self, place: impl FnOnce() -> RowPlace, problem: &dyn fmt::Display) {
        self.unplaced += 1;
        if self.first_unplaced.is_none() {
            self.first_unplaced = Some((place(), problem.to_string()));
        }
    }

    /// Counts a value that no column of an archive can hold.
    pub(crate) fn without_value(&mut self, place: impl FnOnce() -> RowPlace, column: &str) {
        self.without_value += 1;
        if self.first_without_value.is_none() {
            self.first_without_value = Some((place(), column.into()));
        }
    }

    /// Adds the tally of the rows that follow.
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
