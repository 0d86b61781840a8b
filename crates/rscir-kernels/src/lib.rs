//! Matrix products, dot products and the normal distribution, vectorised, each with a plain-Rust twin.
