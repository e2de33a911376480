//! The search through one chain of decoders.

use std::collections::VecDeque;

use zeroize::Zeroize;

use super::automaton::{Automaton, ROOT};
use super::decoder::{Decoded, Decoder};

/// One chain of decoders, and how much of a secret it has found.
#[derive(Debug)]
pub(super) struct Track {
    stages: Vec<Stage>,
    pub(super) is_for_words: bool,
    /// Whether an escape made this search differ from the one without escapes. Until then only that one runs.
    is_apart: bool,
    pub(super) node: u32,
    /// The positions in the stream of the decoded bytes that may be the start of a secret.
    pub(super) starts: VecDeque<usize>,
}

/// One decoder, and the bytes before it that may be an escape, each with its range in the stream.
#[derive(Debug)]
struct Stage {
    decoder: Decoder,
    bytes: Vec<u8>,
    ranges: Vec<(usize, usize)>,
}

impl Track {
    pub(super) fn new(decoders: &[Decoder]) -> Self {
        let stage = |decoder: &Decoder| Stage { decoder: *decoder, bytes: Vec::new(), ranges: Vec::new() };
        Self {
            stages: decoders.iter().map(stage).collect(),
            is_for_words: decoders.ends_with(&[Decoder::Wrapped]),
            is_apart: false,
            node: ROOT,
            starts: VecDeque::new(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.node == ROOT && self.pending_start().is_none()
    }

    /// Returns the position of the first byte that may be part of an escape. `None` if no byte is.
    pub(super) fn pending_start(&self) -> Option<usize> {
        // A later decoder holds earlier bytes.
        self.stages.iter().rev().find_map(|stage| Some(stage.ranges.first()?.0))
    }

    /// Returns the position of the first byte that may belong to a secret. `None` if no byte does.
    pub(super) fn earliest(&self) -> Option<usize> {
        self.starts.front().copied().or_else(|| self.pending_start())
    }

    /// Returns whether this track must read `byte`, because an escape makes it differ from `plain`, the track of the
    /// same forms without escapes. It then goes on from where that one is.
    pub(super) fn leaves(&mut self, plain: &Self, automaton: &Automaton, byte: u8) -> bool {
        if self.is_apart && self.node == plain.node && self.pending_start().is_none() && self.starts == plain.starts {
            self.is_apart = false;
            self.node = ROOT;
            self.starts.clear();
        }
        let is_escape = |stage: &Stage| match stage.decoder {
            // The plain track of words removes line breaks, too.
            Decoder::Wrapped => false,
            // Only inside of a secret that goes on with what a line break stands for.
            Decoder::Folded => {
                stage.decoder.is_start(byte)
                    && [b' ', b'\n'].iter().any(|next| automaton.step(plain.node, *next) != ROOT)
            }
            decoder => decoder.is_start(byte),
        };
        if !self.is_apart && self.stages.iter().any(is_escape) {
            self.is_apart = true;
            self.node = plain.node;
            self.starts.clone_from(&plain.starts);
        }
        self.is_apart
    }

    /// Reads the byte at `at`. Adds the range of each secret that ends with it to `found`.
    pub(super) fn read(&mut self, automaton: &Automaton, byte: u8, at: usize, found: &mut Vec<(usize, usize)>) {
        let is_plain = |stage: &Stage| stage.bytes.is_empty() && !stage.decoder.is_start(byte);
        if self.stages.iter().all(is_plain) {
            self.step(automaton, byte, (at, at + 1), found);
        } else {
            self.decode(automaton, 0, byte, (at, at + 1), found);
        }
    }

    /// Reads a byte from `range` of the stream at a stage.
    fn decode(
        &mut self,
        automaton: &Automaton,
        stage: usize,
        byte: u8,
        range: (usize, usize),
        found: &mut Vec<(usize, usize)>,
    ) {
        let Some(Stage { bytes, ranges, .. }) = self.stages.get_mut(stage) else {
            self.step(automaton, byte, range, found);
            return;
        };
        bytes.push(byte);
        ranges.push(range);
        loop {
            let Stage { decoder, bytes, ranges } = &mut self.stages[stage];
            if bytes.is_empty() {
                return;
            }
            let Decoded::Text { length, text } = decoder.decode(bytes) else { return };
            let range = (ranges[0].0, ranges[length - 1].1);
            bytes.drain(..length);
            ranges.drain(..length);
            for byte in text.as_bytes() {
                self.decode(automaton, stage + 1, *byte, range, found);
            }
        }
    }

    /// Reads a decoded byte from `range` of the stream.
    fn step(&mut self, automaton: &Automaton, byte: u8, range: (usize, usize), found: &mut Vec<(usize, usize)>) {
        self.node = automaton.step(self.node, byte);
        self.starts.push_back(range.0);
        let depth = automaton.depth(self.node);
        self.starts.drain(..self.starts.len() - depth);
        if let Some(length) = automaton.match_length(self.node) {
            found.push((self.starts[depth - length], range.1));
        }
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        self.stages.iter_mut().for_each(|stage| stage.bytes.zeroize());
    }
}
