//! Responses with which a hostile vault may try to obtain a token.

use keyvault::ErrorKind;
use keyvault_test_support::CONTOSO;
use keyvault_test_support::transport::FakeResponse;

use super::hostile_vault::SHARED;

/// The request that is attacked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Get,
    List,
    ListVersions,
    ListDeleted,
    Set,
    Delete,
    Recover,
}

/// The expected outcome of the call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Refused(ErrorKind),
    /// The call ignores the attack.
    Harmless,
    /// Either outcome is safe.
    Either,
}

pub(super) struct Attack {
    pub(super) name: String,
    pub(super) operation: Operation,
    /// The responses of the vault, request by request.
    pub(super) answers: Vec<FakeResponse>,
    pub(super) outcome: Outcome,
}

impl Attack {
    fn new(name: String, operation: Operation, answer: FakeResponse, outcome: Outcome) -> Self {
        Self { name, operation, answers: vec![answer], outcome }
    }
}

/// Returns URLs that lead to other hosts than contoso, or look as if they lead to contoso. Each ends with `path`.
pub(super) fn elsewhere(path: &str) -> Vec<String> {
    let long = format!("https://{}.vault.azure.net", "a".repeat(70_000));
    let deep = format!("https://{}contoso.vault.azure.net", "a.".repeat(3_000));
    let mut urls: Vec<String> = [
        "https://evil.example",
        "https://evil.vault.azure.net",
        "https://fabrikam.vault.azure.net",
        SHARED,
        "https://contoso.vault.azure.cn",
        "https://contoso.vault.usgovcloudapi.net",
        "https://contoso.managedhsm.azure.net",
        "https://contoso.vault.azure.net.evil.example",
        "https://contoso.vault.azure.net.",
        "https://contoso.vault.azure.net..",
        "https://contoso-vault.azure.net",
        "https://contoso.vault-azure.net",
        "https://xcontoso.vault.azure.net",
        "https://a.contoso.vault.azure.net",
        "https://vault.azure.net",
        "https://azure.net",
        "https://contoso.vault.azure.net@evil.example",
        "https://contoso.vault.azure.net:443@evil.example",
        "https://contoso.vault.azure.net%40evil.example",
        "https://user@contoso.vault.azure.net",
        "https://user:pass@contoso.vault.azure.net",
        "https://:pass@contoso.vault.azure.net",
        "https://evil.example\\@contoso.vault.azure.net",
        "https://evil.example\\.contoso.vault.azure.net",
        "https://evil.example#@contoso.vault.azure.net",
        "https://evil.example?@contoso.vault.azure.net",
        "https://evil.example/@contoso.vault.azure.net",
        "https://evil.example/https://contoso.vault.azure.net",
        "https://contoso.vault.azure.net%2eevil.example",
        "https://contoso.vault.azure.net%00.evil.example",
        "https://contoso.vault.azure.net%09.evil.example",
        "https://contoso.vault.azure.net\t.evil.example",
        "https://contoso.vault.azure.net\n.evil.example",
        "https://contoso.vault.azure.net\r\n.evil.example",
        "https://contoso.vault\u{3002}azure.net\u{3002}evil.example",
        "https://\u{441}ontoso.vault.azure.net",
        "https://xn--ontoso-2of.vault.azure.net",
        "https://contoso.vault.\u{430}zure.net",
        "https://contoso.vault.xn--zure-43d.net",
        "https://contoso.vault.azure.net:8443",
        "https://contoso.vault.azure.net:80",
        "https://contoso.vault.azure.net:65536",
        "http://contoso.vault.azure.net",
        "http://contoso.vault.azure.net:443",
        "ftp://contoso.vault.azure.net",
        "wss://contoso.vault.azure.net",
        "file://contoso.vault.azure.net",
        "https://10.0.0.4",
        "https://127.0.0.1",
        "https://127.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://017700000001",
        "https://169.254.169.254",
        "https://[::1]",
        "https://[::ffff:169.254.169.254]",
        "https://localhost",
        "https://localhost:8443",
        "//evil.example",
        "///evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https:///evil.example",
        "https:\\\\evil.example",
        " https://evil.example",
        "HTTPS://EVIL.EXAMPLE",
        "https://EVIL.VAULT.AZURE.NET",
        "data:text/html,",
        "javascript:",
        "..",
        "",
        &long,
        &deep,
    ]
    .map(|origin| format!("{origin}{path}"))
    .to_vec();
    urls.push("not a link".to_owned());
    urls
}

pub(super) fn attacks() -> Vec<Attack> {
    [next_pages(), challenges(), redirects(), headers(), bodies()].into_iter().flatten().collect()
}

fn next_pages() -> Vec<Attack> {
    let page = |link: &str| FakeResponse::new(200, serde_json::json!({ "value": [], "nextLink": link }).to_string());
    let refused = Outcome::Refused(ErrorKind::Unavailable);
    let attack = |operation, path: &str| {
        let attack = |link: String| {
            let shown: String = link.chars().take(90).collect();
            Attack::new(format!("next page of {operation:?} at {shown:?}"), operation, page(&link), refused)
        };
        elsewhere(path).into_iter().map(attack).collect::<Vec<_>>()
    };
    let few = |operation| {
        let mut attacks = attack(operation, "/deletedsecrets?api-version=2025-07-01");
        attacks.truncate(12);
        attacks
    };
    let mut attacks = attack(Operation::List, "/secrets?api-version=2025-07-01&$skiptoken=x");
    attacks.extend([few(Operation::ListVersions), few(Operation::ListDeleted)].into_iter().flatten());
    // An explicit default port is the same origin, and so are capital letters.
    for link in [
        format!("{CONTOSO}:443/secrets?api-version=2025-07-01&$skiptoken=x"),
        "HTTPS://CONTOSO.VAULT.AZURE.NET/secrets?api-version=2025-07-01&$skiptoken=x".to_owned(),
    ] {
        attacks.push(Attack::new(
            format!("next page of its own at {link}"),
            Operation::List,
            page(&link),
            Outcome::Harmless,
        ));
    }
    attacks
}

fn challenges() -> Vec<Attack> {
    let login = r#"authorization="https://login.microsoftonline.com/t""#;
    let denied = Outcome::Refused(ErrorKind::Denied);
    let resources = [
        "https://management.azure.com",
        "https://graph.microsoft.com",
        "https://storage.azure.com",
        "https://contoso.vault.azure.net",
        "https://vault.azure.cn",
        "https://managedhsm.azure.net",
        "https://vault.azure.net.evil.example",
        "https://vault.azure.net@evil.example",
        "https://evil.example/vault.azure.net",
        "https://evil.example#vault.azure.net",
        "https://vault.azure.net./",
        "https://vault.azure.net:8443",
        "http://vault.azure.net",
        "https://azure.net",
        "vault.azure.net",
        "api://evil",
        "",
    ];
    let mut headers: Vec<(String, Outcome)> = Vec::new();
    for resource in resources {
        headers.push((format!(r#"Bearer {login}, resource="{resource}""#), denied));
        headers.push((format!(r#"Bearer {login}, scope="{resource}/.default""#), denied));
    }
    for header in [
        r#"Bearer resource="https://vault.azure.net", scope="https://graph.microsoft.com/.default""#,
        r#"Bearer scope="https://vault.azure.net/.default", resource="https://management.azure.com""#,
        "bearer ReSource=https://management.azure.com",
        r#"PoP nonce="1", Bearer resource="https://management.azure.com""#,
        r#"Basic realm="bearer resource=https://management.azure.com""#,
    ] {
        headers.push((header.to_owned(), denied));
    }
    // The credential chooses its tenant and its identity. Requests of a vault do not reach it.
    for header in [
        r#"Bearer authorization="https://evil.example/t", resource="https://vault.azure.net""#,
        r#"Bearer authorization="https://login.microsoftonline.com/evil", resource="https://vault.azure.net""#,
        r#"Bearer authorization_uri="https://evil.example/t", tenant="evil", resource="https://vault.azure.net""#,
        r#"Bearer resource="https://vault.azure.net", resource="https://management.azure.com""#,
        r#"Bearer resource="https://vault.azure.net", Bearer resource="https://management.azure.com""#,
        r#"Basic realm="evil", Bearer realm="https://evil.example""#,
        "Negotiate",
        "",
    ] {
        headers.push((header.to_owned(), Outcome::Harmless));
    }
    // The client tries one other token, with no more claims than the credential issues.
    headers.push(("Bearer error=\"insufficient_claims\", claims=\"e30=\"".to_owned(), Outcome::Harmless));
    let attack = |(header, outcome): (String, _)| {
        let answer = FakeResponse::new(401, "").header("www-authenticate", header.clone());
        Attack::new(format!("challenge {header}"), Operation::Get, answer, outcome)
    };
    headers.into_iter().map(attack).collect()
}

fn redirects() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for status in [300, 301, 302, 303, 305, 307, 308] {
        for location in ["https://evil.vault.azure.net/secrets/a", SHARED, "//evil.example", "/secrets/b", CONTOSO] {
            for operation in [Operation::Get, Operation::Set, Operation::List] {
                let answer = FakeResponse::new(status, "").header("location", location);
                let name = format!("redirect {status} of {operation:?} to {location}");
                attacks.push(Attack::new(name, operation, answer, Outcome::Refused(ErrorKind::Unavailable)));
            }
        }
    }
    attacks
}

/// Headers with which other protocols redirect clients.
fn headers() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (header, value) in [
        ("location", "https://evil.vault.azure.net/secrets/a"),
        ("content-location", "https://evil.vault.azure.net/secrets/a"),
        ("operation-location", "https://evil.vault.azure.net/operations/1"),
        ("azure-asyncoperation", "https://evil.vault.azure.net/operations/1"),
        ("link", "<https://evil.vault.azure.net/secrets>; rel=\"next\""),
        ("refresh", "0; url=https://evil.vault.azure.net"),
        ("alt-svc", "h2=\"evil.example:443\"; ma=3600"),
        ("www-authenticate", "Bearer resource=\"https://management.azure.com\""),
    ] {
        for (operation, body) in [
            (
                Operation::Delete,
                format!(r#"{{"id":"{CONTOSO}/secrets/a/0af1","recoveryId":"{CONTOSO}/deletedsecrets/a"}}"#),
            ),
            (Operation::List, r#"{"value":[]}"#.to_owned()),
        ] {
            let answer = FakeResponse::new(200, body).header(header, value);
            attacks.push(Attack::new(
                format!("header {header} of {operation:?}"),
                operation,
                answer,
                Outcome::Harmless,
            ));
        }
    }
    attacks
}

/// Bodies that name other secrets and other hosts.
fn bodies() -> Vec<Attack> {
    let refused = Outcome::Refused(ErrorKind::Unavailable);
    let mut attacks = Vec::new();
    for id in [
        format!("{CONTOSO}/secrets/b/0af1"),
        format!("{CONTOSO}/secrets/a"),
        format!("{CONTOSO}/keys/a/0af1"),
        format!("{SHARED}/secrets/a/0af1"),
        "https://fabrikam.vault.azure.net/secrets/a/0af1".to_owned(),
        "https://contoso.vault.azure.net.evil.example/secrets/a/0af1".to_owned(),
        "https://evil.example/secrets/a/0af1".to_owned(),
    ] {
        let body = serde_json::json!({ "value": "another value", "id": id }).to_string();
        for operation in [Operation::Get, Operation::Set] {
            let name = format!("body of {operation:?} about {id}");
            attacks.push(Attack::new(name, operation, FakeResponse::new(200, body.clone()), refused));
        }
    }
    for place in ["https://evil.vault.azure.net", SHARED, "https://evil.example", "not a URL"] {
        let body = |field: &str| {
            let mut body = serde_json::json!({ "value": "a value", "id": format!("{CONTOSO}/secrets/a/0af1") });
            body[field] = format!("{place}/deletedsecrets/a").into();
            FakeResponse::new(200, body.to_string())
        };
        for (operation, field) in [
            (Operation::Delete, "recoveryId"),
            (Operation::Recover, "recoveryId"),
            (Operation::Get, "kid"),
            (Operation::Get, "previousVersion"),
            (Operation::Get, "nextLink"),
        ] {
            let name = format!("body of {operation:?} with {field} at {place}");
            attacks.push(Attack::new(name, operation, body(field), Outcome::Harmless));
        }
    }
    let deeper = serde_json::json!({ "value": [{ "id": format!("{SHARED}/secrets/a") }] }).to_string();
    attacks.push(Attack::new(
        "body of a list of another vault's".into(),
        Operation::List,
        FakeResponse::new(200, deeper),
        refused,
    ));
    let either = FakeResponse::new(200, "x".repeat(1 << 20));
    attacks.push(Attack::new("body without end".into(), Operation::Get, either, Outcome::Either));
    attacks
}
