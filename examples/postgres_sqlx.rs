//! A PostgreSQL password rotates under load, and no query fails: with `sqlx`.
//!
//! ```sh
//! cargo run --example postgres_sqlx                       # two rotations of each kind
//! cargo run --example postgres_sqlx -- --rotations 200
//! ```
//!
//! Needs PostgreSQL on this machine; it starts a server of its own. What a service would take over is [`Database`].

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use figment::Figment;
use keyvault::{Derived, Live, Rejection};
use keyvault_emulator::Emulator;
use keyvault_examples::{Load, Outcome, Postgres, Rotation, Rotator, client};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use tokio::time::{sleep, timeout};

#[derive(Deserialize)]
struct Settings {
    database: DatabaseSettings,
}

#[derive(Deserialize)]
struct DatabaseSettings {
    host: String,
    port: u16,
    user: String,
    password: SecretString,
}

/// A pool that follows the settings.
#[derive(Clone)]
struct Database {
    live: Live<Settings>,
    pool: Derived<PgPool>,
    refused: Arc<AtomicU64>,
}

impl Database {
    async fn follow(live: Live<Settings>) -> keyvault::Result<Self> {
        let pool = live
            .derive(["database"], async |settings: Arc<Settings>| {
                // Logs in once: a pool that cannot is not swapped in.
                connect(&settings.database).await.map_err(Rejection::because("the database refused the login"))
            })
            .retry(Duration::from_millis(100), Duration::from_secs(5))
            // Longer than a request holds on to a pool before it has its connection.
            .grace(Duration::from_secs(5))
            // Waits for the connections that are in use.
            .drain(async |old: Arc<PgPool>| old.close().await)
            .await?;
        Ok(Self { live, pool, refused: Arc::default() })
    }

    /// Gives a connection.
    ///
    /// Open connections survive a change of the password, and new ones need the new password: between the server's change
    /// and ours, a pool that grows, or replaces a connection, is refused. That is known before any query is sent, so it
    /// is safe to wait for the vault and to try again, within a budget. Other errors are the caller's.
    async fn connection(&self) -> Result<PoolConnection<sqlx::Postgres>, sqlx::Error> {
        let deadline = Instant::now() + BUDGET;
        loop {
            let error = match self.pool.current().acquire().await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            if !is_about_the_login(&error) || Instant::now() >= deadline {
                return Err(error);
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            // Those who are refused at the same time join one refresh.
            _ = self.live.refresh_now().await;
            sleep(PAUSE).await;
        }
    }

    /// What the service does all day.
    async fn work(self) -> Outcome {
        let mut connection = self.connection().await?;
        sqlx::query("select pg_sleep(0.002)").execute(&mut *connection).await?;
        Ok(())
    }
}

async fn connect(settings: &DatabaseSettings) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&settings.host)
        .port(settings.port)
        .username(&settings.user)
        .password(settings.password.expose_secret())
        .database("postgres")
        .ssl_mode(PgSslMode::Disable);
    PgPoolOptions::new()
        .max_connections(8)
        // Far too short for a service: here there shall be new connections all the time, and so in every bad moment.
        .max_lifetime(Duration::from_millis(300))
        .connect_with(options)
        .await
}

/// Tells whether a connection was refused for its user or password, or was asked of a pool that has been replaced.
fn is_about_the_login(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("28P01" | "28000")),
        sqlx::Error::PoolClosed => true,
        _ => false,
    }
}

/// How long a connection may be tried for: longer than a rotation and a refresh.
const BUDGET: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);

/// Tells the story: a service under load, and a password that rotates in every way.
async fn run(server: Postgres, rotations: usize) -> Outcome {
    let emulator = Emulator::start().await?;
    let port = server.port();
    let mut rotator = Rotator::begin(server, &emulator).await?;
    let layers = move || Figment::from(("database.host", "127.0.0.1")).merge(("database.port", port));
    let interval = Duration::from_secs(1);
    let live = keyvault_figment::layered(client(&emulator)?, layers).refresh_every(interval).start().await?;
    let database = Database::follow(live).await?;

    let served = database.clone();
    let load = Load::begin(8, Duration::from_millis(10), move || served.clone().work());
    let mut watcher = database.pool.watch();
    for (n, rotation) in Rotation::ALL.into_iter().cycle().take(rotations).enumerate() {
        let refused = database.refused.load(Ordering::Relaxed);
        let begun = Instant::now();
        rotator.rotate(rotation, Duration::from_millis(fastrand::u64(100..600)), &emulator).await?;
        timeout(Duration::from_secs(30), watcher.replaced()).await?.ok_or("the pool does not follow")?;
        println!(
            "{:>3} {rotation:?}: new pool after {} ms, {} logins refused meanwhile and tried again",
            n + 1,
            begun.elapsed().as_millis(),
            database.refused.load(Ordering::Relaxed) - refused,
        );
    }
    let counts = load.end().await;
    database.pool.shutdown().await;
    database.live.shutdown().await;
    counts.all_served()?;
    match database.refused.load(Ordering::Relaxed) {
        0 if rotations >= Rotation::ALL.len() => Err("no login was refused, so that nothing was shown".into()),
        _ => Ok(()),
    }
}

/// A password that rotates under load.
#[derive(Parser)]
struct Arguments {
    /// How often.
    #[arg(long, default_value = "6")]
    rotations: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    run(Postgres::start().await?, Arguments::parse().rotations).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_query_fails_while_the_password_rotates() {
        if let Some(server) = Postgres::start_or_skip("postgres_sqlx").await {
            run(server, 6).await.unwrap();
        }
    }
}
