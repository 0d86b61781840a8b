//! Archives of normalised embeddings, in memory and on disk, with exact composed search.
