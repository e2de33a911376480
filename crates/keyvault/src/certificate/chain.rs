//! The issuers of certificates: which certificate is a key's own, and the order of its chain.

use std::time::SystemTime;

use rustls::crypto::WebPkiSupportedAlgorithms;

use super::password::Budget;
use super::x509::{PublicKey, X509};

/// The certificates of a value, each with the one among them that issued it.
pub(super) struct Chains<'c> {
    certificates: &'c [X509],
    /// By index. The issuer of a self-signed certificate is itself.
    issuers: Vec<Option<usize>>,
}

/// The rank of a leaf: it issued none of the others, is not self-signed, is valid now, and expires last.
pub(super) type Rank = (bool, bool, bool, SystemTime);

impl<'c> Chains<'c> {
    /// Finds the issuers.
    ///
    /// Names and key identifiers are the same for authorities that were set up twice, or are missing or written in
    /// another way. So of several candidates it is one whose key made the signature, and then the one that expires
    /// last. Without a signature that can be verified, the name and the key identifiers decide.
    pub(super) fn new(certificates: &'c [X509], algorithms: &WebPkiSupportedAlgorithms, budget: &Budget) -> Self {
        let issuer = |at: usize, it: &X509| {
            let candidates = certificates.iter().enumerate().filter_map(|(candidate, issuer)| {
                let may_be = it.may_be_issued_by(issuer);
                let is_near = may_be || it.resembles_subject_of(issuer);
                let is_signed = is_near && budget.take_check().is_ok() && it.is_signed_by(issuer, algorithms);
                (is_signed || may_be).then_some((is_signed, candidate == at, issuer.expires, candidate))
            });
            candidates.max().map(|(.., issuer)| issuer)
        };
        Self { certificates, issuers: certificates.iter().enumerate().map(|(at, it)| issuer(at, it)).collect() }
    }

    /// Returns the best certificate of a private key, with its index and its rank. `None` if there is none. `is_own`
    /// says whether a public key is that of the private key.
    ///
    /// So a renewed certificate wins over the one that it replaces, and an issued one over a self-signed request.
    pub(super) fn leaf(&self, is_own: impl Fn(&PublicKey) -> bool) -> Option<(Rank, usize)> {
        let now = SystemTime::now();
        let own = self.certificates.iter().enumerate().filter(|(_, it)| is_own(&it.public_key));
        own.map(|(at, it)| {
            let mut others = self.issuers.iter().enumerate().filter(|(other, _)| *other != at);
            let is_issuer = others.any(|(_, issuer)| *issuer == Some(at));
            let is_valid = (it.not_before..=it.expires).contains(&now);
            ((!is_issuer, self.issuers[at] != Some(at), is_valid, it.expires), at)
        })
        .max()
    }

    /// Returns a leaf and the certificates that issued it, as far as they are there, and whether the last one is
    /// self-signed. Others are left out.
    ///
    /// No certificate is taken twice, so that certificates which issued each other end the chain.
    pub(super) fn chain(&self, leaf: usize) -> (Vec<&'c X509>, bool) {
        let mut chain = vec![leaf];
        let mut last = leaf;
        while let Some(issuer) = self.issuers[last].filter(|issuer| !chain.contains(issuer)) {
            chain.push(issuer);
            last = issuer;
        }
        (chain.into_iter().map(|at| &self.certificates[at]).collect(), self.issuers[last] == Some(last))
    }
}
