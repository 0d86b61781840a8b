//! CLIP-like image and text encoders in pure Rust on candle: checkpoints, tokenizers, preprocessing, pipeline.
