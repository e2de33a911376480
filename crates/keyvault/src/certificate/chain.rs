//! The order of a chain: each certificate before the one that issued it.

use super::x509::X509;

/// Returns the best leaf of `own`, the certificates of one key: the issued ones before the self-signed ones, and among
/// them the one that expires last. So a renewed certificate wins over the one that it replaces.
pub(super) fn leaf<'c>(own: &[&'c X509]) -> Option<&'c X509> {
    own.iter().copied().max_by_key(|it| (!it.is_self_issued(), it.expires))
}

/// Returns `leaf` and the certificates that issued it, as far as they are in `certificates`. Others are left out.
///
/// Of several certificates of one issuer, such as those of a root that another root signed too, the one that expires
/// last is taken. No certificate is taken twice, so that certificates which issued each other end the chain.
pub(super) fn chain<'c>(leaf: &'c X509, certificates: &'c [X509]) -> Vec<&'c X509> {
    let mut chain = vec![leaf];
    let mut last = leaf;
    while !last.is_self_issued() {
        let issuers = certificates.iter().filter(|it| last.may_be_issued_by(it));
        let unused = issuers.filter(|it| !chain.iter().any(|used| used.der == it.der));
        let Some(issuer) = unused.max_by_key(|it| it.expires) else { break };
        chain.push(issuer);
        last = issuer;
    }
    chain
}
