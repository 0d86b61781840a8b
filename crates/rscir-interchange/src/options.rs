/// Which columns of a file are its keys and its vectors, where their names do not say so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// The column of keys. `None`: `key`, `unique_id`, `id` or `tile_id`, whichever is there first in this order, else the file's
    /// name and the row's number.
    pub key_column: Option<String>,
    /// The column of vectors. `None`: `embedding`, `embeddings` or `vector`, whichever is there first in this order.
    pub embedding_column: Option<String>,
}

impl ReadOptions {
    /// Sets the column of keys.
    #[must_use]
    pub fn key_column(mut self, name: impl Into<String>) -> Self {
        self.key_column = Some(name.into());
        self
    }

    /// Sets the column of vectors.
    #[must_use]
    pub fn embedding_column(mut self, name: impl Into<String>) -> Self {
        self.embedding_column = Some(name.into());
        self
    }
}
