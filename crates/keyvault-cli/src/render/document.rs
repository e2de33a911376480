//! The structure of a document: its parts in order, with their positions.
//!
//! Two documents have the same structure if their parts are equal. The parsers are those of `check`, and a small one
//! for XML.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::xml;
use crate::settings::{Format, JsonEvent, JsonReader, dotenv_variables, ini_lines, properties};

/// A part of a document: the beginning or end of a collection, a name, or a value.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// The text after the parser removed all escapes.
    pub(super) text: Zeroizing<String>,
    /// The position in the document, with the quotes.
    pub(super) span: Range<usize>,
    pub(super) style: Style,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Start(&'static str),
    End,
    Name,
    Text,
    /// A value that is no text, such as a number.
    Literal,
}

/// How the text of a part is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    /// The text cannot have escapes.
    Raw,
    /// `"…"` with the escapes of JSON.
    Json,
    /// A value of JSON without quotes.
    JsonLiteral,
    YamlPlain,
    YamlSingle,
    YamlDouble,
    YamlLiteral,
    YamlFolded,
    TomlBasic,
    TomlLiteral,
    XmlText,
    XmlAttribute,
    XmlData,
    Properties,
    EnvPlain,
    EnvSingle,
    EnvDouble,
}

impl Part {
    pub(super) fn new(kind: Kind, text: impl Into<String>, span: Range<usize>, style: Style) -> Self {
        Self { kind, text: Zeroizing::new(text.into()), span, style }
    }

    fn structure(kind: Kind, span: Range<usize>) -> Self {
        Self::new(kind, "", span, Style::Raw)
    }
}

/// Returns the parts of a document.
///
/// # Errors
///
/// The offset at which the text is invalid.
pub(super) fn parts(format: Format, text: &str) -> Result<Vec<Part>, usize> {
    match format {
        Format::Json => json(text),
        Format::Yaml => yaml(text),
        Format::Toml => toml(text),
        Format::Xml => xml::parts(text),
        Format::Properties => Ok(pairs(
            properties(text).into_iter().map(|property| (property.name, property.value, property.span)),
            |_| Style::Properties,
        )),
        Format::Ini => ini(text),
        Format::Env => {
            let (variables, errors) = dotenv_variables(text);
            if let Some(error) = errors.first() {
                return Err(offset_of_line(text, error.line()));
            }
            let variables = variables.into_iter().map(|v| (v.name, v.value.unwrap_or_default(), v.span));
            Ok(pairs(variables, |span| match text[span.clone()].chars().next() {
                Some('"') => Style::EnvDouble,
                Some('\'') => Style::EnvSingle,
                _ => Style::EnvPlain,
            }))
        }
        Format::Text => Ok(Vec::new()),
    }
}

/// Returns the offset of a line, counted from 1.
fn offset_of_line(text: &str, line: usize) -> usize {
    text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum()
}

fn pairs(
    pairs: impl Iterator<Item = (String, Zeroizing<String>, Range<usize>)>,
    style: impl Fn(&Range<usize>) -> Style,
) -> Vec<Part> {
    let parts = pairs.flat_map(|(name, text, span)| {
        let style = style(&span);
        [Part::new(Kind::Name, name, span.start..span.start, Style::Raw), Part { kind: Kind::Text, text, span, style }]
    });
    parts.collect()
}

fn ini(text: &str) -> Result<Vec<Part>, usize> {
    let lines = ini_lines(text).map_err(|line| offset_of_line(text, line))?;
    Ok(pairs(lines.into_iter().map(|(name, value, span)| (name, Zeroizing::new(value), span)), |_| Style::Raw))
}

fn json(text: &str) -> Result<Vec<Part>, usize> {
    let mut reader = JsonReader::new(text);
    let mut parts = Vec::new();
    while let Some((event, span)) = reader.next_event()? {
        parts.push(match event {
            JsonEvent::ObjectStart => Part::structure(Kind::Start("object"), span),
            JsonEvent::ArrayStart => Part::structure(Kind::Start("array"), span),
            JsonEvent::End => Part::structure(Kind::End, span),
            JsonEvent::Name(name) => Part::new(Kind::Name, name, span, Style::Json),
            JsonEvent::String(text) => Part::new(Kind::Text, text, span, Style::Json),
            JsonEvent::Literal => Part::new(Kind::Literal, &text[span.clone()], span, Style::JsonLiteral),
        });
    }
    Ok(parts)
}

fn yaml(text: &str) -> Result<Vec<Part>, usize> {
    let mut offsets = CharOffsets::new(text);
    let mut parser = Parser::new_from_str(text);
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| offset_of_line(text, error.marker().line()))?;
        let start = offsets.of(span.start.index());
        let mut structure = |kind| parts.push(Part::structure(kind, start..start));
        match event {
            Event::DocumentStart(_) => structure(Kind::Start("document")),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let kind = if matches!(event, Event::MappingStart(..)) { "mapping" } else { "sequence" };
                structure(Kind::Start(kind));
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(start);
                }
            }
            Event::SequenceEnd | Event::MappingEnd => {
                structure(Kind::End);
                depth -= 1;
            }
            Event::DocumentEnd => structure(Kind::End),
            Event::Alias(_) => structure(Kind::Start("alias")),
            Event::Scalar(value, style, ..) => {
                let end = offsets.of(span.end.index()).max(start);
                let style = match style {
                    ScalarStyle::SingleQuoted => Style::YamlSingle,
                    ScalarStyle::DoubleQuoted => Style::YamlDouble,
                    ScalarStyle::Literal => Style::YamlLiteral,
                    ScalarStyle::Folded => Style::YamlFolded,
                    _ => Style::YamlPlain,
                };
                parts.push(Part::new(Kind::Text, value.into_owned(), start..end, style));
            }
            _ => {}
        }
    }
    Ok(parts)
}

const MAX_DEPTH: usize = 128;

/// Converts indexes of characters, which mostly grow, to offsets.
struct CharOffsets<'t> {
    text: &'t str,
    index: usize,
    offset: usize,
}

impl<'t> CharOffsets<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, index: 0, offset: 0 }
    }

    fn of(&mut self, index: usize) -> usize {
        if index < self.index {
            // The parser looks back by a few characters only.
            let back = self.text[..self.offset].chars().rev().take(self.index - index);
            self.offset -= back.map(char::len_utf8).sum::<usize>();
        } else {
            let ahead = self.text[self.offset..].chars().take(index - self.index);
            self.offset += ahead.map(char::len_utf8).sum::<usize>();
        }
        self.index = index;
        self.offset
    }
}

fn toml(text: &str) -> Result<Vec<Part>, usize> {
    let table = DeTable::parse(text).map_err(|error| error.span().map_or(0, |span| span.start))?;
    let mut parts = Vec::new();
    toml_table(text, table.get_ref(), &mut parts);
    Ok(parts)
}

fn toml_table(text: &str, table: &DeTable<'_>, parts: &mut Vec<Part>) {
    let mut members: Vec<_> = table.iter().collect();
    members.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in members {
        let style = toml_style(text, &name.span());
        parts.push(Part::new(Kind::Name, name.get_ref().to_string(), name.span(), style));
        toml_value(text, value, parts);
    }
}

fn toml_value(text: &str, value: &Spanned<DeValue<'_>>, parts: &mut Vec<Part>) {
    let span = value.span();
    let structure = |kind| Part::structure(kind, span.start..span.start);
    match value.get_ref() {
        DeValue::String(string) => {
            parts.push(Part::new(Kind::Text, string.to_string(), span.clone(), toml_style(text, &span)));
        }
        DeValue::Table(table) => {
            parts.push(structure(Kind::Start("table")));
            toml_table(text, table, parts);
            parts.push(structure(Kind::End));
        }
        DeValue::Array(array) => {
            parts.push(structure(Kind::Start("array")));
            array.iter().for_each(|value| toml_value(text, value, parts));
            parts.push(structure(Kind::End));
        }
        _ => parts.push(Part::new(Kind::Literal, &text[span.clone()], span.clone(), Style::Raw)),
    }
}

fn toml_style(text: &str, span: &Range<usize>) -> Style {
    match text.get(span.clone()).and_then(|written| written.chars().next()) {
        Some('"') => Style::TomlBasic,
        Some('\'') => Style::TomlLiteral,
        _ => Style::Raw,
    }
}
