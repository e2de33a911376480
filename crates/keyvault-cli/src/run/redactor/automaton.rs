//! The search for all secrets at once, by Aho and Corasick's algorithm: each byte costs one step, however many secrets
//! there are.
// The crate `aho-corasick` keeps copies of the secrets that we cannot wipe, and hides the depth of a state, which is
// the number of bytes that the redactor must hold back.

use zeroize::{Zeroize, Zeroizing};

/// Shorter secrets are not masked, because they are part of many words (`1`, `on`).
pub(crate) const MIN_LENGTH: usize = 4;

/// A line of a secret with several lines is also masked on its own if it is at least this long.
const MIN_LINE_LENGTH: usize = 8;

/// A trie of all secrets with fallback links. Dropping it wipes their bytes.
#[derive(Debug)]
pub(crate) struct Automaton {
    /// The root is the first node. The capacity is never exceeded, so that no copy is left behind by a reallocation.
    nodes: Vec<Node>,
    /// The child of the root for each byte, or [`ROOT`] if no secret starts with it.
    starts: [usize; 256],
}

/// A prefix of one or more secrets.
#[derive(Debug, Default)]
struct Node {
    /// The last byte of the prefix.
    byte: u8,
    /// The first of the prefixes that are one byte longer, or [`ROOT`].
    first_child: usize,
    /// The next prefix with the same parent, or [`ROOT`].
    next_sibling: usize,
    /// The longest proper suffix that is a prefix of a secret itself.
    fallback: usize,
    /// The length of the prefix.
    depth: usize,
    /// The length of the longest secret that the prefix ends with, or 0.
    match_length: usize,
}

/// The empty prefix. It is no child of another node, so links use it for "no node".
pub(super) const ROOT: usize = 0;

impl Automaton {
    /// Builds the automaton for the secrets without surrounding white space, for their long lines, and for their JSON
    /// and URL encodings.
    pub(crate) fn new<'v>(secrets: impl IntoIterator<Item = &'v str>) -> Self {
        let patterns: Vec<Zeroizing<Vec<u8>>> = secrets.into_iter().flat_map(patterns).collect();
        let capacity = 1 + patterns.iter().map(|pattern| pattern.len()).sum::<usize>();
        let mut automaton = Self { nodes: Vec::with_capacity(capacity), starts: [ROOT; 256] };
        automaton.nodes.push(Node::default());
        patterns.iter().for_each(|pattern| automaton.insert(pattern));
        automaton.link();
        automaton
    }

    /// Returns whether a secret starts with `byte`.
    pub(super) fn is_start(&self, byte: u8) -> bool {
        self.starts[usize::from(byte)] != ROOT
    }

    /// Returns the node after reading `byte`.
    pub(super) fn step(&self, mut node: usize, byte: u8) -> usize {
        loop {
            match self.child(node, byte) {
                Some(next) => return next,
                None if node == ROOT => return ROOT,
                None => node = self.nodes[node].fallback,
            }
        }
    }

    /// Returns how many of the bytes that were read may be the start of a secret.
    pub(super) fn depth(&self, node: usize) -> usize {
        self.nodes[node].depth
    }

    /// Returns the length of the longest secret that ends here. `None` if no secret ends here.
    pub(super) fn match_length(&self, node: usize) -> Option<usize> {
        Some(self.nodes[node].match_length).filter(|length| *length > 0)
    }

    fn insert(&mut self, pattern: &[u8]) {
        let mut node = ROOT;
        for byte in pattern {
            node = match self.child(node, *byte) {
                Some(next) => next,
                None => self.add_child(node, *byte),
            };
        }
        self.nodes[node].match_length = pattern.len();
    }

    fn add_child(&mut self, parent: usize, byte: u8) -> usize {
        let child = self.nodes.len();
        let next_sibling = std::mem::replace(&mut self.nodes[parent].first_child, child);
        let depth = self.nodes[parent].depth + 1;
        self.nodes.push(Node { byte, next_sibling, depth, ..Node::default() });
        if parent == ROOT {
            self.starts[usize::from(byte)] = child;
        }
        child
    }

    fn child(&self, node: usize, byte: u8) -> Option<usize> {
        if node == ROOT {
            return Some(self.starts[usize::from(byte)]).filter(|child| *child != ROOT);
        }
        self.children(node).find(|child| self.nodes[*child].byte == byte)
    }

    fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        let is_node = |node: usize| Some(node).filter(|node| *node != ROOT);
        std::iter::successors(is_node(self.nodes[node].first_child), move |child| {
            is_node(self.nodes[*child].next_sibling)
        })
    }

    /// Sets the fallbacks level by level, because each depends on shorter prefixes.
    fn link(&mut self) {
        let mut level = vec![ROOT];
        while !level.is_empty() {
            let mut next_level = Vec::new();
            for node in level {
                let children: Vec<usize> = self.children(node).collect();
                for child in children {
                    let byte = self.nodes[child].byte;
                    let fallback = if node == ROOT { ROOT } else { self.step(self.nodes[node].fallback, byte) };
                    self.nodes[child].fallback = fallback;
                    self.nodes[child].match_length =
                        self.nodes[child].match_length.max(self.nodes[fallback].match_length);
                    next_level.push(child);
                }
            }
            level = next_level;
        }
    }
}

impl Drop for Automaton {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.byte.zeroize());
        self.starts.zeroize();
    }
}

/// Returns the texts that reveal a secret.
fn patterns(secret: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let secret = secret.trim();
    if secret.len() < MIN_LENGTH {
        return Vec::new();
    }
    let mut patterns = vec![Zeroizing::new(secret.as_bytes().to_vec()), json_encoded(secret), url_encoded(secret)];
    if secret.contains('\n') {
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= MIN_LINE_LENGTH);
        patterns.extend(lines.map(|line| Zeroizing::new(line.as_bytes().to_vec())));
    }
    patterns
}

/// Encodes `secret` as in a JSON string, without the quotes.
fn json_encoded(secret: &str) -> Zeroizing<Vec<u8>> {
    // The longest escape is `\u0000`. With this capacity no copy is left behind by a reallocation.
    let mut json = Zeroizing::new(Vec::with_capacity(secret.len() * 6 + 2));
    // Writing a string to memory cannot fail.
    let _ = serde_json::to_writer(&mut *json, secret);
    Zeroizing::new(json[1..json.len() - 1].to_vec())
}

fn url_encoded(secret: &str) -> Zeroizing<Vec<u8>> {
    const HEX_DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut url = Zeroizing::new(Vec::with_capacity(secret.len() * 3));
    for byte in secret.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(byte),
            _ => url.extend([b'%', HEX_DIGITS[usize::from(byte >> 4)], HEX_DIGITS[usize::from(byte & 15)]]),
        }
    }
    url
}
