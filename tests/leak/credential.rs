//! The default credential, with secrets and tokens of every step.

use keyvault::SecretClient;
use keyvault::credential::DefaultCredential;
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::emulator::{client_of, tls_options};
use keyvault_test_support::folder::Folder;
use keyvault_test_support::variables::NOWHERE;

use super::scan::Scan;

/// Requests a secret with the identity that `variables` describe.
async fn ask(scan: &mut Scan, emulator: &Emulator, what: &str, variables: &[(&str, &str)]) -> bool {
    let all = NOWHERE.into_iter().chain(variables.iter().copied());
    let builder = DefaultCredential::builder().variables(all).client_options(tls_options(emulator));
    scan.shows(what, &builder);
    let credential = match builder.build() {
        Ok(credential) => credential,
        Err(error) => {
            scan.fails(what, &error);
            return false;
        }
    };
    let client: SecretClient = client_of(emulator, &credential).build().unwrap();
    let got = client.get("password").await;
    scan.outcome(what, &got);
    scan.shows(what, &credential);
    got.is_ok()
}

#[tokio::test]
async fn no_step_shows_a_token_or_the_secret_it_exchanges_for_one() {
    let mut scan = Scan::begin();
    let emulator = Emulator::start().await.unwrap();
    emulator.set("password", scan.secret.text());
    let token = emulator.token();
    // Only the signature of a token is secret. Its other parts are the same in every token.
    scan.look_for(token.rsplit('.').next().unwrap());
    scan.look_for(emulator.client_secret());
    scan.look_for(emulator.identity_header());
    let folder = Folder::new();
    let assertion = folder.write("assertion", scan.token.text());
    let (word, pasted) = (scan.word.text().to_owned(), scan.secret.text().to_owned());
    let endpoint = emulator.identity_endpoint();
    let mut application = [
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret()),
        ("AZURE_AUTHORITY_HOST", emulator.authority_url()),
    ];
    assert!(ask(&mut scan, &emulator, "environment", &application).await);
    application[2].1 = &word;
    assert!(!ask(&mut scan, &emulator, "wrong secret", &application).await);
    application[2] = ("AZURE_FEDERATED_TOKEN_FILE", &assertion);
    ask(&mut scan, &emulator, "workload", &application).await;
    let identity = [("IDENTITY_ENDPOINT", &*endpoint), ("IDENTITY_HEADER", emulator.identity_header())];
    assert!(ask(&mut scan, &emulator, "managed identity", &identity).await);
    ask(&mut scan, &emulator, "wrong header", &[identity[0], ("IDENTITY_HEADER", &word)]).await;
    ask(&mut scan, &emulator, "pasted", &[identity[0], ("IDENTITY_HEADER", &pasted)]).await;
    ask(&mut scan, &emulator, "pasted", &[("AZURE_CLIENT_SECRET", &pasted), ("AZURE_TENANT_ID", &pasted)]).await;

    for body in [format!("{{\"error\":\"{word}\",\"error_description\":\"{word}\"}}"), word.clone(), pasted.clone()] {
        for status in [200, 400, 401, 500] {
            emulator.fault_tokens(None, Fault::status(status).body(&body));
            ask(&mut scan, &emulator, "endpoint fails", &identity).await;
            application[2] = ("AZURE_CLIENT_SECRET", emulator.client_secret());
            ask(&mut scan, &emulator, "endpoint fails", &application).await;
        }
    }
    emulator.clear_faults();
    let path = folder.path();
    for script in [
        format!("echo '{{\"accessToken\":\"{token}\",\"expires_on\":4102444800,\"tokenType\":\"Bearer\"}}'"),
        format!("echo '{{\"accessToken\":\"{word}\"}}'"),
        format!("echo '{word}'"),
        format!("echo '{word}' >&2; exit 1"),
    ] {
        folder.tool("az", &script);
        folder.tool("azd", &script);
        ask(&mut scan, &emulator, "tool", &[("PATH", &path)]).await;
    }
    scan.end();
}
