//! The key of a setting: the path to a value in the tree of settings.

use std::fmt;
use std::sync::Arc;

/// The path to one value of the settings, such as `database.password` and `servers[0].url`.
///
/// `Display` writes it in that form. `Clone` is cheap.
///
/// # Examples
///
/// ```
/// use keyvault::settings::Key;
///
/// let key = Key::root().member("servers").element(0).member("url");
/// assert_eq!(key.to_string(), "servers[0].url");
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key(Arc<[Segment]>);

/// One segment of a [`Key`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Segment {
    /// A member of a table.
    Name(Box<str>),
    /// An element of an array, counted from 0.
    Index(usize),
}

impl Segment {
    /// Returns the name of a table's member, or `None` for an element of an array.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Index(_) => None,
        }
    }

    /// Returns whether a step of a written path, a name or the digits of an index, means this segment.
    pub(crate) fn is(&self, step: &str) -> bool {
        match self {
            Self::Name(name) => **name == *step,
            Self::Index(index) => step == index.to_string(),
        }
    }
}

impl Key {
    /// Creates the key of the whole tree, which has no segments.
    pub fn root() -> Self {
        Self::default()
    }

    /// Returns the key of a member of the table at this key.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        self.with(Segment::Name(name.into()))
    }

    /// Returns the key of an element of the array at this key. `index` counts from 0.
    #[must_use]
    pub fn element(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        self.0.iter().cloned().chain([segment]).collect()
    }

    /// Returns the segments from the root to the value.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Returns whether the path leads through an array.
    pub(crate) fn has_index(&self) -> bool {
        self.0.iter().any(|segment| matches!(segment, Segment::Index(_)))
    }

    /// Returns the path in letters alone, which is the same for keys that differ in upper and lower case, `_` and `-`.
    pub(crate) fn letters(&self) -> Vec<String> {
        let letters = |segment: &Segment| match segment {
            Segment::Name(name) => letters(name).collect(),
            Segment::Index(index) => index.to_string(),
        };
        self.0.iter().map(letters).collect()
    }

    /// Returns whether this key is the key of a table or array that contains `other`.
    pub(crate) fn is_above(&self, other: &Key) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }
}

/// Returns whether two names have the same letters: they differ in upper and lower case, `_` and `-` alone.
pub(crate) fn same_letters(one: &str, other: &str) -> bool {
    letters(one).eq(letters(other))
}

/// Returns the letters and digits of a name in lower case.
pub(crate) fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase)
}

impl<'a> FromIterator<&'a str> for Key {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        names.into_iter().map(|name| Segment::Name(name.into())).collect()
    }
}

impl FromIterator<Segment> for Key {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Name(name) if i == 0 => f.write_str(name)?,
                Segment::Name(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
