//! Sync tokens, with which a request sees what earlier requests and events saw.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The sync tokens of one endpoint, from its responses
/// ([consistency](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-consistency)).
///
/// A store answers from replicas of its data that may lag behind. A response carries tokens such as `id=value;sn=28`. A
/// request that sends the newest value of each `id` sees at least that state. A token is no secret.
#[derive(Debug, Default)]
pub(crate) struct SyncTokens {
    newest: Mutex<NewestTokens>,
}

/// The newest token of each `id`.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewestTokens(BTreeMap<String, Token>);

#[derive(Clone, Debug)]
struct Token {
    value: String,
    sequence_number: u64,
}

/// More tokens than a store has; a response that carries more has some of them ignored.
const MAX_TOKENS: usize = 32;

/// Longer than a token is. A longer one is ignored, because every request would carry it.
const MAX_LENGTH: usize = 1_024;

impl SyncTokens {
    /// Adds the tokens of the `Sync-Token` header of a response. Ignores malformed ones.
    pub(crate) fn add(&self, tokens: &str) {
        self.lock().add(tokens);
    }

    /// Returns the value of the `Sync-Token` header of a request, or `None` without tokens.
    ///
    /// `announced` are the tokens of an event: where one is newer than that of the responses, it is sent in its place.
    /// It is not kept, because anyone may have sent the event.
    pub(crate) fn header(&self, announced: &NewestTokens) -> Option<String> {
        let received = self.lock();
        let mut newest: BTreeMap<&str, &Token> = BTreeMap::new();
        for (id, token) in received.0.iter().chain(&announced.0) {
            let known = newest.entry(id).or_insert(token);
            if known.sequence_number < token.sequence_number {
                *known = token;
            }
        }
        let tokens: Vec<String> = newest.iter().map(|(id, token)| format!("{id}={}", token.value)).collect();
        (!tokens.is_empty()).then(|| tokens.join(","))
    }

    fn lock(&self) -> MutexGuard<'_, NewestTokens> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NewestTokens {
    /// Adds the tokens of a header or of an event. Ignores malformed ones.
    pub(crate) fn add(&mut self, tokens: &str) {
        for (id, token) in tokens.split(',').filter_map(parse) {
            match self.0.get(id) {
                Some(known) if known.sequence_number >= token.sequence_number => {}
                None if self.0.len() == MAX_TOKENS => {}
                _ => _ = self.0.insert(id.to_owned(), token),
            }
        }
    }

    /// Removes the tokens that are not newer than those that were `sent`.
    pub(crate) fn remove(&mut self, sent: &Self) {
        let is_newer = |id: &String, token: &mut Token| {
            sent.0.get(id).is_none_or(|sent| sent.sequence_number < token.sequence_number)
        };
        self.0.retain(is_newer);
    }
}

/// Parses `id=value;sn=28`. The value is Base64, which may end with `=`.
fn parse(token: &str) -> Option<(&str, Token)> {
    let (token, sequence_number) = token.trim().rsplit_once(";sn=")?;
    let (id, value) = token.split_once('=')?;
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && b != b';');
    let fits = !id.is_empty() && token.len() <= MAX_LENGTH && is_plain(id) && is_plain(value);
    let token = Token { value: value.to_owned(), sequence_number: sequence_number.parse().ok()? };
    fits.then_some((id, token))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn newest(tokens: &str) -> NewestTokens {
        let mut newest = NewestTokens::default();
        newest.add(tokens);
        newest
    }

    #[test]
    fn the_newest_value_of_each_token_is_sent() {
        for (received, sent) in [
            (&[][..], None),
            (&["jtqGc1I4=MDoyOA==;sn=28"], Some("jtqGc1I4=MDoyOA==")),
            (&["a=1;sn=1", "a=2;sn=2"], Some("a=2")),
            (&["a=2;sn=2", "a=1;sn=1"], Some("a=2")),
            (&["a=9;sn=9,a=10;sn=10"], Some("a=10")),
            (&["a=1;sn=1, b=2;sn=1"], Some("a=1,b=2")),
            (&["a=1", "", ",", "a=1;sn=x", "=1;sn=1", "a;sn=1", "a=\u{e4};sn=1", "a=1;2;sn=1"], None),
        ] {
            let tokens = SyncTokens::default();
            received.iter().for_each(|header| tokens.add(header));
            assert_eq!(tokens.header(&NewestTokens::default()).as_deref(), sent, "{received:?}");
        }
    }

    #[test]
    fn an_announced_token_is_sent_where_it_is_newer_and_is_not_kept() {
        for (received, announced, sent) in [
            ("a=1;sn=1", "a=2;sn=2", "a=2"),
            ("a=1;sn=1", "b=2;sn=1", "a=1,b=2"),
            ("a=2;sn=2", "a=1;sn=1", "a=2"),
            ("a=2;sn=2", "a=3;sn=2", "a=2"),
            ("a=1;sn=1", "a=forged", "a=1"),
        ] {
            let tokens = SyncTokens::default();
            tokens.add(received);
            let alone = tokens.header(&NewestTokens::default());
            assert_eq!(tokens.header(&newest(announced)).as_deref(), Some(sent), "{received} {announced}");
            assert_eq!(tokens.header(&NewestTokens::default()), alone, "{received} {announced}");
        }
    }

    #[test]
    fn a_token_that_came_after_the_sent_one_stays() {
        for (sent, now, left) in [
            ("a=1;sn=1", "a=1;sn=1", None),
            ("a=1;sn=1", "a=2;sn=2", Some("a=2")),
            ("a=1;sn=1", "a=1;sn=1,b=1;sn=1", Some("b=1")),
            ("", "a=1;sn=1", Some("a=1")),
        ] {
            let mut tokens = newest(now);
            tokens.remove(&newest(sent));
            assert_eq!(SyncTokens::default().header(&tokens).as_deref(), left, "{sent} {now}");
        }
    }

    #[test]
    fn a_hostile_store_cannot_make_requests_grow() {
        let tokens = SyncTokens::default();
        tokens.add(&format!("a={};sn=1", "v".repeat(MAX_LENGTH)));
        assert_eq!(tokens.header(&NewestTokens::default()), None);
        let many: Vec<String> = (0..1_000).map(|i| format!("t{i}=v;sn=1")).collect();
        tokens.add(&many.join(","));
        assert_eq!(tokens.header(&NewestTokens::default()).unwrap().split(',').count(), MAX_TOKENS);
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic_or_breaks_a_request(header in ".{0,60}") {
            let tokens = SyncTokens::default();
            tokens.add(&header);
            prop_assert!(tokens.header(&newest(&header)).is_none_or(|sent| sent.bytes().all(|b| b.is_ascii_graphic())));
        }
    }
}
