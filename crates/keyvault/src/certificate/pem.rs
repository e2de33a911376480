//! PEM: blocks of base64 between `BEGIN` and `END`, in any order and with any text around them.

use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, decoded_len_estimate};
use zeroize::Zeroizing;

use super::contents::Contents;
use super::der_value;
use super::der_writer::Bytes;
use super::password::Budget;
use super::problem::Problem;

/// Returns whether `text` has a block.
pub(super) fn is_pem(text: &str) -> bool {
    text.contains(BEGIN)
}

/// Reads the keys and certificates in `text`. Blocks of other kinds are left out.
///
/// The label of a block only says whether it is read, because tools write each of these values under labels of others.
pub(super) fn read(text: &str, password: &str, budget: &Budget) -> Result<Contents, Problem> {
    let mut contents = Contents::default();
    let mut rest = text;
    while let Some((_, block)) = rest.split_once(BEGIN) {
        let (label, after) = block.split_once(DASHES).ok_or(Problem::NotACertificate)?;
        let (body, after) = after.split_once(END).ok_or(Problem::NotACertificate)?;
        let after = after.strip_prefix(label).and_then(|after| after.strip_prefix(DASHES));
        rest = after.ok_or(Problem::NotACertificate)?;
        let is_read = match label {
            // Windows writes PKCS#12 as a certificate, and GnuTLS under its name.
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" | "PKCS7" | "CMS" | "PKCS12" => true,
            _ => label.ends_with("PRIVATE KEY"),
        };
        match is_read.then(|| value(label, body, password, budget)) {
            Some(Ok(part)) => contents.append(part)?,
            Some(Err(problem)) => contents.skip(problem)?,
            None => {}
        }
    }
    Ok(contents)
}

/// Reads the body of a block.
fn value(label: &str, body: &str, password: &str, budget: &Budget) -> Result<Contents, Problem> {
    // The old encryption of OpenSSL, before PKCS#8.
    if body.contains("ENCRYPTED") {
        return Err(Problem::OldEncryption);
    }
    let bytes = decode_base64(without_headers(body)).ok_or(Problem::Unparsable)?;
    der_value::read(&bytes, password, budget).map_err(|problem| match label {
        _ if problem != Problem::DamagedContainer => problem,
        "PKCS12" => problem,
        "OPENSSH PRIVATE KEY" => Problem::OpensshKey,
        _ => Problem::Unparsable,
    })
}

/// Returns the base64 after headers, such as `Comment: app.example`.
fn without_headers(body: &str) -> &str {
    match body.rsplit_once(':') {
        Some((_, last)) => last.split_once(['\n', '\r']).map_or("", |(_, after)| after),
        None => body,
    }
}

/// Decodes base64 with any white space in it, and with the `\n`, `\r` and `\t` that remain where a variable or a JSON
/// document was copied. `None` for any other text.
pub(super) fn decode_base64(text: &str) -> Option<Bytes> {
    let mut packed = Zeroizing::new(String::with_capacity(text.len()));
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.next().is_some_and(|next| matches!(next, 'n' | 'r' | 't')) => {}
            letter if letter.is_ascii_whitespace() => {}
            letter => packed.push(letter),
        }
    }
    let mut decoded = Zeroizing::new(vec![0; decoded_len_estimate(packed.len())]);
    let length = BASE64.decode_slice(packed.as_bytes(), &mut decoded).ok()?;
    decoded.truncate(length);
    Some(decoded)
}

/// Base64 with its padding, or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Writes one block.
pub(super) fn block(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(azure_core::base64::encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(body.len() + body.len() / 32 + 2 * label.len() + 64));
    pem.extend([BEGIN, label, DASHES, "\n"]);
    // Base64 is ASCII, so every index is a boundary of characters.
    for start in (0..body.len()).step_by(LINE) {
        pem.extend([&body[start..body.len().min(start + LINE)], "\n"]);
    }
    pem.extend([END, label, DASHES, "\n"]);
    pem
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const LINE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_people_paste_it() {
        for text in ["AQID/w==", "AQ ID\r\n/w==\n", "AQID/w", r"AQID\n\t/w==\r\n"] {
            assert_eq!(decode_base64(text).unwrap().as_slice(), [1, 2, 3, 255], "{text}");
        }
        for text in ["AQID-w==", "A", r"AQ\xID", "Ä"] {
            assert!(decode_base64(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_block_has_lines_of_64_letters() {
        let pem = block("CERTIFICATE", &[0; 49]);
        let lines: Vec<usize> = pem.lines().map(str::len).collect();
        assert_eq!(lines, [27, 64, 4, 25]);
    }
}
