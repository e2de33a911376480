//! A stand-in for the crate's vaults.

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vault;
