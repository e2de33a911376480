//! YAML: its events, for they tell places and cannot grow by aliases.

use keyvault::Key;
use saphyr_parser::{Event, Parser, Span};

use super::{Entries, Unreadable};

/// A collection that is being read.
enum Open {
    Sequence(Key, usize),
    /// The member whose value comes next, once its name was read.
    Mapping(Key, Option<String>),
}

pub(super) fn parse(entries: &mut Entries<'_>) -> Result<(), Unreadable> {
    let mut open: Vec<Open> = Vec::new();
    let mut parser = Parser::new_from_str(entries.text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| Unreadable { line: error.marker().line(), clause: "not YAML" })?;
        match event {
            Event::DocumentStart(_) => entries.document += 1,
            Event::Scalar(text, ..) => scalar(entries, &mut open, text.into_owned(), span),
            // What it stands for was read where it is written.
            Event::Alias(_) => drop(next_key(&mut open)),
            Event::SequenceStart(..) => {
                let key = next_key(&mut open);
                open.push(Open::Sequence(key, 0));
            }
            Event::MappingStart(..) => {
                let key = next_key(&mut open);
                open.push(Open::Mapping(key, None));
            }
            Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
            _ => {}
        }
    }
    Ok(())
}

fn scalar(entries: &mut Entries<'_>, open: &mut [Open], text: String, span: Span) {
    if let Some(Open::Mapping(_, name @ None)) = open.last_mut() {
        *name = Some(text);
        return;
    }
    let key = next_key(open);
    let first = span.start.line();
    entries.string(key, first, span.end.line().max(first), text);
}

/// Tells the key of the value that comes next. A collection in the place of a name has none of its own.
fn next_key(open: &mut [Open]) -> Key {
    match open.last_mut() {
        None => Key::root(),
        Some(Open::Sequence(key, index)) => {
            *index += 1;
            key.element(*index - 1)
        }
        Some(Open::Mapping(key, name)) => match name.take() {
            Some(name) => key.member(&name),
            None => {
                *name = Some("?".to_owned());
                key.member("?")
            }
        },
    }
}
