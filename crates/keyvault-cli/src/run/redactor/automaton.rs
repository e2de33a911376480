//! The search for all secrets at once, by Aho and Corasick's algorithm: each byte costs one step, however many secrets
//! there are.
// The crate `aho-corasick` keeps copies of the secrets that we cannot wipe, and hides the depth of a state, which is
// the number of bytes that the redactor must hold back.

use zeroize::Zeroize;

use super::form::Pattern;

/// A trie of all secrets with fallback links. Dropping it wipes their bytes.
#[derive(Debug)]
pub(super) struct Automaton {
    /// The root is the first node. The capacity is never exceeded, so that no copy is left behind by a reallocation.
    nodes: Vec<Node>,
    /// The child of the root for each byte, or [`ROOT`] if no secret starts with it.
    starts: [u32; 256],
}

/// A prefix of one or more secrets.
#[derive(Debug, Default)]
struct Node {
    /// The last byte of the prefix.
    byte: u8,
    /// The first of the prefixes that are one byte longer, or [`ROOT`].
    first_child: u32,
    /// The next prefix with the same parent, or [`ROOT`].
    next_sibling: u32,
    /// The longest proper suffix that is a prefix of a secret itself.
    fallback: u32,
    /// The length of the prefix.
    depth: u32,
    /// The length of the longest secret that the prefix ends with, or 0.
    match_length: u32,
}

/// The empty prefix. It is no child of another node, so links use it for "no node".
pub(super) const ROOT: u32 = 0;

impl Automaton {
    /// Builds the automaton that finds each of `patterns`, which have less than 4 GiB together.
    pub(super) fn new(patterns: &[Pattern]) -> Self {
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
    pub(super) fn step(&self, mut node: u32, byte: u8) -> u32 {
        loop {
            match self.child(node, byte) {
                Some(next) => return next,
                None if node == ROOT => return ROOT,
                None => node = self.nodes[node as usize].fallback,
            }
        }
    }

    /// Returns how many of the bytes that were read may be the start of a secret.
    pub(super) fn depth(&self, node: u32) -> usize {
        self.nodes[node as usize].depth as usize
    }

    /// Returns the length of the longest secret that ends here. `None` if no secret ends here.
    pub(super) fn match_length(&self, node: u32) -> Option<usize> {
        Some(self.nodes[node as usize].match_length as usize).filter(|length| *length > 0)
    }

    fn insert(&mut self, pattern: &[u8]) {
        let mut node = ROOT;
        for byte in pattern {
            node = match self.child(node, *byte) {
                Some(next) => next,
                None => self.add_child(node, *byte),
            };
        }
        self.nodes[node as usize].match_length = pattern.len() as u32;
    }

    fn add_child(&mut self, parent: u32, byte: u8) -> u32 {
        let child = self.nodes.len() as u32;
        let next_sibling = std::mem::replace(&mut self.nodes[parent as usize].first_child, child);
        let depth = self.nodes[parent as usize].depth + 1;
        self.nodes.push(Node { byte, next_sibling, depth, ..Node::default() });
        if parent == ROOT {
            self.starts[usize::from(byte)] = child;
        }
        child
    }

    fn child(&self, node: u32, byte: u8) -> Option<u32> {
        if node == ROOT {
            return Some(self.starts[usize::from(byte)]).filter(|child| *child != ROOT);
        }
        self.children(node).find(|child| self.nodes[*child as usize].byte == byte)
    }

    fn children(&self, node: u32) -> impl Iterator<Item = u32> {
        let is_node = |node: u32| Some(node).filter(|node| *node != ROOT);
        std::iter::successors(is_node(self.nodes[node as usize].first_child), move |child| {
            is_node(self.nodes[*child as usize].next_sibling)
        })
    }

    /// Sets the fallbacks level by level, because each depends on shorter prefixes.
    fn link(&mut self) {
        let mut level = vec![ROOT];
        while !level.is_empty() {
            let mut next_level = Vec::new();
            for node in level {
                let children: Vec<u32> = self.children(node).collect();
                for child in children {
                    let byte = self.nodes[child as usize].byte;
                    let fallback =
                        if node == ROOT { ROOT } else { self.step(self.nodes[node as usize].fallback, byte) };
                    self.nodes[child as usize].fallback = fallback;
                    self.nodes[child as usize].match_length =
                        self.nodes[child as usize].match_length.max(self.nodes[fallback as usize].match_length);
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
