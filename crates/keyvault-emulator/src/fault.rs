//! Faults: what can go wrong between a client and a vault, on demand.

use std::fmt;
use std::time::Duration;

use http::Method;

use crate::route::Operation;

/// Something that goes wrong with a request.
///
/// Those that stand *in front of the vault* strike every request they are asked to, also one that comes without a
/// token: the vault never sees it. Those that spoil *the answer* wait for one that succeeds, so they let a challenge
/// or a 404 pass and are not used up by it; the vault has done what it was asked by then.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// In front of the vault: answers with a status. See [`Fault::status`].
    Status {
        /// The status.
        code: u16,
        /// The header `Retry-After`; the service itself sends none with a 429.
        retry_after: Option<String>,
        /// The body. Default: the error the service answers with that status.
        body: Option<String>,
        /// Further headers; one that is not a valid header is left out.
        headers: Vec<(String, String)>,
    },
    /// In front of the vault: answers 401 with the usual challenge, whatever token came.
    Unauthorized,
    /// In front of the vault: answers 401 with this `WWW-Authenticate`.
    Challenge(String),
    /// In front of the vault: answers 401 and asks for a token with more claims, as continuous access evaluation does
    /// when a token was revoked.
    InsufficientClaims,
    /// In front of the vault: answers 307 with this `Location`.
    Redirect(String),
    /// In front of the vault: waits, then lets the request through.
    Latency(Duration),
    /// In front of the vault: never answers, and holds the connection.
    Hang,
    /// In front of the vault: resets the connection, and with it whatever else HTTP/2 has under way on it.
    Reset,
    /// The answer: sends the head and half the body, then nothing more, and holds the connection.
    HangInBody,
    /// The answer: announces the whole body, sends half of it, and closes the connection.
    Truncated,
    /// The answer: a body of this many bytes, made as it is sent.
    Oversized(u64),
    /// The answer: a page of HTML, as a proxy would put in the way.
    NotJson,
    /// The answer: JSON, but no secret and no list.
    WrongJson,
    /// The answer: each `id` in it names another secret.
    WrongId,
    /// The answer, of a list only: carries this `nextLink`.
    NextLink(String),
    /// The answer, of a list only: a page without items whose `nextLink` asks for the same page again, as the
    /// service is free to do.
    EmptyPage,
}

impl Fault {
    /// Makes a fault that answers with a status and the error body the service sends with it.
    ///
    /// ```
    /// use keyvault_emulator::Fault;
    ///
    /// let throttled = Fault::status(429).retry_after("2");
    /// ```
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None, body: None, headers: Vec::new() }
    }

    /// Adds `Retry-After` to a status: seconds or a date, sent as it is. Means nothing to other faults.
    #[must_use]
    pub fn retry_after(mut self, value: impl Into<String>) -> Self {
        if let Self::Status { retry_after, .. } = &mut self {
            *retry_after = Some(value.into());
        }
        self
    }

    /// Replaces the body of a status. Means nothing to other faults.
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Self {
        if let Self::Status { body, .. } = &mut self {
            *body = Some(text.into());
        }
        self
    }

    /// Adds a header to a status. Means nothing to other faults.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// Tells whether the fault strikes here.
    fn strikes(&self, stage: Stage, operation: Operation) -> bool {
        let own = match self {
            Self::HangInBody
            | Self::Truncated
            | Self::Oversized(_)
            | Self::NotJson
            | Self::WrongJson
            | Self::WrongId => Stage::Answer,
            Self::NextLink(_) | Self::EmptyPage if operation.is_list() => Stage::Answer,
            Self::NextLink(_) | Self::EmptyPage => return false,
            _ => Stage::Front,
        };
        own == stage
    }
}

/// What a fault may be chosen by: the head of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestHead {
    /// What the request asks for.
    pub operation: Operation,
    /// The method.
    pub method: Method,
    /// Path and query, as they came.
    pub path_and_query: String,
    /// The host and port the client asked for.
    pub host: String,
    /// Whether a token came with it that the vault accepts.
    pub authorized: bool,
}

/// Where in the life of a request a fault strikes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    Front,
    Answer,
}

/// The faults that are set.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Rule>);

/// Decides whether a fault concerns a request.
pub(crate) type Pattern = Box<dyn Fn(&RequestHead) -> bool + Send + Sync>;

struct Rule {
    fault: Fault,
    /// How often it still strikes; `None` for always.
    left: Option<u64>,
    pattern: Pattern,
}

impl Faults {
    /// Adds a fault: `count` times, or always.
    pub(crate) fn add(&mut self, count: Option<u64>, pattern: Pattern, fault: Fault) {
        if count == Some(0) {
            return;
        }
        // Counted ones come before standing ones, in the order in which they were added; of the standing ones the
        // newest wins, being the latest wish. Both are so when a new one goes between the two groups.
        let at = self.0.iter().position(|rule| rule.left.is_none()).unwrap_or(self.0.len());
        self.0.insert(at, Rule { fault, left: count, pattern });
    }

    /// Removes all faults.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the faults and how often they still strike, in the order in which they are asked.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Fault, Option<u64>)> {
        self.0.iter().map(|rule| (&rule.fault, rule.left))
    }

    /// Takes the fault that strikes a request at this stage.
    pub(crate) fn take(&mut self, head: &RequestHead, stage: Stage) -> Option<Fault> {
        let at = self.0.iter().position(|rule| rule.fault.strikes(stage, head.operation) && (rule.pattern)(head))?;
        let rule = &mut self.0[at];
        let fault = rule.fault.clone();
        if let Some(left) = &mut rule.left {
            *left -= 1;
            if *left == 0 {
                self.0.remove(at);
            }
        }
        Some(fault)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("fault", &self.fault).field("left", &self.left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(operation: Operation) -> RequestHead {
        RequestHead {
            operation,
            method: Method::GET,
            path_and_query: "/secrets/a?api-version=7.4".to_owned(),
            host: "localhost".to_owned(),
            authorized: true,
        }
    }

    fn any() -> Pattern {
        Box::new(RequestHead::is_vault)
    }

    impl RequestHead {
        fn is_vault(&self) -> bool {
            self.operation.is_vault()
        }
    }

    #[test]
    fn counted_faults_come_first_and_in_order_and_then_the_newest_standing_one() {
        let mut faults = Faults::default();
        faults.add(None, any(), Fault::status(500));
        faults.add(None, any(), Fault::status(501));
        faults.add(Some(1), any(), Fault::status(429));
        faults.add(Some(0), any(), Fault::status(404));
        faults.add(Some(2), any(), Fault::status(503));
        let taken: Vec<u16> = (0..5)
            .map(|_| match faults.take(&head(Operation::Get), Stage::Front) {
                Some(Fault::Status { code, .. }) => code,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(taken, [429, 503, 503, 501, 501]);
        faults.clear();
        assert!(faults.take(&head(Operation::Get), Stage::Front).is_none());
    }

    #[test]
    fn a_fault_waits_for_its_stage_and_its_kind_of_request() {
        let mut faults = Faults::default();
        faults.add(Some(1), any(), Fault::NextLink("https://evil.example".to_owned()));
        faults.add(Some(1), Box::new(|head| head.path_and_query.contains("/b")), Fault::Hang);
        assert!(faults.take(&head(Operation::Get), Stage::Answer).is_none(), "not a list");
        assert!(faults.take(&head(Operation::List), Stage::Front).is_none(), "not the answer, and not /b");
        assert!(matches!(faults.take(&head(Operation::List), Stage::Answer), Some(Fault::NextLink(_))));
    }
}
