//! Canaries, and everything that people may come to see of what is done with them.

use keyvault_test_support::canary::{Canary, Finder};
use std::error::Error;
use std::fmt::{Debug, Display};
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::record::Record;

/// Canaries of one test, and what it showed. What is logged, counted and shouted meanwhile is seen without being asked.
pub(crate) struct Scan {
    /// The value of a secret.
    pub(crate) secret: Canary,
    pub(crate) token: Canary,
    /// What a body says that is no secret's; a word that also fits where a code or an id does.
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

    /// Looks for another text, too.
    pub(crate) fn look_for(&mut self, text: impl Into<String>) {
        self.more.push(Canary::of(text));
    }

    /// Takes down both ways of `Debug`.
    pub(crate) fn shows(&mut self, what: &str, value: &(impl Debug + ?Sized)) {
        self.says(what, &format!("{value:?}\n{value:#?}"));
    }

    /// Takes down both ways of `Display`.
    pub(crate) fn says(&mut self, what: &str, value: &(impl Display + ?Sized)) {
        self.bytes(what, format!("{value}\n{value:#}").into_bytes());
    }

    /// Takes down what something is serialised to.
    pub(crate) fn writes(&mut self, what: &str, value: &impl Serialize) {
        self.bytes(what, serde_json::to_vec(value).unwrap());
    }

    pub(crate) fn bytes(&mut self, what: &str, bytes: impl Into<Vec<u8>>) {
        self.shown.push((what.to_owned(), bytes.into()));
    }

    /// Takes down everything that an error shows, and its sources, and what it knows of the load.
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

    /// Takes down an error of anybody's, and its sources.
    pub(crate) fn chain(&mut self, what: &str, error: &(dyn Error + 'static)) {
        let mut cause = Some(error);
        while let Some(error) = cause {
            self.shows(what, error);
            self.says(what, error);
            cause = error.source();
        }
    }

    /// Takes down a report, as people and as scripts read it.
    pub(crate) fn report(&mut self, what: &str, report: &keyvault::Report) {
        self.shows(what, report);
        self.says(what, report);
        self.writes(what, report);
    }

    /// Takes down what came of something: the result or the error.
    pub(crate) fn outcome<T: Debug>(&mut self, what: &str, outcome: &Result<T, keyvault::Error>) {
        match outcome {
            Ok(value) => self.shows(what, value),
            Err(error) => self.fails(what, error),
        }
    }

    /// Takes down every file in a directory, with its name.
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

    /// Finds the canaries in everything that was shown, logged, counted and shouted.
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

    /// Asserts that nothing came to light, and that there was something to look at.
    #[track_caller]
    pub(crate) fn end(self) {
        assert!(!self.shown.is_empty() && Record::get().logged() > self.from, "nothing was looked at");
        let mut hits = self.hits();
        let count = hits.len();
        hits.truncate(10);
        assert!(hits.is_empty(), "{count} canaries came to light:\n{}", hits.join("\n"));
    }
}
