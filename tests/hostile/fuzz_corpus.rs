//! Untrusted bytes: the fuzz targets hold on their corpus and on random changes to it.

use std::fs;
use std::path::Path;

use keyvault_fuzz_entries::{ENTRIES, Entry};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

#[test]
fn every_fuzz_target_holds_on_its_corpus() {
    for (name, entry) in ENTRIES {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        corpus.iter().for_each(|data| entry(data));
    }
}

#[test]
fn every_fuzz_target_holds_on_variations_of_its_corpus() {
    for (name, entry) in ENTRIES {
        // Settings cost the most: two frameworks resolve them.
        let cases = if *name == "settings" { 128 } else { 512 };
        keeps_its_promises(name, *entry, cases);
    }
}

fn keeps_its_promises(name: &str, entry: Entry, cases: u32) {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let data = (select(corpus(name)), prop::collection::vec(edit(), 0..6));
    let outcome = runner.run(&data, |(mut data, edits)| {
        edits.into_iter().for_each(|edit| edit.make(&mut data));
        entry(&data);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{name}: {failure}"));
}

/// Changes some bytes, like a fuzzer.
#[derive(Clone, Debug)]
enum Edit {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
    Repeat(Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let word = select(vec![
        "@KeyVault(",
        "@@",
        ")",
        ";",
        "=",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\\u0040",
        "\0",
        "ü",
        "..",
        "//",
    ]);
    let text = prop_oneof![word.prop_map(|word| word.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 1..8)];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (any::<Index>(), text).prop_map(|(at, text)| Edit::Insert(at, text)),
        (any::<Index>(), 1usize..16).prop_map(|(at, length)| Edit::Remove(at, length)),
        any::<Index>().prop_map(Edit::Cut),
        (any::<Index>(), 1usize..64).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ]
}

impl Edit {
    fn make(self, data: &mut Vec<u8>) {
        let range = |at: Index, length: usize, data: &[u8]| {
            let from = at.index(data.len() + 1);
            from..(from + length).min(data.len())
        };
        match self {
            Edit::Replace(at, byte) if !data.is_empty() => {
                let at = at.index(data.len());
                data[at] = byte;
            }
            Edit::Replace(..) => data.clear(),
            Edit::Insert(at, text) => _ = data.splice(range(at, 0, data), text),
            Edit::Remove(at, length) => _ = data.drain(range(at, length, data)),
            Edit::Cut(at) => data.truncate(at.index(data.len() + 1)),
            Edit::Repeat(at, length) => data.extend_from_within(range(at, length, data)),
        }
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let files = fs::read_dir(folder).into_iter().flatten();
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}
