//! The settings of the [Key Vault VM extension for
//! Linux](https://learn.microsoft.com/azure/virtual-machines/extensions/key-vault-linux), versions 3.0 and 4.

use std::path::PathBuf;
use std::time::Duration;

use keyvault::SecretId;
use serde_json::{Map, Value};

use crate::access::Reader;
use crate::failure::Failure;
use crate::settings::read_text;

/// The settings that have an effect, and the paths of those that have none.
#[derive(Debug, Default)]
pub(super) struct ExtensionSettings {
    pub(super) certificates: Vec<ObservedCertificate>,
    pub(super) interval: Option<Duration>,
    pub(super) requires_initial_sync: bool,
    pub(super) without_effect: Vec<String>,
}

/// An entry of `observedCertificates`.
#[derive(Debug)]
pub(super) struct ObservedCertificate {
    pub(super) id: SecretId,
    pub(super) directory: Option<PathBuf>,
    pub(super) link: Option<String>,
    pub(super) readers: Vec<Reader>,
    pub(super) client_id: Option<String>,
}

impl ExtensionSettings {
    pub(super) fn read(path: &str) -> Result<Self, Failure> {
        let file = read_text(path)?;
        Self::parse(&file.text).map_err(|problem| Failure::usage(format!("{}: {problem}", file.name)))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| format!("not valid JSON at line {}, column {}", error.line(), error.column()))?;
        let mut settings = Self::default();
        let mut all = Members::of(&value, "")?;
        let mut client_id = None;
        if let Some(authentication) = all.take("authenticationSettings") {
            client_id = settings.client_id(authentication, "authenticationSettings")?;
        }
        let section = all.take(SECTION).ok_or_else(|| format!("{SECTION} is missing"))?;
        settings.read_section(Members::of(section, SECTION)?, client_id.as_deref())?;
        all.leave(&mut settings.without_effect);
        Ok(settings)
    }

    fn read_section(&mut self, mut section: Members<'_>, client_id: Option<&str>) -> Result<(), String> {
        self.interval = section.seconds("pollingIntervalInS")?;
        self.requires_initial_sync = section.boolean("requireInitialSync")?.unwrap_or(true);
        let has_acls = section.boolean("aclEnabled")?.unwrap_or(true);
        let directory = section.text("certificateStoreLocation")?.map(PathBuf::from);
        let path = section.path("observedCertificates");
        let observed = section.take("observedCertificates").ok_or_else(|| format!("{path} is missing"))?;
        for (index, observed) in list(observed, &path)?.iter().enumerate() {
            let mut certificate = self.certificate(observed, &format!("{path}[{index}]"))?;
            certificate.directory = certificate.directory.or_else(|| directory.clone());
            certificate.client_id = certificate.client_id.or_else(|| client_id.map(str::to_owned));
            if !has_acls {
                certificate.readers.clear();
            }
            self.certificates.push(certificate);
        }
        section.leave(&mut self.without_effect);
        Ok(())
    }

    /// Reads an entry, which is only a URL in versions 1 and 2.
    fn certificate(&mut self, value: &Value, path: &str) -> Result<ObservedCertificate, String> {
        if let Value::String(url) = value {
            let id = secret_id(url, path)?;
            return Ok(ObservedCertificate { id, directory: None, link: None, readers: Vec::new(), client_id: None });
        }
        let mut members = Members::of(value, path)?;
        let url = members.path("url");
        let id = members.text("url")?.ok_or_else(|| format!("{url} is missing"))?;
        let id = secret_id(&id, &url)?;
        let directory = members.text("certificateStoreLocation")?.map(PathBuf::from);
        let link = members.text("customSymbolicLinkName")?;
        if link.as_deref().is_some_and(|link| !is_file_name(link)) {
            return Err(format!("{} must be the name of a file", members.path("customSymbolicLinkName")));
        }
        let mut client_id = None;
        if let Some(authentication) = members.take("authenticationOverride") {
            client_id = self.client_id(authentication, &members.path("authenticationOverride"))?;
        }
        let mut readers = Vec::new();
        if let Some(acls) = members.take("acls") {
            let path = members.path("acls");
            for (index, acl) in list(acls, &path)?.iter().enumerate() {
                let mut acl = Members::of(acl, &format!("{path}[{index}]"))?;
                for (name, reader) in [("user", Reader::user as fn(&str) -> _), ("group", Reader::group)] {
                    let path = acl.path(name);
                    let reader =
                        acl.text(name)?.map(|name| reader(&name).map_err(|problem| format!("{path}: {problem}")));
                    readers.extend(reader.transpose()?);
                }
                acl.leave(&mut self.without_effect);
            }
        }
        members.leave(&mut self.without_effect);
        Ok(ObservedCertificate { id, directory, link, readers, client_id })
    }

    /// Reads the identity to sign in as. The platform itself says where its endpoint is.
    fn client_id(&mut self, value: &Value, path: &str) -> Result<Option<String>, String> {
        let mut members = Members::of(value, path)?;
        let client_id = members.text("msiClientId")?;
        let endpoint = members.path("msiEndpoint");
        if members.text("msiEndpoint")?.is_some_and(|endpoint| !endpoint.starts_with(METADATA_SERVICE)) {
            self.without_effect.push(endpoint);
        }
        members.leave(&mut self.without_effect);
        Ok(client_id)
    }
}

const SECTION: &str = "secretsManagementSettings";
/// The endpoint that every virtual machine of Azure has.
const METADATA_SERVICE: &str = "http://169.254.169.254/";

fn secret_id(url: &str, path: &str) -> Result<SecretId, String> {
    SecretId::parse(url).map_err(|error| match error.help() {
        Some(help) => format!("{path}: {error}; {help}"),
        None => format!("{path}: {error}"),
    })
}

fn list<'v>(value: &'v Value, path: &str) -> Result<&'v [Value], String> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| format!("{path} must be a list"))
}

fn is_file_name(text: &str) -> bool {
    !text.is_empty() && !matches!(text, "." | "..") && !text.contains(['/', '\\', '\0'])
}

/// The members of an object that were not read yet.
struct Members<'v> {
    path: String,
    members: &'v Map<String, Value>,
    taken: Vec<&'static str>,
}

impl<'v> Members<'v> {
    fn of(value: &'v Value, path: &str) -> Result<Self, String> {
        let shown = if path.is_empty() { "the settings" } else { path };
        let members = value.as_object().ok_or_else(|| format!("{shown} must be an object"))?;
        Ok(Self { path: path.to_owned(), members, taken: Vec::new() })
    }

    fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Returns a member. `None` if it is missing or null.
    fn take(&mut self, name: &'static str) -> Option<&'v Value> {
        self.taken.push(name);
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>, String> {
        let text = self.take(name).map(|value| value.as_str().map(str::to_owned));
        text.map(|text| text.ok_or_else(|| format!("{} must be text", self.path(name)))).transpose()
    }

    /// Reads `true` or `"true"`: templates have either.
    fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, String> {
        let value = self.take(name).map(|value| match value {
            Value::String(text) => text.to_ascii_lowercase().parse().ok(),
            value => value.as_bool(),
        });
        value.map(|value| value.ok_or_else(|| format!("{} must be true or false", self.path(name)))).transpose()
    }

    /// Reads a number of seconds. The extension documents it as text.
    fn seconds(&mut self, name: &'static str) -> Result<Option<Duration>, String> {
        let value = self.take(name).map(|value| match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        });
        let value = value.map(|value| value.filter(|seconds| *seconds > 0).map(Duration::from_secs));
        value.map(|value| value.ok_or_else(|| format!("{} must be a number of seconds", self.path(name)))).transpose()
    }

    /// Adds the paths of all members that were not read.
    fn leave(self, without_effect: &mut Vec<String>) {
        let rest = self.members.keys().filter(|name| !self.taken.contains(&name.as_str()));
        without_effect.extend(rest.map(|name| self.path(name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_settings_of_the_guide_are_read() {
        // From the page of the extension, version 3.0.
        let settings = ExtensionSettings::parse(
            r#"{
                "secretsManagementSettings": {
                    "pollingIntervalInS": "3600",
                    "linkOnRenewal": true,
                    "requireInitialSync": true,
                    "aclEnabled": true,
                    "observedCertificates": [
                        {
                            "url": "https://examplekv.vault.azure.net/secrets/mycertificate1",
                            "certificateStoreLocation": "/var/lib/waagent/Microsoft.Azure.KeyVault.Store",
                            "customSymbolicLinkName": "app1Cert1",
                            "acls": [{ "user": "0", "group": "7" }, { "user": "8" }]
                        },
                        { "url": "https://examplekv.vault.azure.net/secrets/mycertificate2", "certificateStoreName": "MY" }
                    ]
                },
                "authenticationSettings": {
                    "msiEndpoint": "http://169.254.169.254/metadata/identity/oauth2/token",
                    "msiClientId": "00001111-aaaa-2222-bbbb-3333cccc4444"
                },
                "loggingSettings": { "logger": "fluentd" }
            }"#,
        )
        .unwrap();
        assert_eq!(settings.interval, Some(Duration::from_secs(3_600)));
        assert!(settings.requires_initial_sync);
        let [first, second] = &settings.certificates[..] else { panic!("{settings:?}") };
        assert_eq!(first.id.url(), "https://examplekv.vault.azure.net/secrets/mycertificate1");
        assert_eq!(first.directory, Some("/var/lib/waagent/Microsoft.Azure.KeyVault.Store".into()));
        assert_eq!(first.link.as_deref(), Some("app1Cert1"));
        assert_eq!(first.readers, [Reader::User(0), Reader::Group(7), Reader::User(8)]);
        assert!(second.directory.is_none() && second.link.is_none() && second.readers.is_empty());
        assert_eq!(second.client_id.as_deref(), Some("00001111-aaaa-2222-bbbb-3333cccc4444"));
        assert_eq!(
            settings.without_effect,
            [
                "secretsManagementSettings.observedCertificates[1].certificateStoreName",
                "secretsManagementSettings.linkOnRenewal",
                "loggingSettings",
            ]
        );
    }

    #[test]
    fn earlier_and_later_versions_are_read() {
        let settings = ExtensionSettings::parse(
            r#"{"secretsManagementSettings": {
                "pollingIntervalInS": 300, "certificateStoreLocation": "/certs", "requireInitialSync": "False",
                "observedCertificates": [
                    "https://contoso.vault.azure.net/secrets/one",
                    {"url": "https://contoso.vault.azure.net/secrets/two", "authenticationOverride": {"msiClientId": "x"}}
                ]
            }, "authenticationSettings": {"msiEndpoint": "http://localhost:40342/metadata/identity"}}"#,
        );
        let settings = settings.unwrap_or_else(|problem| panic!("{problem}"));
        assert!(!settings.requires_initial_sync);
        assert!(settings.certificates.iter().all(|it| it.directory == Some("/certs".into())), "{settings:?}");
        let identities: Vec<_> = settings.certificates.iter().map(|it| it.client_id.as_deref()).collect();
        assert_eq!(identities, [None, Some("x")]);
        assert_eq!(settings.without_effect, ["authenticationSettings.msiEndpoint"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_problem_names_its_place() {
        let section = |members: &str| format!(r#"{{"secretsManagementSettings": {{{members}}}}}"#);
        let observed = |members: &str| {
            section(&format!(
                r#""observedCertificates": [{{"url": "https://contoso.vault.azure.net/secrets/b", {members}}}]"#
            ))
        };
        for (text, problem) in [
            ("{\n\\\"".to_owned(), "not valid JSON at line 2, column 1"),
            ("[]".to_owned(), "the settings must be an object"),
            ("{}".to_owned(), "secretsManagementSettings is missing"),
            (section(""), "secretsManagementSettings.observedCertificates is missing"),
            (section(r#""observedCertificates": {}"#), "secretsManagementSettings.observedCertificates must be a list"),
            (
                section(r#""pollingIntervalInS": "often""#),
                "secretsManagementSettings.pollingIntervalInS must be a number",
            ),
            (
                section(r#""requireInitialSync": 1"#),
                "secretsManagementSettings.requireInitialSync must be true or false",
            ),
            (
                section(r#""observedCertificates": [{}]"#),
                "secretsManagementSettings.observedCertificates[0].url is missing",
            ),
            (
                section(r#""observedCertificates": ["https://contoso.vault.azure.net/certificates/b"]"#),
                "secretsManagementSettings.observedCertificates[0]: URL is that of a certificate",
            ),
            (
                observed(r#""customSymbolicLinkName": "../tls""#),
                "secretsManagementSettings.observedCertificates[0].customSymbolicLinkName must be the name of a file",
            ),
            (
                observed(r#""acls": [{"user": 1}]"#),
                "secretsManagementSettings.observedCertificates[0].acls[0].user must be text",
            ),
            (
                observed(r#""acls": [{"group": "no-such-group"}]"#),
                "secretsManagementSettings.observedCertificates[0].acls[0].group: ",
            ),
        ] {
            let found = ExtensionSettings::parse(&text).unwrap_err();
            assert!(found.starts_with(problem), "{found}: {problem}");
        }
    }
}
