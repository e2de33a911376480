//! In the place of the crate's statuses.

#[derive(Clone, Copy, Debug)]
pub enum ReferenceStatus {
    FetchTimedOut,
    MsiNotEnabled,
}
