//! The link to the next page of a list.

use url::form_urlencoded;

/// Returns the token of the page after this one, from the link to it: the parameter `after`. `None` if the link has no
/// token, or one that is too long.
///
/// Of the link only this parameter is used, in a URL that the client makes itself. So no response can send a request to
/// another host or to another list.
pub(crate) fn after_in_next_link(link: &str) -> Option<String> {
    let (_, query) = link.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let (_, token) = parameters.find(|(name, _)| name.eq_ignore_ascii_case("after"))?;
    (!token.is_empty() && token.len() <= MAX_TOKEN).then(|| token.into_owned())
}

/// Returns the link to the next page from a `Link` header, such as `</kv?after=…>; rel="next"`, among links of other
/// relations ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288#section-3)).
pub(crate) fn next_in_link_header(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (link, tail) = after.split_once('>')?;
        let parameters = tail.split('<').next().unwrap_or_default();
        if parameters.split([';', ',']).any(is_next) {
            return Some(link);
        }
        rest = tail;
    }
    None
}

fn is_next(parameter: &str) -> bool {
    parameter.trim().split_once('=').is_some_and(|(name, relation)| {
        name.trim().eq_ignore_ascii_case("rel") && relation.trim().trim_matches('"').eq_ignore_ascii_case("next")
    })
}

/// A token is the Base64 of a key and a label, which have at most 10 KB together.
const MAX_TOKEN: usize = 32 * 1_024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_token_of_the_next_page_is_found() {
        for (link, token) in [
            ("/kv?api-version=1.0&after=a2V5", Some("a2V5")),
            ("/kv?After=a%3D%3D&key=*", Some("a==")),
            ("https://evil.example/kv?after=x", Some("x")),
            ("/kv?after=x#y", Some("x")),
            ("/kv?after=", None),
            ("/kv?key=after", None),
            ("/kv", None),
            ("", None),
        ] {
            assert_eq!(after_in_next_link(link).as_deref(), token, "{link}");
        }
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        for (header, link) in [
            ("</kv?api-version=1.0&after=a>; rel=\"next\"", Some("/kv?api-version=1.0&after=a")),
            ("</kv?after=a>;rel=next", Some("/kv?after=a")),
            ("</kv?after=o>; rel=\"original\", </kv?after=n>; rel=\"next\"", Some("/kv?after=n")),
            ("</kv?after=n>; title=\"x\"; rel=\"next\", </kv?after=o>; rel=\"original\"", Some("/kv?after=n")),
            ("</kv>; rel=\"next\"", Some("/kv")),
            ("</kv?after=o>; rel=\"original\"", None),
            ("</kv?after=a", None),
            ("rel=\"next\"", None),
            ("", None),
        ] {
            assert_eq!(next_in_link_header(header), link, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in "[</>;=,\"a-z?&%#]{0,60}") {
            _ = after_in_next_link(&text);
            _ = next_in_link_header(&text);
        }
    }
}
