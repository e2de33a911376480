//! A stand-in for the crate's statuses.

#[derive(Clone, Copy, Debug)]
pub enum ReferenceStatus {
    FetchTimedOut,
    MsiNotEnabled,
}
