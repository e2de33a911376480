//! The order of a chain: each certificate before the one that issued it.

use super::x509::X509;

/// Returns the certificate of a public key, in DER. `None` if there is none.
///
/// Of several, it is an issued one before a self-signed one, and then the one that expires last. So a renewed
/// certificate wins over the one that it replaces.
pub(super) fn leaf<'c>(public_key: Option<&[u8]>, certificates: &'c [X509]) -> Option<&'c X509> {
    let own = certificates.iter().filter(|it| Some(it.public_key_info.as_slice()) == public_key);
    own.max_by_key(|it| (!it.is_self_signed(), it.expires))
}

/// Returns `leaf` and the certificates that issued it, as far as they are in `certificates`. Others are left out.
///
/// Of several certificates of one issuer, such as those of a root that another root signed too, the one that expires
/// last is taken. No certificate is taken twice, so that certificates which issued each other end the chain.
pub(super) fn chain<'c>(leaf: &'c X509, certificates: &'c [X509]) -> Vec<&'c X509> {
    let mut chain = vec![leaf];
    let mut last = leaf;
    while !last.is_self_signed() {
        let issuers = certificates.iter().filter(|it| last.may_be_issued_by(it));
        let unused = issuers.filter(|it| !chain.iter().any(|used| used.der == it.der));
        let Some(issuer) = unused.max_by_key(|it| it.expires) else { break };
        chain.push(issuer);
        last = issuer;
    }
    chain
}
