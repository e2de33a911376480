//! The data source name of a MySQL driver of Go: `user:password@protocol(address)/database?name=value`.

/// The part of a data source name that a secret is in.
///
/// The driver [looks](https://github.com/go-sql-driver/mysql#dsn-data-source-name) for the last `/`, the last `@` before
/// it and the first `:`, and decodes the database and the values of parameters only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DsnPart {
    User,
    /// May have any character.
    Password,
    Address,
    /// The database, or the value of a parameter.
    Encoded,
}

impl DsnPart {
    /// Returns the part that is between `before` and `after` on one line. `None` if they form no data source name.
    pub(super) fn between(before: &str, after: &str) -> Option<Self> {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
        let before = before.rsplit(ends).next().unwrap_or_default();
        let after = after.split(ends).next().unwrap_or_default();
        if before.contains("://") {
            return None;
        }
        if let Some(address) = find_address(after) {
            let has_password = before.contains(':');
            return is_closed(address).then_some(if has_password { Self::Password } else { Self::User });
        }
        let address = find_address(before)?;
        if is_closed(address) {
            return Some(Self::Encoded);
        }
        is_closed(after).then_some(Self::Address)
    }

    /// Returns whether `value` changes the structure of the data source name.
    pub(super) fn is_changed_by(self, value: &str) -> bool {
        let delimiters: &[char] = match self {
            Self::User => &[':'],
            Self::Password => &[],
            Self::Address => &['@', '/', '(', ')'],
            Self::Encoded => &['@', '/', '?', '&', '+', '%'],
        };
        value.contains(delimiters)
    }
}

/// Returns what follows the last `@protocol(` of `text`.
fn find_address(text: &str) -> Option<&str> {
    let is_protocol = |at: usize| {
        let (protocol, _) = text[at + 1..].split_once('(')?;
        protocol.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'_')).then_some(())?;
        Some(&text[at + 1 + protocol.len() + 1..]).filter(|_| !protocol.is_empty())
    };
    text.rmatch_indices('@').find_map(|(at, _)| is_protocol(at))
}

/// Returns whether the address ends in `text`, and the database follows.
fn is_closed(text: &str) -> bool {
    text.contains(")/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_data_source_name_is_found() {
        for (text, part) in [
            ("app:*@tcp(db:3306)/shop?parseTime=true", Some(DsnPart::Password)),
            ("dsn=\"app:*@unix(/run/mysqld.sock)/shop\"", Some(DsnPart::Password)),
            ("app:x*y@tcp(db)/", Some(DsnPart::Password)),
            ("*:pw@tcp(db)/shop", Some(DsnPart::User)),
            ("*@cloudsql-mysql(a:b:c)/shop", Some(DsnPart::User)),
            ("app:p@w@tcp(*:3306)/shop", Some(DsnPart::Address)),
            ("app:pw@tcp(db)/*?tls=true", Some(DsnPart::Encoded)),
            ("app:pw@tcp(db)/shop?loc=*&tls=true", Some(DsnPart::Encoded)),
            ("app:*@tcp(db)", None),
            ("app:*@db/shop", None),
            ("app:* @tcp(db)/shop", None),
            ("mysql://app:*@tcp(db)/shop", None),
            ("call @f(*)", None),
        ] {
            let (before, after) = text.split_once('*').unwrap();
            assert_eq!(DsnPart::between(before, after), part, "{text}");
        }
    }
}
