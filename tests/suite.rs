//! Behaviour across crates, one module per promise.
