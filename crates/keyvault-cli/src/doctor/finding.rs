//! One result of an examination, as text and as JSON.

use keyvault::Error;
use serde_json::{Value, json};

use crate::failure::exit_code_of;
use crate::terminal::{Style, printable, wrapped};

/// The result of one test.
pub(super) struct Finding {
    subject: String,
    health: Health,
    detail: String,
    advice: Option<String>,
    /// The exit code if this is the only failure.
    code: u8,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Health {
    Healthy,
    Unknown,
    Warning,
    Failed,
}

impl Finding {
    pub(super) fn new(subject: impl Into<String>, health: Health, detail: impl Into<String>) -> Self {
        Self { subject: subject.into(), health, detail: detail.into(), advice: None, code: 1 }
    }

    pub(super) fn failed(subject: impl Into<String>, error: &Error) -> Self {
        let mut detail = format!("{}: {error}", error.status());
        if let Some(cause) = std::error::Error::source(error) {
            detail.push_str(&format!(" ({cause})"));
        }
        let advice = error.advice().map(str::to_owned);
        let code = exit_code_of(error);
        Self { advice, code, ..Self::new(subject, Health::Failed, detail) }
    }

    pub(super) fn with_advice(self, advice: &str) -> Self {
        Self { advice: Some(advice.to_owned()), ..self }
    }

    pub(super) fn with_health(self, health: Health) -> Self {
        Self { health, ..self }
    }

    pub(super) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Returns the exit code of a failure. `None` for any other finding.
    pub(super) fn exit_code(&self) -> Option<u8> {
        (self.health == Health::Failed).then_some(self.code)
    }
}

pub(super) fn json_section(name: &str, findings: &[Finding]) -> Value {
    let checks = findings.iter().map(|finding| {
        json!({
            "check": finding.subject,
            "status": match finding.health {
                Health::Healthy => "ok",
                Health::Unknown => "none",
                Health::Warning => "warning",
                Health::Failed => "failed",
            },
            "detail": finding.detail,
            "advice": finding.advice,
        })
    });
    json!({ "section": name, "checks": checks.collect::<Vec<_>>() })
}

pub(super) fn text_section(name: &str, findings: &[Finding], style: Style) -> String {
    let width = findings.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or_default();
    let mut text = format!("{}\n", printable(name));
    for finding in findings {
        let label = match finding.health {
            Health::Healthy => style.success("ok  "),
            Health::Unknown => style.faint("-   "),
            Health::Warning => style.warning("warn"),
            Health::Failed => style.error("FAIL"),
        };
        let indent = 2 + 4 + 2 + width + 2;
        let subject = &finding.subject;
        let detail = wrapped(&printable(&finding.detail), indent);
        text.push_str(&format!("  {label}  {subject:<width$}  {}", detail.trim_start()));
        if let Some(advice) = &finding.advice {
            text.push_str(&wrapped(&format!("help: {advice}"), indent));
        }
    }
    if findings.is_empty() {
        text.push_str("  not contacted, because there is no credential\n");
    }
    text
}
