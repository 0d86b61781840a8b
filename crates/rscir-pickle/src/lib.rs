//! Reads untrusted Python pickles by an allow-list, executing nothing.
