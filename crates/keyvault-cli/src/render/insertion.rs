//! Putting secrets into a document so that its structure stays.

use std::ops::Range;

use zeroize::Zeroizing;

use super::document::{Part, Style, parts};
use super::json_strings::JsonStrings;
use super::xml;
use crate::settings::Format;

/// A reference in a document and its secret.
pub(super) struct Insertion {
    pub(super) range: Range<usize>,
    pub(super) value: Zeroizing<String>,
}

/// The reason that a secret cannot be put into a document, and its offset in the text with references.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) offset: usize,
    pub(super) message: String,
}

/// Replaces each reference by its secret, escaped for its place, and checks that the parser reads the same structure
/// back. `literal` removes the escapes of references from the text between them.
pub(super) fn insert(
    format: Format,
    text: &str,
    insertions: &[Insertion],
    literal: impl Fn(&str) -> String,
) -> Result<Zeroizing<String>, Refusal> {
    let document = MarkedDocument::new(format, text, insertions, literal);
    let name = format!("{format:?}").to_uppercase();
    let marked = parts(format, &document.text).map_err(|offset| Refusal {
        offset: document.original(offset),
        message: format!("the template is no {name}; put quotes around references, or use --format text"),
    })?;
    let (output, expected) = document.fill(insertions, &marked)?;
    let refusal = |offset: usize| Refusal {
        offset: document.original(offset),
        message: format!("a secret would change the structure of the {name} here"),
    };
    let written = parts(format, &output).map_err(|_| refusal(document.first_mark()))?;
    for (part, expected) in written.iter().zip(&expected) {
        if (part.kind, &part.text) != (expected.kind, &expected.text) {
            return Err(refusal(expected.span.start));
        }
    }
    if written.len() != expected.len() || document.is_strict && !is_strict_json(&output) {
        return Err(refusal(document.first_mark()));
    }
    Ok(output)
}

/// A document with a word in place of each reference.
struct MarkedDocument {
    text: String,
    /// The range of each word.
    marks: Vec<Range<usize>>,
    /// The offset in the original text and that in this one, after each reference.
    offsets: Vec<(usize, usize)>,
    /// Whether it is JSON without comments and trailing commas.
    is_strict: bool,
}

impl MarkedDocument {
    fn new(format: Format, text: &str, insertions: &[Insertion], literal: impl Fn(&str) -> String) -> Self {
        let word = unused_word(text);
        let mut marked = Self { text: String::new(), marks: Vec::new(), offsets: vec![(0, 0)], is_strict: false };
        let mut at = 0;
        let mut strings = JsonStrings::default();
        for (index, insertion) in insertions.iter().enumerate() {
            let between = literal(&text[at..insertion.range.start]);
            strings.read(&between);
            marked.text.push_str(&between);
            let start = marked.text.len();
            if format == Format::Json && !strings.is_inside() {
                marked.text.push('0');
            } else {
                marked.text.push_str(&format!("{word}{index}z"));
            }
            marked.marks.push(start..marked.text.len());
            at = insertion.range.end;
            marked.offsets.push((at, marked.text.len()));
        }
        marked.text.push_str(&literal(&text[at..]));
        marked.is_strict = format == Format::Json && is_strict_json(&marked.text);
        marked
    }

    /// Returns the offset in the original text. It is exact to the piece between two references.
    fn original(&self, offset: usize) -> usize {
        let index = self.offsets.partition_point(|(_, marked)| *marked <= offset).saturating_sub(1);
        let (original, marked) = self.offsets[index];
        original + (offset - marked.min(offset))
    }

    fn first_mark(&self) -> usize {
        self.marks.first().map_or(0, |mark| mark.start)
    }

    /// Returns the document with the secrets, and the parts that it must have.
    fn fill(&self, insertions: &[Insertion], parts: &[Part]) -> Result<(Zeroizing<String>, Vec<Part>), Refusal> {
        let mut edits: Vec<(Range<usize>, Zeroizing<String>)> = Vec::new();
        let mut expected = Vec::new();
        let mut next = 0;
        for part in parts {
            // A mark before this part is in a comment, or in a name that has no place of its own.
            while next < self.marks.len() && self.marks[next].end <= part.span.start {
                edits.push((self.marks[next].clone(), insertions[next].value.clone()));
                next += 1;
            }
            let first = next;
            while next < self.marks.len() && self.marks[next].start < part.span.end {
                next += 1;
            }
            let marks = first..next;
            let values: Vec<&str> =
                marks.clone().map(|index| self.value(part, index, &insertions[index].value)).collect();
            let text = self.replaced(part, marks.clone(), &values);
            if !marks.is_empty() {
                self.edit(part, marks, &values, &text, &mut edits)?;
            }
            expected.push(Part { kind: part.kind, text, span: part.span.clone(), style: part.style });
        }
        edits
            .extend((next..self.marks.len()).map(|index| (self.marks[index].clone(), insertions[index].value.clone())));
        Ok((self.edited(&edits), expected))
    }

    /// Returns the part of a secret that counts. The line break at the end of a YAML block is also that of a secret
    /// there, and a block with `-` in its header ends without one.
    fn value<'v>(&self, part: &Part, mark: usize, secret: &'v str) -> &'v str {
        let after = part.text.split_once(&self.text[self.marks[mark].clone()]).map_or("", |(_, after)| after);
        match part.style {
            Style::JsonLiteral => secret.trim(),
            Style::YamlLiteral | Style::YamlFolded if after.trim_start_matches('\n').is_empty() => {
                match self.chomping(part) {
                    Some('-') => secret.trim_end_matches('\n'),
                    _ if after.is_empty() => secret,
                    _ => secret.strip_suffix('\n').unwrap_or(secret),
                }
            }
            _ => secret,
        }
    }

    /// Returns the text of a part with its marks replaced.
    fn replaced(&self, part: &Part, marks: Range<usize>, values: &[&str]) -> Zeroizing<String> {
        if part.style == Style::JsonLiteral && !marks.is_empty() {
            return Zeroizing::new(values[0].to_owned());
        }
        let length = part.text.len() + values.iter().map(|value| value.len()).sum::<usize>();
        let mut text = Zeroizing::new(String::with_capacity(length));
        let mut rest = part.text.as_str();
        for (index, value) in marks.zip(values) {
            let Some((before, after)) = rest.split_once(&self.text[self.marks[index].clone()]) else { continue };
            text.push_str(before);
            text.push_str(value);
            rest = after;
        }
        text.push_str(rest);
        text
    }

    /// Adds the edits that put the values into a part: one for each mark, or one for the whole part.
    fn edit(
        &self,
        part: &Part,
        marks: Range<usize>,
        values: &[&str],
        text: &str,
        edits: &mut Vec<(Range<usize>, Zeroizing<String>)>,
    ) -> Result<(), Refusal> {
        let refused = |index: usize, message: &str| Refusal {
            offset: self.original(self.marks[index].start),
            message: message.to_owned(),
        };
        if part.style == Style::JsonLiteral && !is_json_literal(values[0]) {
            return Err(refused(
                marks.start,
                "only a number, true or false may stand without quotes around its reference",
            ));
        }
        let is_xml = matches!(part.style, Style::XmlText | Style::XmlAttribute | Style::XmlData);
        if is_xml && !values.iter().all(|value| value.chars().all(xml::is_allowed)) {
            return Err(refused(marks.start, "the secret has a character that XML cannot contain"));
        }
        let written = &self.text[part.span.clone()];
        let is_block = matches!(part.style, Style::YamlLiteral | Style::YamlFolded);
        if let Some(whole) = part.style.rewritten(values, text, is_block && self.chomping(part) == Some('+')) {
            let end = part.span.start + written.trim_end_matches([' ', '\n']).len();
            let block = self.block_header(part.span.start).filter(|_| is_block).map(|header| header..end);
            edits.push((block.unwrap_or(part.span.clone()), whole));
            return Ok(());
        }
        for (index, value) in marks.zip(values) {
            let mark = self.marks[index].clone();
            let indent = if part.style == Style::YamlLiteral { self.indent(mark.start) } else { "" };
            let is_first = mark.start == part.span.start;
            edits.push((mark, part.style.escaped(value, indent, is_first)));
        }
        Ok(())
    }

    /// Returns the spaces at the beginning of the line of `offset`.
    fn indent(&self, offset: usize) -> &str {
        let line = self.text[..offset].rfind('\n').map_or(0, |end| end + 1);
        let before = &self.text[line..offset];
        &before[..before.len() - before.trim_start_matches(' ').len()]
    }

    /// Returns the position of the header, such as `>-`, of the YAML block whose content begins at `content`.
    fn block_header(&self, content: usize) -> Option<usize> {
        let before = self.text[..content].trim_end();
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        let is_header = |(at, _): &(usize, &str)| {
            let rest = before[line + at + 1..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
            rest.is_empty() || rest.trim_start().starts_with('#') && rest.starts_with([' ', '\t'])
        };
        before[line..].match_indices(['|', '>']).find(is_header).map(|(at, _)| line + at)
    }

    /// Returns what the header of a block says about the line breaks at its end: `-` for none, `+` for all.
    fn chomping(&self, part: &Part) -> Option<char> {
        let header = &self.text[self.block_header(part.span.start)? + 1..part.span.start];
        header.chars().take_while(|c| matches!(c, '+' | '-' | '0'..='9')).find(|c| !c.is_ascii_digit())
    }

    fn edited(&self, edits: &[(Range<usize>, Zeroizing<String>)]) -> Zeroizing<String> {
        let length = self.text.len() + edits.iter().map(|(_, text)| text.len()).sum::<usize>();
        let mut out = Zeroizing::new(String::with_capacity(length));
        let mut at = 0;
        for (range, text) in edits {
            out.push_str(&self.text[at..range.start.max(at)]);
            out.push_str(text);
            at = range.end.max(at);
        }
        out.push_str(&self.text[at..]);
        out
    }
}

fn is_json_literal(value: &str) -> bool {
    let literal: Result<serde_json::Value, _> = serde_json::from_str(value);
    literal.is_ok_and(|value| value.is_number() || value.is_boolean() || value.is_null())
}

fn is_strict_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Returns a word that the text does not contain.
fn unused_word(text: &str) -> String {
    let longest = text.split("kvref").skip(1).map(|rest| rest.len() - rest.trim_start_matches('x').len()).max();
    format!("kvref{}", "x".repeat(longest.map_or(1, |length| length + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replaces each `<…>` of `template` by the value with that index.
    fn inserted(format: Format, template: &str, values: &[&str]) -> Result<String, Refusal> {
        let place = |(index, value): (usize, &&str)| {
            let reference = format!("«{index}»");
            let start = template.find(&reference).unwrap();
            Insertion { range: start..start + reference.len(), value: Zeroizing::new((*value).to_owned()) }
        };
        let insertions: Vec<Insertion> = values.iter().enumerate().map(place).collect();
        insert(format, template, &insertions, str::to_owned).map(|text| text.to_string())
    }

    const ODD: &str = "q\"b\\s'a&<>\nl $x: #]]>é";

    #[test]
    fn a_secret_is_escaped_for_its_place() {
        for (format, template, value, expected) in [
            (Format::Json, r#"{"a": "x«0»y"}"#, ODD, r#"{"a": "xq\"b\\s'a&<>\nl $x: #]]>éy"}"#),
            (Format::Json, r#"{"a": «0», /* «1» */ "b": 1,}"#, "5432", r#"{"a": 5432, /* 5432 */ "b": 1,}"#),
            (Format::Json, r#"{"«0»": 1}"#, "a\"b", r#"{"a\"b": 1}"#),
            (Format::Yaml, "a: \"«0»\"", ODD, "a: \"q\\\"b\\\\s'a&<>\\nl $x: #]]>é\""),
            (Format::Yaml, "a: '«0»'\nb: 1", "it's", "a: 'it''s'\nb: 1"),
            (Format::Yaml, "a: '«0»'\nb: 1", "x\ny", "a: \"x\\ny\"\nb: 1"),
            (Format::Yaml, "é: 1\na: x«0» # c\nb: 1", ": 0x1", "é: 1\na: \"x: 0x1\" # c\nb: 1"),
            (Format::Yaml, "a: «0»", "123", "a: \"123\""),
            (Format::Yaml, "a:\n  - k: |\n      «0»\nb: 1\n", "A\nB\n", "a:\n  - k: |\n      A\n      B\nb: 1\n"),
            (Format::Yaml, "k: |-\n  x «0» y\nb: 1\n", "A", "k: |-\n  x A y\nb: 1\n"),
            (Format::Yaml, "k: |\n  «0»\nb: 1\n", "A", "k: |\n  A\nb: 1\n"),
            (Format::Yaml, "k: |\n  «0»\nb: 1\n", "A\n\n", "k: \"A\\n\\n\"\nb: 1\n"),
            (Format::Yaml, "k: |\n  «0»\nb: 1\n", "\n", "k: \"\\n\"\nb: 1\n"),
            (Format::Yaml, "k: |+ # c\n  «0»\nb: 1\n", "A\n\n", "k: |+ # c\n  A\n  \nb: 1\n"),
            (Format::Yaml, "k: |+\n  «0»\n\nb: 1\n", "A", "k: |+\n  A\n\nb: 1\n"),
            (Format::Yaml, "k: |-\n  «0»\nb: 1\n", "A\nB\n\n", "k: |-\n  A\n  B\nb: 1\n"),
            (Format::Yaml, "k: |\n  x: «0»\n  y\nb: 1\n", "A\n", "k: |\n  x: A\n  \n  y\nb: 1\n"),
            (Format::Yaml, "k: |2-\n  «0» «1»\nb: 1\n", "A\n", "k: |2-\n  A\n   A\nb: 1\n"),
            (Format::Yaml, "k: >\n  x «0»\nb: 1\n", "A\n", "k: >\n  x A\nb: 1\n"),
            (Format::Yaml, "k: >-\n  x «0»\nb: 1\n", "A\nB\n", "k: \"x A\\nB\"\nb: 1\n"),
            (Format::Toml, "a = \"«0»\"\n", ODD, "a = \"q\\\"b\\\\s'a&<>\\nl $x: #]]>é\"\n"),
            (Format::Toml, "a = 'x«0»'\n", "plain\\", "a = 'xplain\\'\n"),
            (Format::Toml, "a = 'x«0»'\nb = 1", "it's", "a = \"xit's\"\nb = 1"),
            (Format::Xml, "<a b='«0»'/>", "x'\"<&\n", "<a b='x&#39;&quot;&lt;&amp;&#10;'/>"),
            (Format::Xml, "<a>«0»</a>", "<b>&]]>", "<a>&lt;b&gt;&amp;]]&gt;</a>"),
            (Format::Xml, "<a><![CDATA[«0»]]></a>", "x&<y", "<a><![CDATA[x&<y]]></a>"),
            (Format::Properties, "a = «0»\n", " b\\c\nd é", "a = \\ b\\\\c\\nd \\u00e9\n"),
            (Format::Env, "A=«0»\nB=1", "plain/x", "A=plain/x\nB=1"),
            (Format::Env, "A=«0» # c\nB=1", "a b$c", "A='a b$c' # c\nB=1"),
            (Format::Env, "A=x«0»\n", "it's\n", "A=\"xit's\\n\"\n"),
            (Format::Env, "A=\"«0»\"\n", "a\"b\\", "A=\"a\\\"b\\\\\"\n"),
            (Format::Env, "A=\"x«0»\"\n", "a\"$b", "A='xa\"$b'\n"),
            (Format::Env, "A=\"«0»\"\n", "a'$b", "A=\"a'\\$b\"\n"),
            (Format::Env, "A=\"«0»\"\n", "a`b`", "A='a`b`'\n"),
            (Format::Env, "A='«0»'\n", "a'`b", "A=\"a'\\`b\"\n"),
            (Format::Yaml, "a: > # c\n  x «0»\n\nb: 1\n", "A\nB", "a: \"x A\\nB\\n\"\n\nb: 1\n"),
            (Format::Yaml, "s:\n  x: >\n    a «0»\n  y: 1\n", "A\nB", "s:\n  x: \"a A\\nB\\n\"\n  y: 1\n"),
            (Format::Yaml, "- |2-\n  «0»\n- 1\n", "A\tB", "- \"A\\tB\"\n- 1\n"),
            (Format::Ini, "[s]\na = «0»\n", "x y;z", "[s]\na = x y;z\n"),
        ] {
            let values: Vec<&str> = if template.contains("«1»") { vec![value; 2] } else { vec![value] };
            assert_eq!(inserted(format, template, &values).as_deref(), Ok(expected), "{format:?}: {template}");
        }
    }

    #[test]
    fn a_secret_that_changes_the_structure_is_refused() {
        for (format, template, value) in [
            (Format::Json, r#"{"a": «0»}"#, "x"),
            (Format::Json, r#"{"a": «0»}"#, r#"{"b": 1}"#),
            (Format::Json, "{\"a\": 1 // «0»\n}", "x\n, \"b\": 2 //"),
            (Format::Yaml, "a: 1 # «0»\n", "x\nb: 2"),
            (Format::Toml, "a = 1 # «0»\n", "x\nb = 2"),
            (Format::Toml, "a = «0»\n", "1"),
            (Format::Xml, "<a><!-- «0» --></a>", "--><b/><!--"),
            (Format::Xml, "<a>«0»</a>", "\u{1}"),
            (Format::Xml, "<«0»/>", "b"),
            (Format::Ini, "a = «0»\n", "x\nb = 2"),
            (Format::Ini, "a = «0»\n", " x"),
            (Format::Env, "# «0»\nA=1", "x\nB=2"),
            (Format::Properties, "# «0»\na=1", "x\nb=2"),
        ] {
            assert!(inserted(format, template, &[value]).is_err(), "{format:?}: {template} with {value}");
        }
        let refusal = inserted(Format::Json, "{\n\"a\": «0»,\n\"b\": «1»}", &["1", "x"]).unwrap_err();
        assert_eq!(refusal.offset, 19, "{refusal:?}");
    }

    proptest::proptest! {
        #[test]
        fn every_secret_is_read_back(value in "\\PC{0,20}|[\\\\\"'&<>$# :\n\t{}\\[\\],-]{0,8}") {
            for (format, template) in [
                (Format::Json, r#"{"a": "«0»", "b": [1]}"#),
                (Format::Yaml, "a: \"«0»\"\nb: 1\n"),
                (Format::Yaml, "a: '«0»'\nb: 1\n"),
                (Format::Yaml, "a: «0»\nb: 1\n"),
                (Format::Yaml, "a: |+\n  x «0»\nb: 1\n"),
                (Format::Yaml, "a: |\n  x\n  «0»\n  y\nb: 1\n"),
                (Format::Toml, "a = \"«0»\"\nb = 1\n"),
                (Format::Toml, "a = '«0»'\nb = 1\n"),
                (Format::Xml, "<a b=\"«0»\">1</a>"),
                (Format::Xml, "<a>x«0»</a>"),
                (Format::Properties, "a = «0»\nb = 1\n"),
                (Format::Env, "A=\"«0»\"\nB=1\n"),
            ] {
                // A placeholder of its own in the value would be found in the template.
                let value = value.replace(['«', '»'], "");
                let written = inserted(format, template, &[&value]);
                proptest::prop_assert!(written.is_ok(), "{format:?} {template}: {written:?}");
            }
        }
    }
}
