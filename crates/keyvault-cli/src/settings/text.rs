//! Any other text: each reference in it is a value, with its line as the key.

use keyvault::Template;
use keyvault::settings::Key;

use super::collector::EntryCollector;

pub(super) fn parse(collector: &mut EntryCollector<'_>) {
    for (range, _) in Template::scan(collector.text) {
        let line = collector.line(range.start);
        collector.string(Key::root().member(&format!("line {line}")), line, line, collector.text[range].to_owned());
    }
}
