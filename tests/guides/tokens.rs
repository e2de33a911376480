//! The words, texts and punctuation of Rust source. `syn` would have every procedural macro compiled a second time.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Token {
    Word(String),
    /// The value of a string literal.
    Text(String),
    Punctuation(char),
}

pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' => tokens.push(Token::Text(text(&mut chars))),
            '\'' => skip_character_or_lifetime(&mut chars),
            'r' if matches!(chars.peek(), Some('"' | '#')) => tokens.push(raw_text(&mut chars)),
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
            c if c.is_whitespace() => {}
            c => tokens.push(Token::Punctuation(c)),
        }
    }
    tokens
}

/// Reads a string literal after its first quote.
fn text(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                Some('n') => text.push('\n'),
                Some(escaped @ ('"' | '\\')) => text.push(escaped),
                _ => text.push('\u{fffd}'),
            },
            c => text.push(c),
        }
    }
    text
}

/// Reads a raw string literal after its `r`.
fn raw_text(chars: &mut Peekable<Chars<'_>>) -> Token {
    let mut end = String::from("\"");
    while chars.next_if_eq(&'#').is_some() {
        end.push('#');
    }
    if chars.next_if_eq(&'"').is_none() {
        return Token::Word("r#".into()); // an identifier such as r#type
    }
    let mut text = String::new();
    while !text.ends_with(&end) {
        text.push(chars.next().unwrap());
    }
    text.truncate(text.len() - end.len());
    Token::Text(text)
}

/// Skips a character literal or a lifetime after its quote.
fn skip_character_or_lifetime(chars: &mut Peekable<Chars<'_>>) {
    if chars.next_if_eq(&'\\').is_some() {
        chars.next();
        while chars.next().is_some_and(|c| c != '\'') {}
        return;
    }
    let first = chars.next();
    if chars.next_if_eq(&'\'').is_none() && first.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        while chars.next_if(|c| c.is_alphanumeric() || *c == '_').is_some() {}
    }
}

#[test]
fn texts_are_told_from_characters_lifetimes_and_comments() {
    let source = r##"fn f<'a>(x: &'a str) { ('"', '\'', '\u{1}', "a \"b\" \
        c", r#"d " e"#) } // "comment"
        const B: &[u8] = b"bytes";"##;
    let texts: Vec<String> = tokens(source)
        .into_iter()
        .filter_map(|token| match token {
            Token::Text(text) => Some(text),
            _ => None,
        })
        .collect();
    assert_eq!(texts, [r#"a "b" c"#, r#"d " e"#, "bytes"]);
}
