//! Colours, line width and progress on a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, interval_at};

use crate::output::number;

/// The number of columns that text for people fits in.
pub(crate) const WIDTH: usize = 80;

/// The colours of a stream. A pipe has no colours, nor has a terminal where [`NO_COLOR`](https://no-color.org) is set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    is_coloured: bool,
}

impl Style {
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { is_coloured: stream.is_terminal() && !is_set("NO_COLOR") && !is_dumb }
    }

    pub(crate) fn success(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    pub(crate) fn error(self, text: impl Display) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn warning(self, text: impl Display) -> String {
        self.paint("33", text)
    }

    pub(crate) fn faint(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// Replaces control characters, which could move the cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Wraps `text` at [`WIDTH`] columns and indents each line by `indent` spaces.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if length > 0 && length + 1 + width > WIDTH - indent {
            lines.push('\n');
            length = 0;
        }
        if length == 0 {
            lines.push_str(&" ".repeat(indent));
        } else {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += width;
    }
    lines + "\n"
}

/// Runs `work`, and on a terminal shows how many of the `total` secrets are `done` once it takes a while.
pub(crate) async fn with_progress<T>(work: impl Future<Output = T>, done: &AtomicUsize, total: usize) -> T {
    let mut err = io::stderr();
    if !err.is_terminal() {
        return work.await;
    }
    let mut tick = interval_at(Instant::now() + PROGRESS_DELAY, Duration::from_millis(100));
    let mut shown = 0;
    tokio::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => {
                if shown > 0 {
                    // Not every console of Windows has an escape sequence that clears a line.
                    let _ = write!(err, "\r{:shown$}\r", "");
                }
                return outcome;
            }
            _ = tick.tick() => {
                let done = done.load(Ordering::Relaxed).min(total);
                let line = format!("keyvault: {} of {} secrets", number(done), number(total));
                let _ = write!(err, "\r{line}").and_then(|()| err.flush());
                shown = line.len();
            }
        }
    }
}

/// Faster commands show no progress.
const PROGRESS_DELAY: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_fit_and_are_indented() {
        let text = wrapped(&"word ".repeat(40), 6);
        assert!(text.lines().all(|line| line.len() <= WIDTH && line.starts_with("      word")), "{text}");
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(printable("a\x1b[2Jb"), "a\u{fffd}[2Jb");
    }
}
