//! Examines one vault.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::credentials::TokenCredential;
use azure_core::http::ClientOptions;
use azure_core::http::policies::Policy;
use futures::StreamExt;
use keyvault::certificate::Certificate;
use keyvault::{Error, ErrorKind, SecretClient, SecretId, Vault};

use super::finding::{Finding, Health};
use super::timing::TimingPolicy;
use crate::certificate_dates::{CertificateDates, summary};
use crate::failure::Failure;
use crate::vault::ConnectionArguments;

/// Sends requests to a vault and returns a finding for each.
pub(super) async fn examine(
    connection: &ConnectionArguments,
    vault: &Vault,
    credential: Arc<dyn TokenCredential>,
    (secrets, certificates): (&[String], &[String]),
) -> Result<Vec<Finding>, Failure> {
    let timing = Arc::new(TimingPolicy::default());
    let mut options = ClientOptions::default();
    options.per_try_policies.push(Arc::clone(&timing) as Arc<dyn Policy>);
    let client = connection.client_builder(vault.origin())?.credential(credential).client_options(options).build()?;
    let outcome = get_missing_secret(&client).await;
    let Some(response) = timing.first() else {
        return Ok(vec![match outcome {
            Err(error) => Finding::failed("reachable", &error),
            Ok(()) => Finding::new("reachable", Health::Unknown, "no response was recorded"),
        }]);
    };
    let mut findings = vec![
        Finding::new("reachable", Health::Healthy, format!("in {} ms", response.time.as_millis())),
        clock(response.skew, "vault"),
        read_finding("get", "secrets may be read", outcome),
    ];
    let name_of = |text: &String| match SecretId::parse(text) {
        Ok(id) if id.vault() == vault => id.name().to_string(),
        _ => text.clone(),
    };
    for name in secrets.iter().map(name_of) {
        findings.push(read_finding(&format!("secret {name}"), "can be read", client.get(&name).await.map(drop)));
    }
    for name in certificates.iter().map(name_of) {
        findings.push(certificate(&client, &name).await);
    }
    findings.push(list_permission(&client).await);
    Ok(findings)
}

/// Requests a secret that no vault has. The vault checks the permission first, so "not found" means permitted.
async fn get_missing_secret(client: &SecretClient) -> Result<(), Error> {
    match client.get("keyvault-doctor-asks-whether-get-is-allowed").await.map(drop) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Reads a certificate with its private key.
async fn certificate(client: &SecretClient, name: &str) -> Finding {
    let subject = format!("certificate {name}");
    let now = SystemTime::now();
    let read = async {
        let secret = client.get(name).await?;
        let certificate = Certificate::from_secret(&secret)?;
        certificate.check_dates(now).map_err(|error| error.about(secret.id()))?;
        Ok::<_, Error>(certificate)
    };
    match read.await {
        Ok(certificate) => match CertificateDates::of(&certificate).warning(now) {
            Some(warning) => Finding::new(subject, Health::Warning, warning),
            None => Finding::new(subject, Health::Healthy, summary(&certificate)),
        },
        Err(error) if error.kind() == ErrorKind::Denied => {
            Finding::failed(subject, &error).with_advice(SECRET_OF_KEY_HELP)
        }
        Err(error) => Finding::failed(subject, &error),
    }
}

/// [The roles of Key Vault](https://learn.microsoft.com/azure/key-vault/general/rbac-guide).
const SECRET_OF_KEY_HELP: &str = "the private key is in the secret of the same name, which a role for certificates alone \
                                  does not let you read: assign Key Vault Secrets User, or Key Vault Certificate User";

pub(super) fn read_finding(subject: &str, success: &str, outcome: Result<(), Error>) -> Finding {
    match outcome {
        Ok(()) => Finding::new(subject, Health::Healthy, success),
        Err(error) => Finding::failed(subject, &error),
    }
}

async fn list_permission(client: &SecretClient) -> Finding {
    let subject = "list";
    match client.list().page_size(1).pages().next().await {
        None | Some(Ok(_)) => Finding::new(subject, Health::Healthy, "secrets may be listed"),
        Some(Err(error)) if error.kind() == ErrorKind::Denied => Finding::failed(subject, &error)
            .with_health(Health::Warning)
            .with_advice("needed only to load secrets by name; references work without it"),
        Some(Err(error)) => Finding::failed(subject, &error),
    }
}

/// Compares the clocks. A clock that is minutes off makes a token look expired or not yet valid.
pub(super) fn clock(skew: Option<i64>, service: &str) -> Finding {
    let Some(skew) = skew else { return Finding::new("clock", Health::Unknown, "the response has no date") };
    let (seconds, direction) = (skew.unsigned_abs(), if skew > 0 { "behind" } else { "ahead of" });
    if seconds <= 2 {
        return Finding::new("clock", Health::Healthy, format!("agrees with the {service}'s"));
    }
    let health = match seconds {
        0..60 => Health::Healthy,
        60..300 => Health::Warning,
        _ => Health::Failed,
    };
    let time = humantime::format_duration(Duration::from_secs(seconds));
    let finding = Finding::new("clock", health, format!("this machine is {time} {direction} the {service}"));
    if health == Health::Healthy { finding } else { finding.with_advice("set the clock: timedatectl set-ntp true") }
}
