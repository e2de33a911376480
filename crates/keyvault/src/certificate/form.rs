//! The form of a value: PKCS#12, PEM, or JSON with either.

use serde::Deserialize;

use super::contents::Contents;
use super::password::Budget;
use super::problem::Problem;
use super::{pem, pkcs12};
use crate::json_string::JsonString;

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
    let Ok(text) = std::str::from_utf8(bytes) else { return binary(bytes, password, budget) };
    let text = text.trim_start_matches('\u{feff}').trim_ascii();
    if let Some(wrapper) = Wrapper::parse(text) {
        let password = wrapper.password.as_ref().map_or(password, |password| &password.0);
        return read_nested(wrapper.data.0.as_bytes(), password, budget, depth);
    }
    if pem::is_pem(text) {
        return pem::read(text, password, budget);
    }
    match pem::decode_base64(text).filter(|decoded| !decoded.is_empty()) {
        Some(decoded) => read_nested(&decoded, password, budget, depth),
        None => binary(bytes, password, budget),
    }
}

/// The base64 of a JSON document with the base64 of PEM is the deepest form.
const MAX_DEPTH: usize = 5;

fn binary(bytes: &[u8], password: &str, budget: &Budget) -> Result<Contents, Problem> {
    // A sequence of more than 127 bytes, which begins with the version 3.
    match bytes {
        [0x30, length, ..] if *length >= 0x80 => pkcs12::read(bytes, password, budget),
        _ => Err(Problem::NotACertificate),
    }
}

/// The form in which App Service's and the old virtual machines' certificates are stored: the container with its
/// password.
#[derive(Deserialize)]
struct Wrapper {
    data: JsonString,
    /// `pfx`, and other words for the same. The data shows its form itself.
    #[serde(default)]
    password: Option<JsonString>,
}

impl Wrapper {
    /// Returns `None` if `text` is not of this form. It may have PEM all the same.
    fn parse(text: &str) -> Option<Self> {
        text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
    }
}
