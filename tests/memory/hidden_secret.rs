//! A secret that exists nowhere in memory unless a test puts it there.

use zeroize::Zeroizing;

/// A text computed letter by letter, so that the search itself holds no copy.
#[derive(Clone, Copy)]
pub(crate) struct Hidden {
    seed: u64,
    length: usize,
    /// Whether it has lines like a PEM key. JSON escapes the line ends.
    has_lines: bool,
}

impl Hidden {
    pub(crate) fn new(length: usize) -> Self {
        Self { seed: fastrand::u64(..), length, has_lines: false }
    }

    pub(crate) fn in_lines(length: usize) -> Self {
        Self { has_lines: true, ..Self::new(length) }
    }

    pub(crate) fn bytes(self) -> impl Iterator<Item = u8> {
        (0..self.length).map(move |at| self.byte(at))
    }

    fn byte(self, at: usize) -> u8 {
        if self.has_lines && at % LINE == LINE - 1 {
            return b'\n';
        }
        // SplitMix64.
        let mut mixed = self.seed.wrapping_add((at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ALPHABET[((mixed ^ (mixed >> 31)) % 62) as usize]
    }

    /// Returns the text in memory that is wiped on drop.
    pub(crate) fn text(self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.length));
        text.extend(self.bytes().map(char::from));
        text
    }

    /// Returns the text as the inside of a JSON string.
    pub(crate) fn json(self) -> Zeroizing<Vec<u8>> {
        let mut json = Zeroizing::new(Vec::with_capacity(2 * self.length));
        for byte in self.bytes() {
            match byte {
                b'\n' => json.extend(*b"\\n"),
                byte => json.push(byte),
            }
        }
        json
    }

    pub(crate) fn is(self, text: &str) -> bool {
        text.len() == self.length && text.bytes().eq(self.bytes())
    }

    /// Returns masked pieces to search for, each long enough to be unique: a copy of a piece is a copy. They lie apart,
    /// because the allocator overwrites freed memory at its beginning first.
    pub(crate) fn pieces(self) -> [[u8; PIECE]; PIECES] {
        let lines = self.length / LINE;
        assert!(lines >= 2 * PIECES, "too little to look for");
        let piece = |start: usize| std::array::from_fn(|at| self.byte(start + at) ^ MASK);
        std::array::from_fn(|n| piece((lines * n / PIECES + 1) * LINE + 8))
    }
}

pub(crate) const PIECES: usize = 8;
pub(crate) const PIECE: usize = 24;
pub(crate) const MASK: u8 = 0x5a;
const LINE: usize = 64;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
