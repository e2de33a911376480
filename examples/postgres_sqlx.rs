//! A PostgreSQL password rotates under load, and no query fails: with `sqlx`.
//!
//! ```sh
//! cargo run --example postgres_sqlx                       # two rotations of each kind
//! cargo run --example postgres_sqlx -- --rotations 200
//! ```
//!
//! Needs PostgreSQL on this machine; it starts a server of its own. What a service takes over is the pool here, and
//! `Database` in `support/database.rs`, which has it follow the settings and says so when a login is refused. The story is
//! told in `support/story.rs`.

use std::time::Duration;

use keyvault::ValidationError;
use keyvault_examples::{DatabaseSettings, Outcome, Pool, Refusal, rotate_under_load};
use secrecy::ExposeSecret;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};

struct Sqlx(PgPool);

impl Pool for Sqlx {
    type Connection = PoolConnection<sqlx::Postgres>;
    type Error = sqlx::Error;

    async fn connect(settings: &DatabaseSettings) -> Result<Self, ValidationError> {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&settings.host)
            .port(settings.port)
            .username(&settings.user)
            .password(settings.password.expose_secret())
            .database("postgres")
            .ssl_mode(PgSslMode::Disable);
        let pool = PgPoolOptions::new()
            .max_connections(8)
            // Far too short for a service: here there shall be new connections all the time, and so in every bad moment.
            .max_lifetime(Duration::from_millis(300))
            .connect_with(options)
            .await;
        pool.map(Self).map_err(ValidationError::because("the database refused the login"))
    }

    async fn connection(&self) -> Result<Self::Connection, Self::Error> {
        self.0.acquire().await
    }

    async fn query(mut connection: Self::Connection) -> Outcome {
        sqlx::query("select pg_sleep(0.002)").execute(&mut *connection).await?;
        Ok(())
    }

    /// Waits for the connections that are in use.
    async fn close(&self) {
        self.0.close().await;
    }

    fn refusal(error: &Self::Error) -> Refusal {
        match error {
            sqlx::Error::Database(error) if matches!(error.code().as_deref(), Some("28P01" | "28000")) => {
                Refusal::Login
            }
            sqlx::Error::PoolClosed => Refusal::Closed,
            _ => Refusal::Other,
        }
    }
}

#[tokio::main]
async fn main() -> Outcome {
    rotate_under_load::<Sqlx>().await
}
