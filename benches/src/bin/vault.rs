//! The vault and the store of the benchmarks: an emulator that reads one command a line and answers each with one line.
//!
//! | command | answer |
//! |---|---|
//! | `url` | the URL |
//! | `authority` | the certificate authority as PEM, with `|` for newlines |
//! | `set NAME` | the new version |
//! | `connection` | the connection string of App Configuration |
//! | `put KEY VALUE` | an empty line; the key-value exists now, without a label |
//! | `refer KEY NAME` | an empty line; the key refers to the secret now |
//! | `requests` | the requests since the last such command: all, throttled, and unauthorized |
//! | `exchanges` | the requests since the last such command: to App Configuration, those answered with 304, to the vault |
//! | `throttle LIMIT` | an empty line; from now on, the vault accepts `LIMIT` requests in ten seconds |
//! | `unthrottle` | an empty line |
//!
//! The arguments are the latency in milliseconds and the number of secrets.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use keyvault_benches::name;
use keyvault_emulator::{Emulator, SetKeyValue, Throttle};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let latency = arguments.next().ok_or("the latency in milliseconds is missing")?.parse()?;
    let secrets = arguments.next().ok_or("the number of secrets is missing")?.parse()?;
    let emulator = Emulator::builder().latency(Duration::from_millis(latency)).accept_any_token().start().await?;
    for n in 0..secrets {
        emulator.set(&name(n), &format!("{:<64}", format!("value {n}")));
    }
    let store = emulator.app_configuration("");
    let mut written = 0_u64;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match command {
            "url" => emulator.vault_url().to_owned(),
            "authority" => emulator.ca_pem().replace('\n', "|"),
            "set" => {
                written += 1;
                emulator.set(argument, &format!("{:<64}", format!("rotated {written}")))
            }
            "connection" => store.connection_string(),
            "put" => {
                let (key, value) = argument.split_once(' ').ok_or("the value is missing")?;
                store.set(key, value);
                String::new()
            }
            "refer" => {
                let (key, secret) = argument.split_once(' ').ok_or("the secret is missing")?;
                let secret = format!("{}/secrets/{secret}", emulator.vault_url());
                store.set_key_value(key, SetKeyValue::secret_reference(secret));
                String::new()
            }
            "requests" => {
                let requests = emulator.requests();
                emulator.reset_requests();
                format!("{} {} {}", requests.total, requests.throttled, requests.unauthorized)
            }
            "exchanges" => {
                let requests = emulator.requests();
                emulator.reset_requests();
                let store = requests.app_configuration;
                format!("{} {} {}", store.total, store.not_modified, requests.total)
            }
            "throttle" => {
                emulator.throttle(Throttle::service().others(argument.parse()?));
                String::new()
            }
            "unthrottle" => {
                emulator.unthrottle();
                String::new()
            }
            _ => return Err("unknown command".into()),
        };
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}
