//! PKCS#12: the container of keys and certificates that Windows and most tools write.
//!
//! See [RFC 7292](https://www.rfc-editor.org/rfc/rfc7292). The reader follows the structure and takes keys and
//! certificates of every bag. It ignores names, other attributes and other bags.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Tag, Tagged};

use super::contents::Contents;
use super::der_reader::{FIELD_0, children, elements, encoded, explicit, normalized, octets, oid_of, sequence};
use super::der_writer::Bytes;
use super::encryption::decrypt;
use super::mac::verify_mac;
use super::password::{Budget, Password};
use super::private_key::PrivateKey;
use super::problem::Problem;

/// Reads a container, a `PFX`, of which these are the fields. An empty password means none.
///
/// The container is opened with each encoding of the password. The MAC decides between them, if there is one.
pub(super) fn read(fields: &[AnyRef<'_>], password: &str, budget: &Budget) -> Result<Contents, Problem> {
    let (content, mac) = match *fields {
        [_, content] => (content, None),
        [_, content, mac] => (content, Some(mac)),
        _ => return Err(Problem::DamagedContainer),
    };
    let safes = data(&children(content, Tag::Sequence)?)?;
    let mut problem = Problem::WrongPassword;
    for password in Password::candidates(password) {
        match mac.map(|mac| verify_mac(mac, safes, &password, budget)).transpose()? {
            Some(true) => return Opening { password: &password, budget }.safes(safes),
            Some(false) => {}
            None => match (Opening { password: &password, budget }).safes(safes) {
                Ok(contents) => return Ok(contents),
                Err(error) => problem = error,
            },
        }
    }
    Err(problem)
}

/// Decrypts a key in PKCS#8, an `EncryptedPrivateKeyInfo`, of which these are the fields.
pub(super) fn decrypted_key(fields: &[AnyRef<'_>], password: &str, budget: &Budget) -> Result<PrivateKey, Problem> {
    let [algorithm, ciphertext] = *fields else { return Err(Problem::DamagedContainer) };
    let mut key = Err(Problem::WrongPassword);
    for password in Password::candidates(password) {
        key = decrypt(algorithm, octets(ciphertext)?, &password, budget).and_then(|key| PrivateKey::from_pkcs8(&key));
        if key.is_ok() {
            break;
        }
    }
    key
}

/// A container that is being opened with one encoding of its password.
struct Opening<'a> {
    password: &'a Password<'a>,
    budget: &'a Budget,
}

impl Opening<'_> {
    /// Reads an `AuthenticatedSafe`.
    fn safes(&self, bytes: &[u8]) -> Result<Contents, Problem> {
        let mut contents = Contents::default();
        let bytes = normalized(bytes)?;
        for safe in sequence(&bytes)? {
            let fields = children(safe, Tag::Sequence)?;
            match oid_of(*fields.first().ok_or(Problem::DamagedContainer)?)? {
                DATA => self.bags(data(&fields)?, &mut contents, MAX_DEPTH)?,
                ENCRYPTED_DATA => self.bags(&self.decrypted(&fields)?, &mut contents, MAX_DEPTH)?,
                _ => return Err(Problem::UnsupportedContainer),
            }
        }
        Ok(contents)
    }

    /// Decrypts an `EncryptedData`.
    fn decrypted(&self, fields: &[AnyRef<'_>]) -> Result<Bytes, Problem> {
        let [_, encrypted] = fields else { return Err(Problem::DamagedContainer) };
        let fields = children(explicit(*encrypted)?, Tag::Sequence)?;
        let [_, info, ..] = fields[..] else { return Err(Problem::DamagedContainer) };
        let info = children(info, Tag::Sequence)?;
        let [_, algorithm, ciphertext] = info[..] else { return Err(Problem::DamagedContainer) };
        if ciphertext.tag() != FIELD_0 {
            return decrypt(algorithm, ciphertext.value(), self.password, self.budget);
        }
        // In BER, the ciphertext may be in pieces.
        let pieces = elements(ciphertext.value())?.into_iter().map(octets);
        let ciphertext = pieces.collect::<Result<Vec<_>, _>>()?.concat();
        decrypt(algorithm, &ciphertext, self.password, self.budget)
    }

    /// Reads `SafeContents`.
    fn bags(&self, bytes: &[u8], contents: &mut Contents, depth: usize) -> Result<(), Problem> {
        let depth = depth.checked_sub(1).ok_or(Problem::DamagedContainer)?;
        let bytes = normalized(bytes)?;
        for bag in sequence(&bytes)? {
            let fields = children(bag, Tag::Sequence)?;
            let [kind, value, ..] = fields[..] else { return Err(Problem::DamagedContainer) };
            let (kind, value) = (oid_of(kind)?, explicit(value)?);
            match kind {
                KEY_BAG => contents.add_key(PrivateKey::from_pkcs8(&encoded(value)?)?)?,
                SHROUDED_KEY_BAG => {
                    let fields = children(value, Tag::Sequence)?;
                    let [algorithm, ciphertext] = fields[..] else { return Err(Problem::DamagedContainer) };
                    let key = decrypt(algorithm, octets(ciphertext)?, self.password, self.budget)?;
                    contents.add_key(PrivateKey::from_pkcs8(&key)?)?;
                }
                CERTIFICATE_BAG => {
                    let fields = children(value, Tag::Sequence)?;
                    let [kind, value] = fields[..] else { return Err(Problem::DamagedContainer) };
                    if oid_of(kind)? == X509 {
                        contents.add_certificate(octets(explicit(value)?)?)?;
                    }
                }
                SAFE_CONTENTS_BAG => self.bags(&encoded(value)?, contents, depth)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns the bytes of a `ContentInfo` with the content type "data".
fn data<'a>(fields: &[AnyRef<'a>]) -> Result<&'a [u8], Problem> {
    match fields {
        [kind, content] if oid_of(*kind)? == DATA => octets(explicit(*content)?),
        // A container that is signed in place of a MAC.
        _ => Err(Problem::UnsupportedContainer),
    }
}

/// Bags in bags. No tool writes them.
const MAX_DEPTH: usize = 4;

pub(super) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
pub(super) const SHROUDED_KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
pub(super) const CERTIFICATE_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const SAFE_CONTENTS_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.6");
pub(super) const X509: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
pub(super) const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");
