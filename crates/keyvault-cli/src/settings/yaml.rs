//! YAML, read as events: these have positions, and an alias cannot expand them.

use keyvault::settings::Key;
use saphyr_parser::{Event, Parser, Span};

use super::collector::EntryCollector;
use super::problem::SyntaxError;

/// A collection whose end has not been read.
enum OpenCollection {
    /// The key, and the index of the next element.
    Sequence(Key, usize),
    /// The key, and the name of the member whose value comes next. `None` if a name comes next.
    Mapping(Key, Option<String>),
}

pub(super) fn parse(collector: &mut EntryCollector<'_>) -> Result<(), SyntaxError> {
    let mut open: Vec<OpenCollection> = Vec::new();
    let mut names = ComplexNames(0);
    let mut parser = Parser::new_from_str(collector.text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax_error(collector.text, error.marker().line()))?;
        let line = span.start.line();
        match event {
            Event::DocumentStart(_) => collector.document += 1,
            Event::Scalar(text, ..) => scalar(collector, &mut open, &mut names, text.into_owned(), span)?,
            // The anchor's value is already collected where it is written.
            Event::Alias(_) => drop(next_key(collector, &mut open, &mut names, line)?),
            Event::SequenceStart(..) => {
                let key = next_key(collector, &mut open, &mut names, line)?;
                open.push(OpenCollection::Sequence(key, 0));
            }
            Event::MappingStart(..) => {
                let key = next_key(collector, &mut open, &mut names, line)?;
                open.push(OpenCollection::Mapping(key, None));
            }
            Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
            _ => {}
        }
    }
    Ok(())
}

fn scalar(
    collector: &mut EntryCollector<'_>,
    open: &mut [OpenCollection],
    names: &mut ComplexNames,
    text: String,
    span: Span,
) -> Result<(), SyntaxError> {
    if let Some(OpenCollection::Mapping(_, name @ None)) = open.last_mut() {
        *name = Some(text);
        return Ok(());
    }
    let first = span.start.line();
    let key = next_key(collector, open, names, first)?;
    collector.string(key, first, span.end.line().max(first), text)
}

/// Returns the key of the next value, and advances.
///
/// A collection or an alias that is itself a member's name gets a name that no other member has, and so does its value.
fn next_key(
    collector: &mut EntryCollector<'_>,
    open: &mut [OpenCollection],
    names: &mut ComplexNames,
    line: usize,
) -> Result<Key, SyntaxError> {
    match open.last_mut() {
        None => Ok(Key::root()),
        Some(OpenCollection::Sequence(key, index)) => {
            *index += 1;
            collector.element(key, *index - 1, line)
        }
        Some(OpenCollection::Mapping(key, name)) => match name.take() {
            Some(name) => collector.member(key, &name, line),
            None => {
                let (of_name, of_value) = names.next();
                *name = Some(of_value);
                collector.member(key, &of_name, line)
            }
        },
    }
}

/// Numbers the names that are no scalars.
struct ComplexNames(usize);

impl ComplexNames {
    /// Returns the key of a complex name and that of its value.
    fn next(&mut self) -> (String, String) {
        self.0 += 1;
        (format!("? (name {})", self.0), format!("? (value {})", self.0))
    }
}

/// Names the most common cause: `@` cannot begin a value.
fn syntax_error(text: &str, line: usize) -> SyntaxError {
    let value = text.lines().nth(line.saturating_sub(1)).map(unquoted_value).unwrap_or_default();
    let message = match value.chars().next() {
        Some('@' | '`') => "invalid YAML: quote it, because a value cannot begin with @ or `",
        _ => "invalid YAML",
    };
    SyntaxError { line, message }
}

/// Returns the value of a line such as `- name: value`.
fn unquoted_value(line: &str) -> &str {
    let mut rest = line.trim_start();
    loop {
        let dash = ["- ", "? "].iter().find_map(|mark| rest.strip_prefix(mark));
        let after_name =
            || rest.split_once(": ").filter(|(name, _)| !name.contains(['@', '`'])).map(|(_, value)| value);
        match dash.or_else(after_name) {
            Some(after) => rest = after.trim_start(),
            None => return rest.trim_start_matches(['[', '{', ' ']),
        }
    }
}
