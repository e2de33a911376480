//! Rotates a PostgreSQL password under load without a failed query, with `sqlx`.
//!
//! ```sh
//! cargo run --example postgres_sqlx                       # two rotations of each kind
//! cargo run --example postgres_sqlx -- --rotations 200
//! ```
//!
//! The example needs PostgreSQL on this machine and starts its own server. A service copies the pool below, and
//! `Database` in `service/database.rs`, which follows the settings and reports refused logins.

mod service;

use std::time::Duration;

use keyvault::ValidationError;
use keyvault::derive::OperationFailure;
use keyvault_examples_support::Result;
use secrecy::ExposeSecret;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};

use self::service::{DatabaseSettings, Pool, rotate_under_load};

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
            // Too short for a service. Here it makes the pool open connections all the time, also during a rotation.
            .max_lifetime(Duration::from_millis(300))
            .connect_with(options)
            .await;
        pool.map(Self).map_err(ValidationError::because("the pool cannot log in"))
    }

    async fn connection(&self) -> Result<Self::Connection, Self::Error> {
        self.0.acquire().await
    }

    async fn query(mut connection: Self::Connection) -> Result {
        sqlx::query("select pg_sleep(0.002)").execute(&mut *connection).await?;
        Ok(())
    }

    /// Waits for the connections in use.
    async fn close(&self) {
        self.0.close().await;
    }

    fn failure(error: &Self::Error) -> OperationFailure {
        match error {
            sqlx::Error::Database(error) if matches!(error.code().as_deref(), Some("28P01" | "28000")) => {
                OperationFailure::CredentialRejected
            }
            sqlx::Error::PoolClosed => OperationFailure::ResourceEnded,
            _ => OperationFailure::Other,
        }
    }
}

#[tokio::main]
async fn main() -> Result {
    rotate_under_load::<Sqlx>().await
}
