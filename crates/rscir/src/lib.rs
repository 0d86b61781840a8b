//! Composed image retrieval for remote sensing.
