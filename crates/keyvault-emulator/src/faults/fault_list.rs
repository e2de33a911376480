//! The faults of an emulator, in order of precedence.

use std::fmt;

use super::fault::{Fault, Stage};
use super::request_matcher::RequestMatcher;
use crate::operations::RequestHead;

/// The active faults.
#[derive(Debug, Default)]
pub(crate) struct FaultList(Vec<FaultRule>);

struct FaultRule {
    fault: Fault,
    /// The number of applications left. `None` for no limit.
    left: Option<u64>,
    matcher: RequestMatcher,
}

impl FaultList {
    /// Adds a fault that applies `count` times, or without limit.
    pub(crate) fn add(&mut self, count: Option<u64>, matcher: RequestMatcher, fault: Fault) {
        if count == Some(0) {
            return;
        }
        // Counted faults have precedence, oldest first; then unlimited faults, newest first. Inserting every new fault
        // between the two groups gives both orders.
        let at = self.0.iter().position(|rule| rule.left.is_none()).unwrap_or(self.0.len());
        self.0.insert(at, FaultRule { fault, left: count, matcher });
    }

    /// Removes all faults.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the faults in order of precedence, with the number of applications left.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Fault, Option<u64>)> {
        self.0.iter().map(|rule| (&rule.fault, rule.left))
    }

    /// Returns the fault that applies to a request at this stage, and counts the application.
    pub(crate) fn take(&mut self, head: &RequestHead, stage: Stage) -> Option<Fault> {
        let applies = |rule: &FaultRule| rule.fault.stage(head.operation) == Some(stage) && (rule.matcher)(head);
        let at = self.0.iter().position(applies)?;
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

impl fmt::Debug for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultRule").field("fault", &self.fault).field("left", &self.left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::operations::Operation;

    fn head(operation: Operation) -> RequestHead {
        RequestHead {
            operation,
            method: Method::GET,
            path_and_query: "/secrets/a?api-version=7.4".to_owned(),
            host: "localhost".to_owned(),
            vault: String::new(),
            secret: Some("a".to_owned()),
            store: None,
            key: None,
            authorized: true,
        }
    }

    fn any() -> RequestMatcher {
        Box::new(|head| head.operation.is_vault())
    }

    #[test]
    fn counted_faults_apply_first_and_in_order_then_the_newest_unlimited_one() {
        let mut faults = FaultList::default();
        faults.add(None, any(), Fault::status(500));
        faults.add(None, any(), Fault::status(501));
        faults.add(Some(1), any(), Fault::status(429));
        faults.add(Some(0), any(), Fault::status(404));
        faults.add(Some(2), any(), Fault::status(503));
        let taken: Vec<u16> = (0..5)
            .map(|_| match faults.take(&head(Operation::Get), Stage::Request) {
                Some(Fault::Status { code, .. }) => code,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(taken, [429, 503, 503, 501, 501]);
        faults.clear();
        assert!(faults.take(&head(Operation::Get), Stage::Request).is_none());
    }

    #[test]
    fn a_fault_applies_only_at_its_stage_and_to_its_requests() {
        let mut faults = FaultList::default();
        faults.add(Some(1), any(), Fault::NextLink("https://evil.example".to_owned()));
        faults.add(Some(1), Box::new(|head| head.path_and_query.contains("/b")), Fault::Hang);
        assert!(faults.take(&head(Operation::Get), Stage::Response).is_none(), "not a list");
        assert!(faults.take(&head(Operation::List), Stage::Request).is_none(), "neither the response stage nor /b");
        assert!(matches!(faults.take(&head(Operation::List), Stage::Response), Some(Fault::NextLink(_))));
    }
}
