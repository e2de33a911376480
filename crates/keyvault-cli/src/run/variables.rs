//! Variables of one source before their references are resolved.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use keyvault::settings::Key;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::settings::{Entry, LEFT_ALONE, SelectionArguments, may_contain_reference, needs_check};
use crate::terminal::printable;

/// The variables that the child gets in addition to ours.
#[derive(Default)]
pub(super) struct Variables {
    /// The variables with references, or with text that was meant to be one, by name.
    pub(super) references: BTreeMap<String, Entry>,
    pub(super) plain: BTreeMap<String, Zeroizing<String>>,
}

/// Lines on standard error. Each is printed once, however often the variables are read.
#[derive(Default)]
pub(super) struct Notes(Mutex<Vec<String>>);

impl Variables {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.references.contains_key(name) || self.plain.contains_key(name)
    }

    /// Sets a variable in place of an earlier one.
    pub(super) fn set(
        &mut self,
        name: &str,
        origin: String,
        text: Zeroizing<String>,
        (selection, notes): (&SelectionArguments, &Notes),
    ) -> Result<(), Failure> {
        self.plain.remove(name);
        self.references.remove(name);
        if needs_check(&text) && selection.includes(name) {
            let key = Key::root().member(name);
            self.references.insert(name.to_owned(), Entry { key, origin, document: 0, text: Some(text) });
            return Ok(());
        }
        if text.contains('\0') {
            return Err(contains_nul(name, &origin));
        }
        if may_contain_reference(&text) && selection.protects(name) {
            notes.print_left_alone(name, &origin);
        }
        self.plain.insert(name.to_owned(), text);
        Ok(())
    }
}

impl Notes {
    pub(super) fn print(&self, note: &str) {
        let mut printed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !printed.iter().any(|one| one == note) {
            eprintln!("keyvault: {}", printable(note));
            printed.push(note.to_owned());
        }
    }

    /// Prints that a variable is left alone although it has a reference.
    pub(super) fn print_left_alone(&self, name: &str, origin: &str) {
        self.print(&format!("{origin} {name} {LEFT_ALONE}"));
    }
}

pub(super) fn contains_nul(name: &str, origin: &str) -> Failure {
    let origin = printable(origin);
    Failure::usage(format!("the value of {name} ({origin}) contains a NUL, which an environment variable cannot hold"))
}
