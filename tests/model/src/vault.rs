//! In the place of the crate's vaults.

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vault;
