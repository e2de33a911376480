//! The frameworks that have an adapter.

/// A framework on which a test runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framework {
    /// The crate `config`.
    Config,
    /// The crate `figment`.
    Figment,
}

/// Every framework.
pub const BOTH: [Framework; 2] = [Framework::Config, Framework::Figment];
