//! `Derived::with_retry` makes good what a rotation interrupts, and nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fmt, io};

use keyvault::derive::OperationFailure;
use keyvault::{Derived, ErrorKind, Live, ValidationError};
use keyvault_test_support::deadline::within_an_hour;
use tokio::time::Instant;

use super::service::{MINUTE, Pool, Service, Settings};

/// A server whose password changes before that of the vault.
#[derive(Clone, Default)]
struct Server {
    password: Arc<Mutex<String>>,
    logins: Arc<AtomicUsize>,
}

impl Server {
    fn change_password(&self, password: &str) {
        password.clone_into(&mut self.password.lock().unwrap());
    }

    async fn log_in(&self, pool: Arc<Pool>) -> Result<String, OperationFailure> {
        self.logins.fetch_add(1, Ordering::SeqCst);
        match pool.password == *self.password.lock().unwrap() {
            true => Ok(pool.password.clone()),
            false => Err(OperationFailure::CredentialRejected),
        }
    }
}

async fn log_in(pool: &Derived<Pool>, server: &Server) -> Result<String, OperationFailure> {
    within_an_hour(pool.with_retry(|error| *error, |pool| server.log_in(pool))).await
}

async fn started() -> (Service, Live<Settings>, Derived<Pool>, Server) {
    let (service, server) = (Service::new(), Server::default());
    let live = service.live().await;
    let pool = service.derive(&live).await.unwrap();
    server.change_password("first");
    (service, live, pool, server)
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_waits_for_the_vault_and_the_new_resource() {
    let (service, _live, pool, server) = started().await;
    assert_eq!(log_in(&pool, &server).await.unwrap(), "first");
    server.change_password("second");
    let rotation = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        service.vault.set("database--password", "second").unwrap();
    };
    let began = Instant::now();
    let (password, ()) = tokio::join!(log_in(&pool, &server), rotation);
    assert_eq!(password.unwrap(), "second", "no caller sees the rotation");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(server.logins.load(Ordering::SeqCst) > 2, "the old resource was tried first");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_stays_refused_fails_at_the_deadline() {
    let (_service, _live, pool, server) = started().await;
    server.change_password("unknown to the vault");
    let began = Instant::now();
    assert_eq!(log_in(&pool, &server).await, Err(OperationFailure::CredentialRejected));
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(15) && took < Duration::from_secs(16), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn another_failure_is_returned_at_once() {
    let (_service, _live, pool, _server) = started().await;
    let operations = AtomicUsize::new(0);
    let broken = |_| async {
        operations.fetch_add(1, Ordering::SeqCst);
        Err::<(), _>("broken")
    };
    let began = Instant::now();
    let error = pool.with_retry(|_| OperationFailure::Other, broken).await.unwrap_err();
    assert_eq!((error, operations.load(Ordering::SeqCst), began.elapsed()), ("broken", 1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_ended_is_replaced_by_the_next_one() {
    let (service, live, pool, _server) = started().await;
    let rotation = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        service.rotate(&live, "second").await;
    };
    let ended_first = |pool: Arc<Pool>| async move {
        if pool.password == "first" { Err("the pool is closed") } else { Ok(pool.password.clone()) }
    };
    let operation = within_an_hour(pool.with_retry(|_| OperationFailure::ResourceEnded, ended_first));
    let (password, ()) = tokio::join!(operation, rotation);
    assert_eq!(password, Ok("second".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn no_operation_is_repeated_for_a_resource_that_no_longer_follows() {
    let (_service, live, pool, server) = started().await;
    pool.shutdown().await;
    let closed = pool.with_retry(|_| OperationFailure::ResourceEnded, async |_| Err::<(), _>("closed"));
    assert_eq!(within_an_hour(closed).await, Err("closed"));
    drop(live);
    server.change_password("second");
    let began = Instant::now();
    assert!(log_in(&pool, &server).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(16));
    let fixed = Derived::fixed(());
    let failed = fixed.with_retry(|_| OperationFailure::CredentialRejected, async |_| Err::<(), _>("refused"));
    assert_eq!(within_an_hour(failed).await, Err("refused"));
}

#[tokio::test(start_paused = true)]
async fn a_resource_without_a_secret_reports_nothing() {
    let service = Service::new();
    let figment = || figment::Figment::new().merge(("database.password", "from a file"));
    let live: Live<Settings> =
        keyvault_figment::layered(service.vault.clone(), figment).refresh_every(MINUTE).start().await.unwrap();
    let pool = service.derive(&live).await.unwrap();
    let began = Instant::now();
    assert!(log_in(&pool, &Server::default()).await.is_err());
    assert_eq!(began.elapsed(), Duration::ZERO, "no vault has a newer password");
}

#[test]
fn the_kind_of_an_io_error_is_kept_and_its_text_is_not() {
    #[derive(Debug)]
    struct Driver(io::Error);

    impl fmt::Display for Driver {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("postgres://user:canary@host")
        }
    }

    impl std::error::Error for Driver {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    let refused = Driver(io::Error::new(io::ErrorKind::ConnectionRefused, "canary"));
    let error = ValidationError::because("the pool cannot log in")(refused);
    assert_eq!(error.io_error_kind(), Some(io::ErrorKind::ConnectionRefused));
    assert_eq!(error.to_string(), "the pool cannot log in (connection refused)");
    let login = ValidationError::because("the pool cannot log in")(fmt::Error);
    assert_eq!((login.io_error_kind(), login.to_string().as_str()), (None, "the pool cannot log in"));
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_server_is_not_a_refused_login() {
    let service = Service::new();
    let live = service.live().await;
    for (kind, failure) in
        [(ErrorKind::Unavailable, Some(io::ErrorKind::ConnectionRefused)), (ErrorKind::InvalidSettings, None)]
    {
        let build = move |_: Arc<Settings>| async move {
            let because = "the pool cannot log in";
            Err::<(), _>(match failure {
                Some(kind) => ValidationError::because(because)(io::Error::from(kind)),
                None => ValidationError::new(because),
            })
        };
        assert_eq!(live.derive(["database"], build).await.unwrap_err().kind(), kind);
    }
}
