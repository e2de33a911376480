//! A password rotates under load, and no query fails.

use std::time::{Duration, Instant};

use clap::Parser;
use figment::Figment;
use keyvault_emulator::Emulator;
use keyvault_examples_support::{Load, Result, client};
use tokio::time::timeout;

use super::{Database, Pool, Postgres, Rotation, Rotator};

/// Rotates a PostgreSQL password under load.
#[derive(Debug, Parser)]
struct Arguments {
    /// The number of rotations.
    #[arg(long, default_value = "6")]
    rotations: usize,
}

/// Rotates the password as often as the command line says, under load.
///
/// # Errors
///
/// A query failed, the pool was not replaced, or PostgreSQL is not installed.
pub(crate) async fn rotate_under_load<P: Pool>() -> Result {
    let Arguments { rotations } = Arguments::parse();
    run::<P>(Postgres::start().await?, rotations).await
}

async fn run<P: Pool>(server: Postgres, rotations: usize) -> Result {
    let emulator = Emulator::start().await?;
    let port = server.port();
    let mut rotator = Rotator::start(server, &emulator).await?;
    let layers = move || Figment::from(("database.host", "127.0.0.1")).merge(("database.port", port));
    let live = keyvault_figment::layered(client(&emulator)?, layers)
        // Finds the rotations during which no login is refused. A refused login finds the others earlier.
        .refresh_every(Duration::from_secs(1))
        .rejection_budget(BURST, REFILL)
        .start()
        .await?;
    let database = Database::<P>::start(live).await?;

    let queried = database.clone();
    let load = Load::start(8, Duration::from_millis(10), move || queried.clone().query());
    let mut watcher = database.pool().watch();
    for (n, rotation) in Rotation::ALL.into_iter().cycle().take(rotations).enumerate() {
        let (refused_before, started) = (database.refused_logins(), Instant::now());
        rotator.rotate(rotation, Duration::from_millis(fastrand::u64(100..600)), &emulator).await?;
        timeout(Duration::from_secs(30), watcher.replaced()).await?.ok_or("the pool was not replaced")?;
        println!(
            "{:>3} {rotation:?}: new pool after {} ms, {} logins were refused and retried",
            n + 1,
            started.elapsed().as_millis(),
            database.refused_logins() - refused_before,
        );
    }
    let counts = load.stop().await;
    database.shutdown().await;
    counts.check()?;
    match database.refused_logins() {
        0 if rotations >= Rotation::ALL.len() => Err("no login was refused, so the run proves nothing".into()),
        _ => Ok(()),
    }
}

/// The number of reported logins that may reach the vault at once, and the time until one more may.
///
/// The default suits passwords that rotate once in hours. Here a password rotates every second.
const BURST: u32 = 5;
const REFILL: Duration = Duration::from_millis(50);
