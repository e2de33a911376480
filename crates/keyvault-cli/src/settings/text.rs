//! Text of any kind: each reference in it counts, whatever is around it.

use keyvault::{Key, Template};

use super::Entries;

pub(super) fn parse(entries: &mut Entries<'_>) {
    for (range, _) in Template::scan(entries.text) {
        let line = entries.line(range.start);
        entries.string(Key::root().member(&format!("line {line}")), line, line, entries.text[range].to_owned());
    }
}
