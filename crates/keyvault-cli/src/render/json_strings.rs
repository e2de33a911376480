//! The strings of a JSON text that is not complete yet.

/// Follows the strings and comments of JSON.
#[derive(Default)]
pub(super) struct JsonStrings {
    state: JsonState,
    last: char,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum JsonState {
    #[default]
    Outside,
    String,
    Escape,
    LineComment,
    BlockComment,
}

impl JsonStrings {
    /// Reads on. `text` continues what was read before.
    pub(super) fn read(&mut self, text: &str) {
        for c in text.chars() {
            self.state = match (self.state, self.last, c) {
                (JsonState::Outside, _, '"') => JsonState::String,
                (JsonState::Outside, '/', '/') => JsonState::LineComment,
                (JsonState::Outside, '/', '*') => JsonState::BlockComment,
                (JsonState::String, _, '"') | (JsonState::LineComment, _, '\n') => JsonState::Outside,
                (JsonState::BlockComment, '*', '/') => JsonState::Outside,
                (JsonState::String, _, '\\') => JsonState::Escape,
                (JsonState::Escape, ..) => JsonState::String,
                (state, ..) => state,
            };
            self.last = c;
        }
    }

    /// Returns whether the next character is in a string or a comment.
    pub(super) fn is_inside(&self) -> bool {
        self.state != JsonState::Outside
    }
}
