//! Rotates a PostgreSQL password under load without a failed query, with `deadpool-postgres`.
//!
//! ```sh
//! cargo run --example postgres_deadpool                   # two rotations of each kind
//! cargo run --example postgres_deadpool -- --rotations 200
//! ```
//!
//! The example needs PostgreSQL on this machine and starts its own server. A service copies the pool below, and
//! `Database` in `service/database.rs`, which follows the settings and reports refused logins.

mod service;

use deadpool_postgres::{Manager, ManagerConfig, Object, PoolError, RecyclingMethod};
use keyvault::ValidationError;
use keyvault::derive::OperationFailure;
use keyvault_examples_support::Result;
use secrecy::ExposeSecret;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use self::service::{DatabaseSettings, Pool, rotate_under_load};

struct Deadpool(deadpool_postgres::Pool);

impl Pool for Deadpool {
    type Connection = Object;
    type Error = PoolError;

    async fn connect(settings: &DatabaseSettings) -> Result<Self, ValidationError> {
        let mut config = tokio_postgres::Config::new();
        config.host(&settings.host).port(settings.port).dbname("postgres");
        config.user(&settings.user).password(settings.password.expose_secret());
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, NoTls, recycling);
        let pool = deadpool_postgres::Pool::builder(manager).max_size(8).build();
        let pool = pool.map_err(ValidationError::because("the pool cannot be created"))?;
        // A new pool has not logged in yet.
        _ = pool.get().await.map_err(ValidationError::because("the pool cannot log in"))?;
        Ok(Self(pool))
    }

    async fn connection(&self) -> Result<Self::Connection, Self::Error> {
        self.0.get().await
    }

    async fn query(connection: Self::Connection) -> Result {
        connection.query("select pg_sleep(0.002)", &[]).await?;
        if fastrand::u8(..) < 32 {
            // Drops the connection, so that the pool opens connections all the time, also during a rotation.
            drop(Object::take(connection));
        }
        Ok(())
    }

    /// The pool closes connections in use when they are returned.
    async fn close(&self) {
        self.0.close();
    }

    fn failure(error: &Self::Error) -> OperationFailure {
        let is = |state: &SqlState| matches!(error, PoolError::Backend(error) if error.code() == Some(state));
        match error {
            PoolError::Closed => OperationFailure::ResourceEnded,
            _ if is(&SqlState::INVALID_PASSWORD) || is(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
                OperationFailure::CredentialRejected
            }
            _ => OperationFailure::Other,
        }
    }
}

#[tokio::main]
async fn main() -> Result {
    rotate_under_load::<Deadpool>().await
}
