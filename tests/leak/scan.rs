//! The canaries of one test, and the search through everything that people can see.

use keyvault_test_support::canary::{Canary, Finder};
use std::error::Error;
use std::fmt::{Debug, Display};
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::process_output::Record;

/// The canaries of one test, and its outputs. Logs, metrics and panics are included automatically.
pub(crate) struct Scan {
    /// The value of a secret.
    pub(crate) secret: Canary,
    pub(crate) token: Canary,
    /// A word in other bodies. It also fits where a code or an id fits.
    pub(crate) word: Canary,
    more: Vec<Canary>,
    shown: Vec<(String, Vec<u8>)>,
    from: usize,
}

impl Scan {
    pub(crate) fn begin() -> Self {
        let (secret, token, word) = (Canary::secret(), Canary::token(), Canary::word());
        Self { secret, token, word, more: Vec::new(), shown: Vec::new(), from: Record::get().logged() }
    }

    /// Adds another text to the search.
    pub(crate) fn look_for(&mut self, text: impl Into<String>) {
        self.more.push(Canary::of(text));
    }

    /// Records both forms of `Debug`.
    pub(crate) fn shows(&mut self, what: &str, value: &(impl Debug + ?Sized)) {
        self.says(what, &format!("{value:?}\n{value:#?}"));
    }

    /// Records both forms of `Display`.
    pub(crate) fn says(&mut self, what: &str, value: &(impl Display + ?Sized)) {
        self.bytes(what, format!("{value}\n{value:#}").into_bytes());
    }

    /// Records the serialised form.
    pub(crate) fn writes(&mut self, what: &str, value: &impl Serialize) {
        self.bytes(what, serde_json::to_vec(value).unwrap());
    }

    pub(crate) fn bytes(&mut self, what: &str, bytes: impl Into<Vec<u8>>) {
        self.shown.push((what.to_owned(), bytes.into()));
    }

    /// Records everything that an error, its sources and its report show.
    pub(crate) fn fails(&mut self, what: &str, error: &keyvault::Error) {
        self.chain(what, error);
        self.says(what, &error.report());
        self.says(what, &format!("{:?} {:?} {:?}", error.setting(), error.origin(), error.advice()));
        self.says(what, &format!("{:?} {:?} {:?}", error.code(), error.inner_code(), error.request_id()));
        if let Some(report) = error.load_report() {
            self.report(what, report);
        }
        for failure in error.failures() {
            self.chain(what, failure);
        }
    }

    /// Records any error and its sources.
    pub(crate) fn chain(&mut self, what: &str, error: &(dyn Error + 'static)) {
        let mut cause = Some(error);
        while let Some(error) = cause {
            self.shows(what, error);
            self.says(what, error);
            cause = error.source();
        }
    }

    /// Records a report, as text and as JSON.
    pub(crate) fn report(&mut self, what: &str, report: &keyvault::Report) {
        self.shows(what, report);
        self.says(what, report);
        self.writes(what, report);
    }

    /// Records the value or the error of a result.
    pub(crate) fn outcome<T: Debug>(&mut self, what: &str, outcome: &Result<T, keyvault::Error>) {
        match outcome {
            Ok(value) => self.shows(what, value),
            Err(error) => self.fails(what, error),
        }
    }

    /// Records the name and content of every file in a directory.
    pub(crate) fn directory(&mut self, path: &Path) {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            let path = entry.path();
            self.says("name of a file", &path.display());
            if path.is_dir() {
                self.directory(&path);
            } else {
                self.bytes(&format!("file {}", path.display()), fs::read(&path).unwrap());
            }
        }
    }

    /// Returns the canaries in all outputs, logs, metrics and panics.
    pub(crate) fn hits(&self) -> Vec<String> {
        let finder = Finder::new([&self.secret, &self.token, &self.word].into_iter().chain(&self.more));
        let record = Record::get();
        let recorded = [
            ("log", record.log(self.from)),
            ("metrics", record.metrics().into_bytes()),
            ("panics", record.panics().into_bytes()),
        ];
        let recorded = recorded.iter().map(|(what, bytes)| (*what, bytes));
        let shown = self.shown.iter().map(|(what, bytes)| (what.as_str(), bytes));
        let hits = shown.chain(recorded).flat_map(|(what, bytes)| {
            let hits = finder.hits(bytes);
            hits.into_iter().map(move |hit| format!("{what}, {hit}"))
        });
        hits.collect()
    }

    /// Asserts that no canary leaked, and that there was output to search.
    #[track_caller]
    pub(crate) fn end(self) {
        assert!(!self.shown.is_empty() && Record::get().logged() > self.from, "nothing was looked at");
        let mut hits = self.hits();
        let count = hits.len();
        hits.truncate(10);
        assert!(hits.is_empty(), "{count} canaries came to light:\n{}", hits.join("\n"));
    }
}
