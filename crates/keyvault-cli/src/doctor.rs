//! `keyvault doctor`: who asks, which vaults answer, and what they allow.

use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use azure_core::credentials::TokenCredential;
use azure_core::http::headers::HeaderName;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{ClientOptions, Context, Request};
use futures::StreamExt;
use keyvault::{Cloud, DefaultCredential, Error, ErrorKind, SecretClient, StepOutcome, Vault};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;
use crate::report;
use crate::terminal::{Style, printable, wrapped};
use crate::vault;
use crate::vaults::VaultsArguments;

/// Find out why secrets cannot be read
///
/// Tells which step of the credential serves, and of each vault whether it answers, whether the clocks agree, and whether
/// secrets may be read and listed; and what to do about everything that is not well. It reads no value, prints no token
/// and changes nothing.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Read this secret of the first vault, too, and forget it: where an identity may read some secrets only
    #[arg(long, value_name = "NAME")]
    secret: Vec<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vaults: VaultsArguments,
}

const EXAMPLES: &str = r#"Examples:
  On the laptop, in the pod, in the pipeline:
    keyvault doctor --vault contoso

  Where a role is for one secret alone:
    keyvault doctor --vault contoso --secret db-password

  For a script:
    keyvault doctor --vault contoso --json | jq .healthy

Whether secrets may be read is found out by asking for one that does not
exist: "not found" is permission. List permission is needed only for secrets
by name, so a vault that refuses it is well.

Exit codes: 0 all is well, 4 no credential or no permission, 5 a vault is
unavailable or throttles, 1 several of these or anything else, 2 wrong usage"#;

/// One thing that was looked at.
struct Check {
    what: String,
    health: Health,
    detail: String,
    advice: Option<String>,
    /// What a command ends with that fails for this reason.
    code: u8,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Health {
    Well,
    Unknown,
    Doubtful,
    Bad,
}

impl Doctor {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let vaults = self.vaults.vaults()?;
        let cloud = vaults.first().and_then(Vault::cloud).unwrap_or_default();
        let (credential, steps) = steps(cloud).await;
        let mut sections = vec![("credential".to_owned(), steps)];
        for (index, vault) in vaults.iter().enumerate() {
            let secrets = if index == 0 { &self.secret[..] } else { &[] };
            let checks = match &credential {
                Some(credential) => self.look(vault, Arc::clone(credential), secrets).await?,
                None => Vec::new(),
            };
            sections.push((format!("vault {vault}"), checks));
        }
        if vaults.is_empty() {
            let check = Check::new("vaults", Health::Unknown, "none was given");
            sections.push(("vaults".to_owned(), vec![check.advise("name the vaults of your program: --vault NAME")]));
        }
        let checks = sections.iter().flat_map(|(_, checks)| checks);
        let code = report::common(checks.filter(|check| check.health == Health::Bad).map(|check| check.code));
        if self.json {
            let sections: Vec<Value> = sections.iter().map(|(name, checks)| to_json(name, checks)).collect();
            output::print_json(&json!({ "healthy": code == 0, "sections": sections }))?;
        } else {
            let style = Style::of(&io::stdout());
            let text: Vec<String> = sections.iter().map(|(name, checks)| to_text(name, checks, style)).collect();
            output::print(&text.join("\n"))?;
        }
        Ok(ExitCode::from(code))
    }

    /// Looks at one vault; every question that it does not answer is a check that says so.
    async fn look(
        &self,
        vault: &Vault,
        credential: Arc<dyn TokenCredential>,
        secrets: &[String],
    ) -> Result<Vec<Check>, Failure> {
        let observed = Arc::new(Observer::default());
        let mut options = ClientOptions::default();
        options.per_try_policies.push(Arc::clone(&observed) as Arc<dyn Policy>);
        let builder = self.vaults.connection().builder(vault.origin())?;
        let client = builder.credential(credential).client_options(options).build()?;
        let get = get(&client).await;
        let answer = observed.first();
        let mut checks = Vec::new();
        let Some(answer) = answer else {
            let reached = match get {
                Err(error) => Check::failed("answers", &error),
                Ok(()) => Check::new("answers", Health::Unknown, "nothing was seen of the answer"),
            };
            return Ok(vec![reached]);
        };
        checks.push(Check::new("answers", Health::Well, format!("in {} ms", answer.time.as_millis())));
        checks.push(clock(answer.skew));
        checks.push(match get {
            Ok(()) => Check::new("may get", Health::Well, "secrets may be read"),
            Err(error) => Check::failed("may get", &error),
        });
        for name in secrets {
            // The value is dropped here.
            checks.push(match client.get(name).await.map(drop) {
                Ok(()) => Check::new(format!("get {name}"), Health::Well, "can be read"),
                Err(error) => Check::failed(format!("get {name}"), &error),
            });
        }
        checks.push(match client.list().page_size(1).pages().next().await {
            None | Some(Ok(_)) => Check::new("may list", Health::Well, "secrets may be listed"),
            Some(Err(error)) if error.kind() == ErrorKind::Denied => {
                Check { health: Health::Doubtful, ..Check::failed("may list", &error) }
                    .advise("needed only to load secrets by name; references do without")
            }
            Some(Err(error)) => Check::failed("may list", &error),
        });
        Ok(checks)
    }
}

/// Asks for a secret that nobody has: a vault that would not let us read says so first.
async fn get(client: &SecretClient) -> Result<(), Error> {
    match client.get("keyvault-doctor-asks-whether-get-is-allowed").await.map(drop) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Finds the credential that commands use, and says how.
async fn steps(cloud: Cloud) -> (Option<Arc<dyn TokenCredential>>, Vec<Check>) {
    if let Some(credential) = vault::given_token() {
        let check = Check::new("KEYVAULT_TOKEN", Health::Well, "is set and used; the steps are not tried");
        return (Some(credential), vec![check]);
    }
    let credential = match DefaultCredential::builder().build() {
        Ok(credential) => credential,
        Err(error) => return (None, vec![Check::failed("environment", &error)]),
    };
    let outcomes = credential.diagnose(cloud).await;
    let serves = outcomes.iter().any(|(_, outcome)| matches!(outcome, StepOutcome::Serves));
    let fails = outcomes.iter().any(|(_, outcome)| matches!(outcome, StepOutcome::Fails(_)));
    let check = |(step, outcome): &(keyvault::CredentialStep, StepOutcome)| match outcome {
        StepOutcome::Serves => Check::new(step.to_string(), Health::Well, "serves"),
        StepOutcome::DoesNotApply(reason) => Check::new(step.to_string(), Health::Unknown, reason.clone()),
        StepOutcome::Fails(error) => Check { code: 4, ..Check::failed(step.to_string(), error) },
        _ => Check::new(step.to_string(), Health::Unknown, "not tried: one before it is used"),
    };
    let mut checks: Vec<Check> = outcomes.iter().map(check).collect();
    if !serves && !fails {
        let none = Check::new("all", Health::Bad, "no step gives a token");
        checks.push(
            Check { code: 4, ..none }.advise("run `az login` on a laptop, or assign a managed identity in Azure"),
        );
    }
    let credential = serves.then_some(credential as Arc<dyn TokenCredential>);
    (credential, checks)
}

/// Tokens are valid from now to then: a clock that is minutes off makes them look expired, or not yet valid.
fn clock(skew: Option<i64>) -> Check {
    let Some(skew) = skew else { return Check::new("clock", Health::Unknown, "the vault told no time") };
    let (off, way) = (skew.unsigned_abs(), if skew > 0 { "behind" } else { "ahead of" });
    if off <= 2 {
        return Check::new("clock", Health::Well, "agrees with the vault's");
    }
    let health = match off {
        0..60 => Health::Well,
        60..300 => Health::Doubtful,
        _ => Health::Bad,
    };
    let off = humantime::format_duration(Duration::from_secs(off));
    let check = Check::new("clock", health, format!("this machine is {off} {way} the vault"));
    if health == Health::Well { check } else { check.advise("set the clock: timedatectl set-ntp true") }
}

impl Check {
    fn new(what: impl Into<String>, health: Health, detail: impl Into<String>) -> Self {
        Self { what: what.into(), health, detail: detail.into(), advice: None, code: 1 }
    }

    fn failed(what: impl Into<String>, error: &Error) -> Self {
        let mut detail = format!("{}: {error}", error.status());
        if let Some(cause) = std::error::Error::source(error) {
            detail.push_str(&format!(" ({cause})"));
        }
        let advice = error.advice().map(str::to_owned);
        let code = report::status_code(error.status());
        let code = if error.is_transient() { 5 } else { code };
        Self { advice, code, ..Self::new(what, Health::Bad, detail) }
    }

    fn advise(self, advice: &str) -> Self {
        Self { advice: Some(advice.to_owned()), ..self }
    }
}

fn to_json(name: &str, checks: &[Check]) -> Value {
    let checks = checks.iter().map(|check| {
        json!({
            "check": check.what,
            "status": match check.health {
                Health::Well => "ok",
                Health::Unknown => "none",
                Health::Doubtful => "warning",
                Health::Bad => "failed",
            },
            "detail": check.detail,
            "advice": check.advice,
        })
    });
    json!({ "section": name, "checks": checks.collect::<Vec<_>>() })
}

fn to_text(name: &str, checks: &[Check], style: Style) -> String {
    let width = checks.iter().map(|check| check.what.chars().count()).max().unwrap_or_default();
    let mut text = format!("{}\n", printable(name));
    for check in checks {
        let mark = match check.health {
            Health::Well => style.good("ok  "),
            Health::Unknown => style.faint("-   "),
            Health::Doubtful => style.doubtful("warn"),
            Health::Bad => style.bad("FAIL"),
        };
        let indent = 2 + 4 + 2 + width + 2;
        let what = &check.what;
        let detail = wrapped(&printable(&check.detail), indent);
        text.push_str(&format!("  {mark}  {what:<width$}  {}", detail.trim_start()));
        if let Some(advice) = &check.advice {
            text.push_str(&wrapped(&format!("help: {advice}"), indent));
        }
    }
    if checks.is_empty() {
        text.push_str("  not asked: there is no credential\n");
    }
    text
}

/// Sees the answers of a vault pass, without their bodies.
#[derive(Debug, Default)]
struct Observer {
    answers: Mutex<Vec<Answer>>,
}

#[derive(Clone, Debug)]
struct Answer {
    time: Duration,
    /// By how many seconds the vault's clock is ahead of ours.
    skew: Option<i64>,
}

impl Observer {
    fn first(&self) -> Option<Answer> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }
}

#[async_trait::async_trait]
impl Policy for Observer {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let (begun, sent) = (Instant::now(), SystemTime::now());
        let Some((following, rest)) = next.split_first() else {
            return Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Other,
                "pipeline has no transport",
            ));
        };
        let response = following.send(context, request, rest).await?;
        let time = begun.elapsed();
        let date = response.headers().get_optional_str(&HeaderName::from_static("date"));
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let skew = date.map(|date| seconds_between(date, sent + time / 2));
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(Answer { time, skew });
        Ok(response)
    }
}

fn seconds_between(theirs: SystemTime, ours: SystemTime) -> i64 {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match theirs.duration_since(ours) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}
