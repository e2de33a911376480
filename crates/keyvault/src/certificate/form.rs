//! The form of a value: PKCS#12, PEM, or JSON with either.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::contents::Contents;
use super::password::Budget;
use super::problem::Problem;
use super::{der_value, pem};
use crate::json_string::unescaped;

/// Reads a value, which shows its form itself, within the budget.
pub(super) fn read(bytes: &[u8], password: &str, budget: &Budget) -> Result<Contents, Problem> {
    if bytes.len() > MOST_BYTES {
        return Err(Problem::TooLarge);
    }
    read_nested(bytes, password, budget, MAX_DEPTH)
}

/// The largest value, in bytes. A vault keeps 25 KB.
const MOST_BYTES: usize = 1024 * 1024;

fn read_nested(bytes: &[u8], password: &str, budget: &Budget, depth: usize) -> Result<Contents, Problem> {
    let depth = depth.checked_sub(1).ok_or(Problem::NotACertificate)?;
    let utf16 = utf16(bytes);
    let text = utf16.as_ref().map_or_else(|| std::str::from_utf8(bytes), |text| Ok(text.as_str()));
    let Ok(text) = text else { return binary(bytes, password, budget) };
    let text = text.trim_start_matches('\u{feff}').trim_ascii();
    if let Some(text) = json_string(text) {
        return read_nested(text.as_bytes(), password, budget, depth);
    }
    if let Some(members) = JsonParts::parse(text) {
        return members.read(password, budget, depth);
    }
    if pem::is_pem(text) {
        return pem::read(text, password, budget);
    }
    // Quotes of a shell or of YAML.
    match pem::decode_base64(text.trim_matches(['"', '\''])).filter(|decoded| !decoded.is_empty()) {
        Some(decoded) => read_nested(&decoded, password, budget, depth),
        None => binary(bytes, password, budget),
    }
}

/// The base64 of a Kubernetes secret in JSON, with the base64 of PEM, has seven levels. Each level is read once, so the
/// work is at most this number of times the size of the value.
const MAX_DEPTH: usize = 16;

/// Decodes UTF-16, as Windows writes text, with a mark of the byte order or without. `None` for other bytes.
fn utf16(bytes: &[u8]) -> Option<Zeroizing<String>> {
    // Every form begins with ASCII, and none has a zero after it.
    let unit = match bytes {
        [0xff, 0xfe, ..] | [_, 0, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] | [0, _, ..] => u16::from_be_bytes,
        _ => return None,
    };
    // A unit has at most three bytes in UTF-8, so the buffer never grows.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() / 2 * 3));
    for letter in char::decode_utf16(bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]))) {
        text.push(letter.ok()?);
    }
    Some(text)
}

fn binary(bytes: &[u8], password: &str, budget: &Budget) -> Result<Contents, Problem> {
    match bytes {
        [0x30, length, ..] => der_value::read(bytes, password, budget).map_err(|problem| match problem {
            // Every container has more than 127 bytes, so this is the base64 of something else.
            Problem::DamagedContainer if *length < 0x80 => Problem::NotACertificate,
            problem => problem,
        }),
        _ => Err(Problem::NotACertificate),
    }
}

/// Returns the text of `json`. `None` if it is not one string.
fn json_string(json: &str) -> Option<Zeroizing<String>> {
    let is_string = json.starts_with('"') && serde_json::from_str::<&RawValue>(json).is_ok();
    is_string.then(|| unescaped(json)).flatten()
}

/// The values in a JSON object or array, each of which may have a part of the certificate.
///
/// App Service and old virtual machines store the container in `data`. Other tools write the key and the certificates
/// into members of their own, in objects of any depth. The member `password` opens what is encrypted in the others.
struct JsonParts<'a> {
    values: Vec<&'a RawValue>,
    password: Option<Zeroizing<String>>,
}

impl<'a> JsonParts<'a> {
    /// Returns `None` if `text` is not a JSON object or array. It may have PEM all the same.
    fn parse(text: &'a str) -> Option<Self> {
        if text.starts_with('[') {
            return Some(Self { values: serde_json::from_str(text).ok()?, password: None });
        }
        let members = text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
        let mut members: BTreeMap<String, &RawValue> = members?;
        // .NET writes names with a capital.
        let name = members.keys().find(|name| name.eq_ignore_ascii_case("password")).cloned();
        let password = name.and_then(|name| members.remove(&name)).and_then(|password| match password.get() {
            json if json.starts_with(|first: char| first.is_ascii_digit() || first == '-') => {
                Some(Zeroizing::new(json.to_owned()))
            }
            json => unescaped(json),
        });
        Some(Self { values: members.into_values().collect(), password })
    }

    fn read(&self, password: &str, budget: &Budget, depth: usize) -> Result<Contents, Problem> {
        let password = self.password.as_ref().map_or(password, |password| password);
        let mut contents = Contents::default();
        for value in &self.values {
            match read_nested(value.get().as_bytes(), password, budget, depth) {
                Ok(part) => contents.append(part)?,
                Err(problem) => contents.skip(problem)?,
            }
        }
        Ok(contents)
    }
}
