//! The terminal, where there is one.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, interval_at};

/// How wide what people read may be.
pub(crate) const WIDTH: usize = 80;

/// Colours, where they can be seen and are wanted: not in a pipe, and not where
/// [`NO_COLOR`](https://no-color.org) is set.
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

    pub(crate) fn good(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(self, text: impl Display) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn doubtful(self, text: impl Display) -> String {
        self.paint("33", text)
    }

    pub(crate) fn faint(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// Takes out of names and places what would move the cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Breaks text into lines that fit, each behind `indent` spaces.
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

/// Waits for work that may be long, and shows on a terminal how far it is.
pub(crate) async fn with_progress<T>(work: impl Future<Output = T>, done: &AtomicUsize, of: usize) -> T {
    let mut err = io::stderr();
    if !err.is_terminal() {
        return work.await;
    }
    let mut tick = interval_at(Instant::now() + FIRST_SIGN, Duration::from_millis(100));
    let mut is_shown = false;
    tokio::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => {
                if is_shown {
                    let _ = write!(err, "\r\x1b[K");
                }
                return outcome;
            }
            _ = tick.tick() => {
                let done = done.load(Ordering::Relaxed).min(of);
                is_shown = write!(err, "\rkeyvault: {} of {} secrets", number(done), number(of)).is_ok();
                let _ = err.flush();
            }
        }
    }
}

/// What is quicker needs no sign of life.
const FIRST_SIGN: Duration = Duration::from_millis(400);

/// Writes a number as people read it: `10,000`.
pub(crate) fn number(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// Writes a count with its noun: `1 reference`, `2 references`.
pub(crate) fn count(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

/// Reads an interval for polling.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval < Duration::from_secs(1) { Err("at least 1s".to_owned()) } else { Ok(interval) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lines_are_for_people() {
        for (given, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(given), expected);
        }
        assert_eq!((count(1, "key"), count(2, "key")), ("1 key".to_owned(), "2 keys".to_owned()));
        let text = wrapped(&"word ".repeat(40), 6);
        assert!(text.lines().all(|line| line.len() <= WIDTH && line.starts_with("      word")), "{text}");
        assert_eq!(printable("a\x1b[2Jb"), "a\u{fffd}[2Jb");
        assert!(interval("999ms").is_err() && interval("1s").is_ok());
    }
}
