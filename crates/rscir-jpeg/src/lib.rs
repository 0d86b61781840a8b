//! A JPEG decoder in safe Rust that gives the pixels of libjpeg-turbo, byte for byte.
