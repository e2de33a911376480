//! A password, and the work that it may cost.

use std::cell::Cell;

use zeroize::Zeroizing;

use super::problem::Problem;

/// A password in the two encodings of PKCS#12.
pub(super) struct Password<'a> {
    /// The encoding of current encryption: UTF-8.
    pub(super) utf8: &'a str,
    /// The encoding of PKCS#12's own key derivation: UTF-16 in big endian, with a zero at the end.
    pub(super) utf16: Zeroizing<Vec<u8>>,
}

impl<'a> Password<'a> {
    /// Returns the encodings that tools use. They do not agree on an empty password: a zero at the end, or nothing.
    ///
    /// A password that was stored from a file may end in a line end that is not part of it.
    pub(super) fn candidates(password: &'a str) -> Vec<Self> {
        let mut candidates = vec![Self::of(password)];
        let line = password.trim_end_matches(['\r', '\n']);
        if line.len() < password.len() {
            candidates.push(Self::of(line));
        }
        if line.is_empty() {
            candidates.push(Self { utf8: line, utf16: Zeroizing::default() });
        }
        candidates
    }

    fn of(password: &'a str) -> Self {
        let units = || password.encode_utf16().chain([0]);
        let mut utf16 = Zeroizing::new(Vec::with_capacity(2 * units().count()));
        units().for_each(|unit| utf16.extend_from_slice(&unit.to_be_bytes()));
        Self { utf8: password, utf16 }
    }
}

/// The work that opening one container may take.
pub(super) struct Budget(Cell<u64>);

impl Budget {
    /// Returns the most that reading one certificate may take.
    pub(super) fn new() -> Self {
        Self(Cell::new(MOST_BLOCKS))
    }

    /// Returns enough for the containers of a vault, and too little to delay a refresh by many that need more.
    pub(super) fn little() -> Self {
        Self(Cell::new(LITTLE))
    }

    /// Takes the work of deriving a key of `blocks` blocks of a hash, each from `input` bytes at first.
    pub(super) fn take(&self, iterations: u32, blocks: usize, input: usize) -> Result<(), Problem> {
        let work = (u64::from(iterations) + input as u64 / 64).saturating_mul(blocks as u64);
        let left = self.0.get().checked_sub(work).ok_or(Problem::TooManyIterations)?;
        self.0.set(left);
        Ok(())
    }

    /// Takes the work of verifying one signature.
    pub(super) fn take_check(&self) -> Result<(), Problem> {
        self.take(CHECK, 1, 0)
    }
}

/// A signature as hashes: a tenth of a millisecond, or a third for P-384.
const CHECK: u32 = 2_000;

/// The hashes of 64 bytes that may be computed for one container: one or two seconds. Most tools use a few thousand
/// iterations. Firefox and GnuTLS use 600,000, each time for the MAC, the key and the certificates.
const MOST_BLOCKS: u64 = 8_000_000;

/// A twentieth of that. Azure's containers have 2,000 iterations, and those of Java 10,000; until Java 15, 100,000 for
/// the MAC and 50,000 for each key and initialization vector, 350,000 together.
const LITTLE: u64 = 400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_password_has_two_encodings_and_a_line_end_may_be_left_out() {
        let encodings = |password| {
            let candidates = Password::candidates(password);
            candidates.iter().map(|candidate| candidate.utf16.to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(encodings(""), [vec![0, 0], vec![]]);
        assert_eq!(encodings("a\r\n"), [vec![0, b'a', 0, b'\r', 0, b'\n', 0, 0], vec![0, b'a', 0, 0]]);
        assert_eq!(encodings("\n"), [vec![0, b'\n', 0, 0], vec![0, 0], vec![]]);
        assert_eq!(encodings("aé😀"), [vec![0, b'a', 0, 0xe9, 0xd8, 0x3d, 0xde, 0, 0, 0]]);
    }

    #[test]
    fn the_budget_is_shared_by_all_keys_of_a_container() {
        assert_eq!(Budget::little().take(10_000, 20, 0), Ok(()));
        assert_eq!(Budget::little().take(600_000, 1, 0), Err(Problem::TooManyIterations));
        let budget = Budget::new();
        assert_eq!(budget.take(2_000_000, 3, 2), Ok(()));
        assert_eq!(budget.take(2_000_000, 2, 2), Err(Problem::TooManyIterations));
        assert_eq!(budget.take(u32::MAX, usize::MAX, usize::MAX), Err(Problem::TooManyIterations));
        assert_eq!(budget.take(1, 1, 200_000_000), Err(Problem::TooManyIterations), "a long password");
        assert_eq!(budget.take(2_000_000, 1, 2), Ok(()));
    }
}
