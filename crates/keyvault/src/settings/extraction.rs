//! Extracting settings again after a mismatch: with text read as another type, and to find every other mismatch.
//!
//! A framework converts text where the type requests a number, a boolean or an enum. serde cannot request anything
//! from values that it buffers: below `#[serde(flatten)]` and in tagged and untagged enums. And every deserializer
//! stops at the first value that does not fit. [`extract_again`] therefore repeats the extraction over changed values:
//! it reads one text as another type where that helps, and puts a stand-in in the place of each value that does not
//! fit, so that the next one is found.

use std::path::PathBuf;

use super::key::{Key, Segment};
use super::mismatch::{INVALID, MISSING, Mismatch, NUMBERS, Subject, UNKNOWN};
use super::scalar::Scalar;

/// The values of a framework's tree, changeable one by one.
pub trait Values: Clone {
    /// Returns every value that is neither a table nor a list.
    fn scalars(&self) -> Vec<(Key, Scalar)>;

    /// Returns the file that contains the value at `key`, if the framework knows it.
    fn file(&self, key: &Key) -> Option<PathBuf>;

    /// Sets the value at `key`, or removes it if `value` is `None`. Does nothing if the table or list above it does
    /// not exist.
    fn set(&mut self, key: &Key, value: Option<&Scalar>);
}

/// Extracts settings from `values`, after the extraction failed with `first`. `extract` repeats it.
///
/// Text that the type refuses is read as a number, as a boolean, and without the white space around it. A reading
/// counts only if the extraction then gets further, so text that fits stays unchanged.
///
/// # Errors
///
/// Every mismatch that could be found.
pub fn extract_again<V: Values, T>(
    values: V,
    first: Mismatch,
    extract: impl Fn(&V) -> Result<T, Mismatch>,
) -> Result<T, Mismatch> {
    let mut settings = None;
    let mut extract = |values: &V| {
        settings = None;
        extract(values).map(|extracted| settings = Some(extracted))
    };
    let mut search = Search {
        values,
        extract: &mut extract,
        attempts: 0,
        replaced: Vec::new(),
        removed: Vec::new(),
        variants: Vec::new(),
        guessed: Vec::new(),
    };
    let mut found = search.run(first.clone()).into_iter();
    match (found.next(), settings) {
        (None, Some(settings)) => Ok(settings),
        (None, None) => Err(first),
        (Some(mismatch), _) => Err(mismatch.with_others(found.collect())),
    }
}

/// No settings type needs more, except in a tree with more errors than a person reads at once.
const MAX_ATTEMPTS: usize = 300;
/// The number of combinations of readings that are tried if serde does not report which value it refuses.
const MAX_COMBINATIONS: usize = 64;

/// The number of variants that are tried in the place of an unknown one.
const MAX_VARIANTS: usize = 8;

struct Search<'s, V> {
    values: V,
    extract: &'s mut dyn FnMut(&V) -> Result<(), Mismatch>,
    attempts: usize,
    /// The keys with a stand-in, or with none because they were removed.
    replaced: Vec<Key>,
    removed: Vec<Key>,
    /// The stand-ins for a variant, which may be the tag of a table.
    variants: Vec<(Key, &'static [&'static str])>,
    /// The tables with such a tag, in which members are missing or unknown because the variant is a guess.
    guessed: Vec<Key>,
}

impl<V: Values> Search<'_, V> {
    fn run(&mut self, first: Mismatch) -> Vec<Mismatch> {
        let (mut found, mut next) = (Vec::new(), Some(first));
        while let Some(raw) = next.take() {
            let mismatch = self.located(raw.clone());
            if self.attempts >= MAX_ATTEMPTS {
                found.extend((!self.is_consequence(&mismatch)).then_some(mismatch));
                break;
            }
            next = if self.is_consequence(&mismatch) || self.is_guess(&mismatch) {
                self.give_way(&mismatch)
            } else if let Some(outcome) = self.read_differently(&raw, &mismatch) {
                outcome
            } else {
                let mut mismatch = mismatch;
                mismatch.details.file = self.values.file(&mismatch.path);
                let outcome = self.stand_in(&mismatch);
                found.push(mismatch);
                outcome
            };
        }
        found
    }

    /// Extracts the changed values. `None` if that succeeds.
    fn attempt(&mut self) -> Option<Mismatch> {
        self.attempts += 1;
        (self.extract)(&self.values).err()
    }

    /// Adds the key of the value that does not fit, where serde buffered it and lost its path.
    fn located(&mut self, mut mismatch: Mismatch) -> Mismatch {
        let subject = mismatch.details.subject.clone();
        match subject {
            Some(Subject::Member(name)) => match self.member(&mismatch.path, &name) {
                Some(key) => mismatch.path = key,
                // The type reports a name that is not in the tree, and the name may be the value.
                None => (mismatch.clause, mismatch.expected) = (INVALID, None),
            },
            Some(Subject::Value(value)) => {
                let below = |key: &Key| *key == mismatch.path || mismatch.path.is_above(key);
                let scalars = self.values.scalars().into_iter().filter(|(key, _)| below(key));
                let mut keys: Vec<Key> = scalars.filter(|(_, it)| *it == value).map(|(key, _)| key).collect();
                // A marker does not show which of several equal numbers is refused where text fits.
                match value {
                    Scalar::Text(_) if keys.len() > 1 => keys.retain(|key| self.is_refused(key, &value)),
                    _ => {}
                }
                if let [key] = &keys[..] {
                    mismatch.path = key.clone();
                }
            }
            None if mismatch.details.is_custom() => {
                if let Some(key) = self.refused_below(&mismatch) {
                    mismatch.path = key;
                }
            }
            None => {}
        }
        mismatch
    }

    /// Returns the value below the path of a mismatch whose message is the type's own: the only one without which the
    /// extraction fails for another reason. If the type refuses several values together, there is none.
    fn refused_below(&mut self, mismatch: &Mismatch) -> Option<Key> {
        let scalars = self.values.scalars().into_iter().map(|(key, _)| key);
        // Without an element of a list, the others would move.
        let keys = scalars
            .filter(|key| mismatch.path.is_above(key) && !matches!(key.segments().last(), Some(Segment::Index(_))));
        let keys: Vec<Key> = keys.collect();
        if keys.len() > MAX_COMBINATIONS {
            return None;
        }
        let values = self.values.clone();
        let mut refused = Vec::new();
        for key in keys {
            self.values.set(&key, None);
            let is_needed = self.attempt().is_some_and(|next| next.is_same(mismatch));
            self.values = values.clone();
            // The type understands the tag of an enum, or it would report that.
            if !is_needed && !self.is_tag(&key, &values) {
                refused.push(key);
            }
        }
        if let [key] = &refused[..] { Some(key.clone()) } else { None }
    }

    fn is_tag(&mut self, key: &Key, values: &V) -> bool {
        let outcome = self.attempt_with(key, &Scalar::text("\u{1}no variant\u{1}"));
        self.values = values.clone();
        outcome.is_some_and(|next| !next.details.variants.is_empty())
    }

    /// Returns the key of the table member `name`, at `path` or below.
    fn member(&self, path: &Key, name: &str) -> Option<Key> {
        let is_name = |segment: &Segment| segment.name() == Some(name);
        let scalars = self.values.scalars();
        let keys = scalars.iter().filter(|(key, _)| *key == *path || path.is_above(key)).map(|(key, _)| key.segments());
        let depth = path.segments().len();
        if path.segments().last().is_some_and(is_name) {
            return Some(path.clone());
        }
        let ends = keys.filter_map(|key| Some((depth + key[depth..].iter().position(is_name)? + 1, key)));
        ends.min_by_key(|(end, _)| *end).map(|(end, key)| key[..end].iter().cloned().collect())
    }

    /// Returns whether the extraction fails because of the value at `key`: then it fails because of another text, too.
    fn is_refused(&mut self, key: &Key, value: &Scalar) -> bool {
        let marker = Scalar::text("\u{1}this text is in no settings\u{1}");
        let outcome = self.attempt_with(key, &marker);
        self.values.set(key, Some(value));
        outcome.is_some_and(|mismatch| mismatch.is_about(&marker))
    }

    /// Reads text as another type. Returns the next mismatch, or `None` if no reading helps.
    #[expect(clippy::option_option, reason = "no reading, or an extraction without a mismatch")]
    fn read_differently(&mut self, raw: &Mismatch, mismatch: &Mismatch) -> Option<Option<Mismatch>> {
        if mismatch.clause != INVALID {
            return None;
        }
        let texts = |(key, value)| match value {
            Scalar::Text(text) => Some((key, text)),
            _ => None,
        };
        let mut texts: Vec<_> = self.values.scalars().into_iter().filter_map(texts).collect();
        if texts.iter().any(|(key, _)| *key == mismatch.path) {
            texts.retain(|(key, _)| *key == mismatch.path);
        } else if mismatch.found().is_none() {
            // The type reports neither the value nor its kind: it may be any below.
            texts.retain(|(key, _)| mismatch.path.is_above(key));
        } else {
            return None;
        }
        let changes = texts.iter().enumerate().flat_map(|(at, (key, text))| {
            let readings = Scalar::readings(text).into_iter().filter(|reading| may_fit(reading, mismatch));
            readings.map(move |reading| (at, key.clone(), reading))
        });
        let changes: Vec<(usize, Key, Scalar)> = changes.collect();
        for combination in combinations(&changes) {
            combination.iter().for_each(|(_, key, reading)| self.values.set(key, Some(reading)));
            let outcome = self.attempt();
            let is_progress = match &outcome {
                None => true,
                Some(next) if combination.iter().any(|(_, key, it)| next.path == *key || next.is_about(it)) => false,
                // Another value may have the same text.
                Some(next) if next.is_same(raw) => self.located(next.clone()).path != mismatch.path,
                Some(_) => true,
            };
            if is_progress {
                return Some(outcome);
            }
            for (at, key, _) in combination {
                self.values.set(key, Some(&Scalar::Text(texts[*at].1.clone())));
            }
        }
        None
    }

    /// Returns whether the mismatch may come from an earlier change.
    fn is_consequence(&self, mismatch: &Mismatch) -> bool {
        let path = &mismatch.path;
        let is_near = |key: &Key| key == path || key.is_above(path) || path.is_above(key);
        let is_guessed = mismatch.clause != INVALID && self.guessed.iter().any(|table| table.is_above(path));
        is_guessed || self.replaced.iter().any(is_near)
    }

    /// Returns whether a member is missing or unknown because of a guessed variant: another variant changes that.
    fn is_guess(&mut self, mismatch: &Mismatch) -> bool {
        if mismatch.clause == INVALID {
            return false;
        }
        for (tag, variants) in self.variants.clone() {
            let table: Key = tag.segments()[..tag.segments().len() - 1].iter().cloned().collect();
            if !table.is_above(&mismatch.path) {
                continue;
            }
            let others = variants.iter().skip(1).take(MAX_VARIANTS);
            let outcomes: Vec<_> = others.map(|variant| self.attempt_with(&tag, &Scalar::text(*variant))).collect();
            self.values.set(&tag, Some(&Scalar::text(variants[0])));
            if outcomes.iter().any(|outcome| outcome.as_ref().is_none_or(|other| !other.is_same(mismatch))) {
                self.guessed.push(table);
                return true;
            }
        }
        false
    }

    fn attempt_with(&mut self, key: &Key, value: &Scalar) -> Option<Mismatch> {
        self.values.set(key, Some(value));
        self.attempt()
    }

    /// Puts a stand-in in the place of a value that does not fit or is missing. Returns the next mismatch.
    fn stand_in(&mut self, mismatch: &Mismatch) -> Option<Mismatch> {
        let path = mismatch.path.clone();
        let value = if mismatch.clause == MISSING { Some(Scalar::text("")) } else { stand_in(mismatch) };
        if mismatch.clause == UNKNOWN || value.is_none() {
            return self.remove(path);
        }
        if !mismatch.details.variants.is_empty() {
            self.variants.push((path.clone(), mismatch.details.variants));
        }
        self.values.set(&path, value.as_ref());
        self.replaced.push(path);
        self.attempt()
    }

    /// Replaces a stand-in that does not fit by a better one, or removes it. Returns the next mismatch.
    fn give_way(&mut self, mismatch: &Mismatch) -> Option<Mismatch> {
        let path = &mismatch.path;
        let is_empty_text = self.replaced.contains(path) && mismatch.is_about(&Scalar::text(""));
        match stand_in(mismatch) {
            Some(better) if is_empty_text && better != Scalar::text("") => self.attempt_with(path, &better),
            _ => self.remove(path.clone()),
        }
    }
    /// Removes the value at `key`, or the table above it if it is gone already. Returns the next mismatch.
    fn remove(&mut self, mut key: Key) -> Option<Mismatch> {
        // Removing an element of an array would move the others.
        while self.removed.contains(&key) || matches!(key.segments().last(), Some(Segment::Index(_))) {
            self.replaced.push(key.clone());
            key = key.segments()[..key.segments().len() - 1].iter().cloned().collect();
        }
        if key.segments().is_empty() {
            return None;
        }
        self.values.set(&key, None);
        self.replaced.push(key.clone());
        self.removed.push(key);
        self.attempt()
    }
}

impl Mismatch {
    fn is_about(&self, value: &Scalar) -> bool {
        matches!(&self.details.subject, Some(Subject::Value(subject)) if subject == value)
    }
}

/// Returns whether the type may take a reading: it requested a number, for example, or did not reveal its request.
///
/// A framework may convert any other reading, as config rounds `1.5` and takes `5` as `true`.
fn may_fit(reading: &Scalar, mismatch: &Mismatch) -> bool {
    let expected = mismatch.expected.as_deref().unwrap_or_default();
    let number = expected.trim_start_matches("a nonzero ");
    let is_open = expected.is_empty() || expected.starts_with("a variant of ");
    match reading {
        Scalar::Bool(_) => is_open || expected == "a boolean",
        Scalar::Integer(_) => is_open || NUMBERS.contains(&number),
        Scalar::Float(_) => is_open || ["f32", "f64"].contains(&number),
        Scalar::Text(_) => true,
    }
}

/// Returns a value that the type takes, if that is known.
fn stand_in(mismatch: &Mismatch) -> Option<Scalar> {
    if let Some(variant) = mismatch.details.variants.first() {
        return Some(Scalar::text(*variant));
    }
    match mismatch.expected.as_deref()? {
        "a boolean" => Some(Scalar::Bool(false)),
        "a string" => Some(Scalar::text("")),
        "a character" => Some(Scalar::text("a")),
        number if NUMBERS.contains(&number.trim_start_matches("a nonzero ")) => Some(Scalar::Integer(1)),
        _ => None,
    }
}

/// Returns the sets of `changes` with at most one change of each value, the smallest sets first.
fn combinations<C>(changes: &[(usize, Key, C)]) -> Vec<Vec<&(usize, Key, C)>> {
    let mut all: Vec<Vec<&(usize, Key, C)>> = changes.iter().map(|change| vec![change]).collect();
    let mut from = 0;
    while from < all.len() && all.len() < MAX_COMBINATIONS {
        let smaller = all[from].clone();
        let last = smaller.last().map_or(0, |(at, ..)| *at);
        let larger = changes.iter().filter(|(at, ..)| *at > last);
        all.extend(larger.map(|change| smaller.iter().copied().chain([change]).collect()));
        from += 1;
    }
    all
}
