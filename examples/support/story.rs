//! The story that the examples with a database tell: a password rotates under load, and no query fails.

use std::time::{Duration, Instant};

use clap::Parser;
use figment::Figment;
use keyvault_emulator::Emulator;
use tokio::time::timeout;

use crate::{Database, Load, Outcome, Pool, Postgres, Rotation, Rotator, client};

/// A password that rotates under load.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often.
    #[arg(long, default_value = "6")]
    rotations: usize,
}

/// Tells the story as often as the command line says.
///
/// # Errors
///
/// A query failed, the pool does not follow, or PostgreSQL is not installed.
pub async fn rotate_under_load<P: Pool>() -> Outcome {
    let Arguments { rotations } = Arguments::parse();
    run::<P>(Postgres::start().await?, rotations).await
}

async fn run<P: Pool>(server: Postgres, rotations: usize) -> Outcome {
    let emulator = Emulator::start().await?;
    let port = server.port();
    let mut rotator = Rotator::begin(server, &emulator).await?;
    let layers = move || Figment::from(("database.host", "127.0.0.1")).merge(("database.port", port));
    let live = keyvault_figment::layered(client(&emulator)?, layers)
        // For the rotations that nobody is refused in; the others are found when a login is refused.
        .refresh_every(Duration::from_secs(1))
        .rejection_budget(BURST, REFILL)
        .start()
        .await?;
    let database = Database::<P>::follow(live).await?;

    let served = database.clone();
    let load = Load::begin(8, Duration::from_millis(10), move || served.clone().work());
    let mut watcher = database.pool().watch();
    for (n, rotation) in Rotation::ALL.into_iter().cycle().take(rotations).enumerate() {
        let (refused, begun) = (database.refused(), Instant::now());
        rotator.rotate(rotation, Duration::from_millis(fastrand::u64(100..600)), &emulator).await?;
        timeout(Duration::from_secs(30), watcher.replaced()).await?.ok_or("the pool does not follow")?;
        println!(
            "{:>3} {rotation:?}: new pool after {} ms, {} logins refused meanwhile and tried again",
            n + 1,
            begun.elapsed().as_millis(),
            database.refused() - refused,
        );
    }
    let counts = load.end().await;
    database.shutdown().await;
    counts.all_served()?;
    match database.refused() {
        0 if rotations >= Rotation::ALL.len() => Err("no login was refused, so that nothing was shown".into()),
        _ => Ok(()),
    }
}

/// How often the vault may be asked because a login was refused. The default, eight times with growing pauses and then every
/// 15 seconds, is for passwords that rotate once in hours; here one does every second, and what was spent on a rotation must
/// be there again for the next.
const BURST: u32 = 5;
const REFILL: Duration = Duration::from_millis(50);
