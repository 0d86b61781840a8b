/// Names of the columns of keys and vectors in Parquet files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Name of the column of keys, of text or whole numbers. Default: `None`, which takes the first of `key`,
    /// `unique_id`, `id` and `tile_id` that the file has. Without any of them, keys are made of the file's name and
    /// the row's number.
    pub key_column: Option<String>,
    /// Name of the column of vectors. Default: `None`, which takes the first of `embedding`, `embeddings` and
    /// `vector` that the file has.
    pub embedding_column: Option<String>,
}

impl ReadOptions {
    /// Sets the name of the column of keys. Default: the first of `key`, `unique_id`, `id` and `tile_id`.
    #[must_use]
    pub fn key_column(mut self, name: impl Into<String>) -> Self {
        self.key_column = Some(name.into());
        self
    }

    /// Sets the name of the column of vectors. Default: the first of `embedding`, `embeddings` and `vector`.
    #[must_use]
    pub fn embedding_column(mut self, name: impl Into<String>) -> Self {
        self.embedding_column = Some(name.into());
        self
    }
}
