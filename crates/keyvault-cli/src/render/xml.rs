//! A small XML parser: elements, attributes, text, comments, CDATA, processing instructions, and a document type
//! without declarations of its own.

use super::document::{Kind, Part, Style};

/// Returns the parts of a document, or the offset at which it is invalid.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, usize> {
    if let Some(at) = text.find(|c: char| !is_allowed(c)) {
        return Err(at);
    }
    let mut parser = XmlParser { text, at: 0, open: Vec::new(), parts: Vec::new() };
    while parser.at < text.len() {
        parser.next()?;
    }
    if parser.open.is_empty() { Ok(parser.parts) } else { Err(text.len()) }
}

/// Returns whether a document may contain the character, written or escaped.
pub(super) fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

struct XmlParser<'t> {
    text: &'t str,
    at: usize,
    /// The names of the open elements.
    open: Vec<&'t str>,
    parts: Vec<Part>,
}

impl<'t> XmlParser<'t> {
    fn next(&mut self) -> Result<(), usize> {
        let rest = &self.text[self.at..];
        if !rest.starts_with('<') {
            let end = self.at + rest.find('<').unwrap_or(rest.len());
            return self.text_until(end);
        }
        if rest.starts_with("<!--") {
            let end = self.find("-->", 4)?;
            // A comment must not contain `--`.
            let inner = &self.text[self.at + 4..end - 3];
            if inner.contains("--") || inner.ends_with('-') {
                return Err(self.at);
            }
            self.at = end;
        } else if rest.starts_with("<![CDATA[") {
            let end = self.find("]]>", 9)?;
            let data = &self.text[self.at + 9..end - 3];
            self.push_text(data, self.at..end, Style::XmlData);
            self.at = end;
        } else if rest.starts_with("<?") {
            self.at = self.find("?>", 2)?;
        } else if rest.starts_with("<!DOCTYPE") {
            let end = self.find(">", 9)?;
            if self.text[self.at..end].contains('[') {
                return Err(self.at);
            }
            self.at = end;
        } else if rest.starts_with("</") {
            let end = self.find(">", 2)?;
            let name = self.text[self.at + 2..end - 1].trim_end();
            if self.open.pop() != Some(name) {
                return Err(self.at);
            }
            self.parts.push(Part::new(Kind::End, "", self.at..self.at, Style::Raw));
            self.at = end;
        } else {
            self.element()?;
        }
        Ok(())
    }

    /// Returns the end of `mark`, which comes at least `skip` bytes after the current position.
    fn find(&self, mark: &str, skip: usize) -> Result<usize, usize> {
        let from = self.at + skip;
        self.text[from..].find(mark).map(|at| from + at + mark.len()).ok_or(self.at)
    }

    fn text_until(&mut self, end: usize) -> Result<(), usize> {
        let raw = &self.text[self.at..end];
        if raw.contains("]]>") {
            return Err(self.at);
        }
        let text = unescaped(raw).ok_or(self.at)?;
        if self.open.is_empty() && !text.trim().is_empty() {
            return Err(self.at);
        }
        self.push_text(&text, self.at..end, Style::XmlText);
        self.at = end;
        Ok(())
    }

    /// Adds text, unless it is empty.
    fn push_text(&mut self, text: &str, span: std::ops::Range<usize>, style: Style) {
        if !text.is_empty() {
            self.parts.push(Part::new(Kind::Text, text, span, style));
        }
    }

    /// Reads the start of an element with its attributes.
    fn element(&mut self) -> Result<(), usize> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.at);
        }
        let start = self.at;
        self.at += 1;
        let name = self.name()?;
        self.parts.push(Part::new(Kind::Start("element"), name, start..start, Style::Raw));
        loop {
            let spaces = self.skip_space();
            let rest = &self.text[self.at..];
            if rest.starts_with("/>") {
                self.at += 2;
                self.parts.push(Part::new(Kind::End, "", start..start, Style::Raw));
                return Ok(());
            }
            if rest.starts_with('>') {
                self.at += 1;
                self.open.push(name);
                return Ok(());
            }
            if !spaces {
                return Err(self.at);
            }
            let attribute = self.name()?;
            self.skip_space();
            if !self.text[self.at..].starts_with('=') {
                return Err(self.at);
            }
            self.at += 1;
            self.skip_space();
            let quote =
                self.text[self.at..].chars().next().filter(|quote| matches!(quote, '"' | '\'')).ok_or(self.at)?;
            let value = self.at + 1;
            let length = self.text[value..].find(quote).ok_or(self.at)?;
            let raw = &self.text[value..value + length];
            let text = unescaped(raw).filter(|_| !raw.contains('<')).ok_or(self.at)?;
            self.parts.push(Part::new(Kind::Name, attribute, self.at..self.at, Style::Raw));
            self.parts.push(Part::new(Kind::Text, text, self.at..value + length + 1, Style::XmlAttribute));
            self.at = value + length + 1;
        }
    }

    fn name(&mut self) -> Result<&'t str, usize> {
        let rest = &self.text[self.at..];
        let is_end = |c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=' | '<' | '&' | '"' | '\'' | '@' | '(');
        let length = rest.find(is_end).unwrap_or(rest.len());
        if length == 0 || rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '!' | '?')) {
            return Err(self.at);
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn skip_space(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let length = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.at += length;
        length > 0
    }
}

const MAX_DEPTH: usize = 1_000;

/// Replaces the entities. Keeps one that is not predefined as it is. `None` for a bare `&`.
fn unescaped(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let entity = &rest[at + 1..];
        let length = entity.bytes().take(40).position(|byte| byte == b';')?;
        let name = &entity[..length];
        match name.strip_prefix('#') {
            Some(number) => {
                let hex = number.strip_prefix('x').map(|hex| u32::from_str_radix(hex, 16).ok());
                let number = hex.unwrap_or_else(|| number.parse().ok())?;
                out.push(char::from_u32(number).filter(|c| is_allowed(*c))?);
            }
            None => match name {
                "amp" => out.push('&'),
                "lt" => out.push('<'),
                "gt" => out.push('>'),
                "quot" => out.push('"'),
                "apos" => out.push('\''),
                _ if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                    out.push_str(&rest[at..at + length + 2]);
                }
                _ => return None,
            },
        }
        rest = &entity[length + 1..];
    }
    out.push_str(rest);
    Some(out)
}
