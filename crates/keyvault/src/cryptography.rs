//! The cryptography of TLS: one provider for every part of this crate that needs one.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Returns the provider that the program installed for the whole process, or the one that the features choose.
///
/// The default is `ring`. `aws-lc-rs`, which has post-quantum key exchange, gathers entropy before its first handshake,
/// which blocks a thread for 25 ms. It wins if both are enabled.
pub(crate) fn provider() -> Option<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned().or_else(built_in_provider)
}

#[cfg(feature = "aws-lc-rs")]
fn built_in_provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn built_in_provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn built_in_provider() -> Option<Arc<CryptoProvider>> {
    None
}
