//! The shared nouns and traits of rscir: embeddings, encoders, archives, methods and rankings.
