//! A PostgreSQL password rotates under load, and no query fails: with `deadpool-postgres`.
//!
//! ```sh
//! cargo run --example postgres_deadpool                   # two rotations of each kind
//! cargo run --example postgres_deadpool -- --rotations 200
//! ```
//!
//! Needs PostgreSQL on this machine; it starts a server of its own. What a service takes over is the pool here, and
//! `Database` in `support/database.rs`, which has it follow the settings and says so when a login is refused. The story is
//! told in `support/story.rs`.

use deadpool_postgres::{Manager, ManagerConfig, Object, PoolError, RecyclingMethod};
use keyvault::ValidationError;
use keyvault_examples::{DatabaseSettings, Outcome, Pool, Refusal, rotate_under_load};
use secrecy::ExposeSecret;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

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
        let pool = pool.map_err(ValidationError::because("the pool cannot be set up"))?;
        // A pool has no connection before it is asked for one.
        _ = pool.get().await.map_err(ValidationError::because("the database refused the login"))?;
        Ok(Self(pool))
    }

    async fn connection(&self) -> Result<Self::Connection, Self::Error> {
        self.0.get().await
    }

    async fn query(connection: Self::Connection) -> Outcome {
        connection.query("select pg_sleep(0.002)", &[]).await?;
        if fastrand::u8(..) < 32 {
            // As if it had broken: here there shall be new connections all the time, and so in every bad moment.
            drop(Object::take(connection));
        }
        Ok(())
    }

    /// Connections that are in use are closed as they come back.
    async fn close(&self) {
        self.0.close();
    }

    fn refusal(error: &Self::Error) -> Refusal {
        let is = |state: &SqlState| matches!(error, PoolError::Backend(error) if error.code() == Some(state));
        match error {
            PoolError::Closed => Refusal::Closed,
            _ if is(&SqlState::INVALID_PASSWORD) || is(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
                Refusal::Login
            }
            _ => Refusal::Other,
        }
    }
}

#[tokio::main]
async fn main() -> Outcome {
    rotate_under_load::<Deadpool>().await
}
