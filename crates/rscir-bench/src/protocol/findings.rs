/// A row of a benchmark's file about which something is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the file.
    pub file: String,
    /// Line in the file, from 1. In JSON, which may be one line, it is the entry of the list, from 1.
    pub line: u64,
    /// Name of the image: in PatternCom its base name, elsewhere its key.
    pub name: String,
    /// Value of the row.
    pub value: String,
}

/// Everything in a benchmark's files that the protocol does not expect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatasetReport {
    /// Rows that name an image which the archive lacks.
    pub missing: Vec<Finding>,
    /// Rows whose tile is also named by an earlier row of the same file.
    pub duplicates: Vec<Finding>,
    /// Rows that lead to no query, because their category has no other value.
    pub without_queries: Vec<Finding>,
    /// Queries that were left out because the archive lacks all their relevant images. Each is named by its
    /// query image; the relevant images are among [`missing`](Self::missing).
    pub unanswered: Vec<Finding>,
    /// Headers that were skipped.
    pub headers: Vec<Finding>,
    /// Base names that several archive rows have. Only [`Mode::Reference`](crate::Mode::Reference) accepts
    /// them.
    pub ambiguous: Vec<String>,
}
