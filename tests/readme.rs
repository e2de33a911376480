//! The Rust examples of the README and of the guides, as doctests: each must compile.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/references.md")]
struct References;

#[cfg(doctest)]
#[doc = include_str!("../docs/names.md")]
struct Names;

#[cfg(doctest)]
#[doc = include_str!("../docs/opentelemetry.md")]
struct OpenTelemetry;

#[cfg(doctest)]
#[doc = include_str!("../docs/refresh-and-failure.md")]
struct RefreshAndFailure;
