/// A row of a benchmark's file that something is reported of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the file.
    pub file: String,
    /// Line in it, from 1; for JSON, which may be one line, the entry of its list, from 1.
    pub line: u64,
    /// Name of the image: its base name in PatternCom, elsewhere its key.
    pub name: String,
    /// The row's value.
    pub value: String,
}

/// What a benchmark's files hold that the protocol does not expect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatasetReport {
    /// Rows that name an image which the archive lacks.
    pub missing: Vec<Finding>,
    /// Rows whose tile an earlier row of the same file names.
    pub duplicates: Vec<Finding>,
    /// Rows that ask nothing, since their category has no other value.
    pub without_queries: Vec<Finding>,
    /// Queries that were left out, since the archive lacks every image that would answer them. Each is named by its query
    /// image; the images that would answer are among [`missing`](Self::missing).
    pub unanswered: Vec<Finding>,
    /// Headers that were skipped.
    pub headers: Vec<Finding>,
    /// Base names that several archive rows have; only [`Mode::Reference`](crate::Mode::Reference) goes on then.
    pub ambiguous: Vec<String>,
}
