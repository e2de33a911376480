//! The vault of the benchmarks: an emulator that takes orders, a line each, and answers each with a line.
//!
//! `url`, `authority` (newlines as bars), `set NAME` (answered with the new version), `requests` (all, throttled and unauthorized, since it
//! was last asked), `throttle MOST` (in ten seconds) or `unthrottle`. Its arguments are the latency in milliseconds and the
//! number of secrets.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use keyvault_benches::name;
use keyvault_emulator::{Emulator, Throttle};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let latency = arguments.next().ok_or("latency in milliseconds is missing")?.parse()?;
    let secrets = arguments.next().ok_or("number of secrets is missing")?.parse()?;
    let emulator = Emulator::builder().latency(Duration::from_millis(latency)).accept_any_token().start().await?;
    for n in 0..secrets {
        emulator.set(&name(n), &format!("{:<64}", format!("value {n}")));
    }
    let mut written = 0_u64;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (order, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match order {
            "url" => emulator.vault_url().to_owned(),
            "authority" => emulator.ca_pem().replace('\n', "|"),
            "set" => {
                written += 1;
                emulator.set(argument, &format!("{:<64}", format!("rotated {written}")))
            }
            "requests" => {
                let requests = emulator.requests();
                emulator.reset_requests();
                format!("{} {} {}", requests.total, requests.throttled, requests.unauthorized)
            }
            "throttle" => {
                emulator.throttle(Throttle::service().others(argument.parse()?));
                String::new()
            }
            "unthrottle" => {
                emulator.unthrottle();
                String::new()
            }
            _ => return Err("no such order".into()),
        };
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}
