//! JSON with comments and trailing commas, as settings files often have.

use std::ops::Range;

use keyvault::settings::Key;

use super::collector::EntryCollector;
use super::problem::SyntaxError;

pub(super) fn parse(collector: &mut EntryCollector<'_>) -> Result<(), SyntaxError> {
    let mut open: Vec<OpenCollection> = Vec::new();
    let mut reader = JsonReader::new(collector.text);
    while let Some((event, span)) = next(&mut reader, collector)? {
        let line = collector.line(span.start);
        match event {
            JsonEvent::Name(name) => {
                if let Some(OpenCollection::Object(_, member)) = open.last_mut() {
                    *member = name;
                }
            }
            JsonEvent::ObjectStart => {
                let key = next_key(collector, &mut open, line)?;
                open.push(OpenCollection::Object(key, String::new()));
            }
            JsonEvent::ArrayStart => {
                let key = next_key(collector, &mut open, line)?;
                open.push(OpenCollection::Array(key, 0));
            }
            JsonEvent::End => drop(open.pop()),
            JsonEvent::String(text) => {
                let key = next_key(collector, &mut open, line)?;
                collector.string(key, line, line, text)?;
            }
            JsonEvent::Literal => {
                let key = next_key(collector, &mut open, line)?;
                match &collector.text[span] {
                    "null" => collector.other(key, line)?,
                    // `local.settings.json` has numbers as values of variables.
                    literal => collector.string(key, line, line, literal.to_owned())?,
                }
            }
        }
    }
    Ok(())
}

/// A collection whose end has not been read.
enum OpenCollection {
    /// The key, and the name of the current member.
    Object(Key, String),
    /// The key, and the index of the next element.
    Array(Key, usize),
}

fn next_key(collector: &mut EntryCollector<'_>, open: &mut [OpenCollection], line: usize) -> Result<Key, SyntaxError> {
    match open.last_mut() {
        None => Ok(Key::root()),
        Some(OpenCollection::Object(key, member)) => collector.member(key, member, line),
        Some(OpenCollection::Array(key, index)) => {
            *index += 1;
            collector.element(key, *index - 1, line)
        }
    }
}

fn next(
    reader: &mut JsonReader<'_>,
    collector: &EntryCollector<'_>,
) -> Result<Option<(JsonEvent, Range<usize>)>, SyntaxError> {
    reader.next_event().map_err(|at| SyntaxError { line: collector.line(at), message: "invalid JSON" })
}

/// A part of a JSON text.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum JsonEvent {
    ObjectStart,
    ArrayStart,
    /// The end of an object or an array.
    End,
    /// The name of a member, whose value comes next.
    Name(String),
    String(String),
    /// A number, `true`, `false` or `null`.
    Literal,
}

/// Reads JSON in one pass, without recursion. Accepts comments and trailing commas.
pub(crate) struct JsonReader<'t> {
    text: &'t str,
    at: usize,
    /// Whether each open collection is an object.
    open: Vec<bool>,
    expected: Expected,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Expected {
    Value,
    /// A value, or the end of the array.
    Element,
    /// A name, or the end of the object.
    Name,
    /// A comma, or the end of the collection.
    Comma,
    /// Nothing more.
    Nothing,
}

impl<'t> JsonReader<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0, open: Vec::new(), expected: Expected::Value }
    }

    /// Returns the next event and its range. `None` at the end.
    ///
    /// # Errors
    ///
    /// The offset at which the text is no JSON.
    pub(crate) fn next_event(&mut self) -> Result<Option<(JsonEvent, Range<usize>)>, usize> {
        loop {
            self.skip_space()?;
            let start = self.at;
            let Some(byte) = self.byte() else {
                return if self.expected == Expected::Nothing { Ok(None) } else { Err(self.text.len()) };
            };
            let event = match (self.expected, byte) {
                (Expected::Nothing, _) => return Err(start),
                (Expected::Comma, b',') => {
                    self.at += 1;
                    self.expected = self.after_opening();
                    continue;
                }
                (Expected::Comma | Expected::Name, b'}') if self.open.last() == Some(&true) => self.close(),
                (Expected::Comma | Expected::Element, b']') if self.open.last() == Some(&false) => self.close(),
                (Expected::Comma, _) => return Err(start),
                (Expected::Name, b'"') => {
                    let name = self.string()?;
                    let span = start..self.at;
                    self.skip_space()?;
                    if self.byte() != Some(b':') {
                        return Err(self.at);
                    }
                    self.at += 1;
                    self.expected = Expected::Value;
                    return Ok(Some((JsonEvent::Name(name), span)));
                }
                (Expected::Name, _) => return Err(start),
                (_, b'{' | b'[') => {
                    if self.open.len() >= MAX_OPEN {
                        return Err(start);
                    }
                    self.at += 1;
                    self.open.push(byte == b'{');
                    self.expected = self.after_opening();
                    if byte == b'{' { JsonEvent::ObjectStart } else { JsonEvent::ArrayStart }
                }
                (_, b'"') => {
                    let text = self.string()?;
                    self.expected = self.after_value();
                    JsonEvent::String(text)
                }
                _ => {
                    let rest = &self.text.as_bytes()[start..];
                    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
                    self.at += rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                    let literal: Option<serde_json::Value> = serde_json::from_str(&self.text[start..self.at]).ok();
                    literal.ok_or(start)?;
                    self.expected = self.after_value();
                    JsonEvent::Literal
                }
            };
            return Ok(Some((event, start..self.at)));
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn close(&mut self) -> JsonEvent {
        self.at += 1;
        self.open.pop();
        self.expected = self.after_value();
        JsonEvent::End
    }

    fn after_opening(&self) -> Expected {
        if self.open.last() == Some(&true) { Expected::Name } else { Expected::Element }
    }

    fn after_value(&self) -> Expected {
        if self.open.is_empty() { Expected::Nothing } else { Expected::Comma }
    }

    /// Reads a string with its quotes.
    fn string(&mut self) -> Result<String, usize> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(start),
            }
        }
        self.at += 1;
        serde_json::from_str(&self.text[start..self.at]).map_err(|_| start)
    }

    /// Skips white space and comments.
    fn skip_space(&mut self) -> Result<(), usize> {
        loop {
            let rest = &self.text[self.at..];
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if let Some(comment) = rest.strip_prefix("/*") {
                self.at += 4 + comment.find("*/").ok_or(self.at)?;
            } else if rest.starts_with([' ', '\t', '\r', '\n']) {
                self.at += 1;
            } else {
                return Ok(());
            }
        }
    }
}

/// A limit above that of the collector, which names the line.
const MAX_OPEN: usize = 1_000;
