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
    let mut parser = Parser::new_from_str(collector.text);
    while let Some(event) = parser.next_event() {
        let (event, span) =
            event.map_err(|error| SyntaxError { line: error.marker().line(), message: "invalid YAML" })?;
        match event {
            Event::DocumentStart(_) => collector.document += 1,
            Event::Scalar(text, ..) => scalar(collector, &mut open, text.into_owned(), span),
            // The anchor's value is already collected where it is written.
            Event::Alias(_) => drop(next_key(&mut open)),
            Event::SequenceStart(..) => {
                let key = next_key(&mut open);
                open.push(OpenCollection::Sequence(key, 0));
            }
            Event::MappingStart(..) => {
                let key = next_key(&mut open);
                open.push(OpenCollection::Mapping(key, None));
            }
            Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
            _ => {}
        }
    }
    Ok(())
}

fn scalar(collector: &mut EntryCollector<'_>, open: &mut [OpenCollection], text: String, span: Span) {
    if let Some(OpenCollection::Mapping(_, name @ None)) = open.last_mut() {
        *name = Some(text);
        return;
    }
    let key = next_key(open);
    let first = span.start.line();
    collector.string(key, first, span.end.line().max(first), text);
}

/// Returns the key of the next value, and advances. A collection that is itself a member's name gets the key `?`.
fn next_key(open: &mut [OpenCollection]) -> Key {
    match open.last_mut() {
        None => Key::root(),
        Some(OpenCollection::Sequence(key, index)) => {
            *index += 1;
            key.element(*index - 1)
        }
        Some(OpenCollection::Mapping(key, name)) => match name.take() {
            Some(name) => key.member(&name),
            None => {
                *name = Some("?".to_owned());
                key.member("?")
            }
        },
    }
}
