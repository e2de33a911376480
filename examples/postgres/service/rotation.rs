//! The job that rotates passwords, in the server and in the vault.

use std::time::Duration;

use keyvault_emulator::Emulator;
use keyvault_examples_support::{Result, new_password};
use tokio::time::sleep;

use super::Postgres;

/// A way to rotate a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rotation {
    /// Changes the password of the only role in the server first and in the vault shortly after. In between, the server
    /// refuses the vault's password.
    ServerFirst,
    /// Changes the vault first and the server shortly after. In between, the server refuses the vault's password, too.
    VaultFirst,
    /// Changes the password of the unused role, then names that role in the vault. Both roles can log in at all times.
    DualUser,
}

impl Rotation {
    /// Every way.
    pub(crate) const ALL: [Self; 3] = [Self::ServerFirst, Self::VaultFirst, Self::DualUser];
}

/// Rotates passwords, like a function with a timer does in Azure.
#[derive(Debug)]
pub(crate) struct Rotator {
    server: Postgres,
    active_role: &'static str,
}

const ROLES: [&str; 2] = ["shop_a", "shop_b"];

impl Rotator {
    /// Creates two roles and stores the login of the first in the vault.
    ///
    /// # Errors
    ///
    /// The server refuses a statement.
    pub(crate) async fn start(server: Postgres, emulator: &Emulator) -> Result<Self> {
        let this = Self { server, active_role: ROLES[0] };
        for role in ROLES {
            this.server.execute(&format!("create role {role} login")).await?;
        }
        let password = new_password();
        this.set_password(this.active_role, &password).await?;
        emulator.set(USER, this.active_role);
        emulator.set(PASSWORD, &password);
        Ok(this)
    }

    /// Rotates once, with `delay` between the change in the server and the change in the vault.
    ///
    /// # Errors
    ///
    /// The server refuses the statement.
    pub(crate) async fn rotate(&mut self, rotation: Rotation, delay: Duration, emulator: &Emulator) -> Result {
        let password = new_password();
        match rotation {
            Rotation::ServerFirst => {
                self.set_password(self.active_role, &password).await?;
                sleep(delay).await;
                emulator.set(PASSWORD, &password);
            }
            Rotation::VaultFirst => {
                emulator.set(PASSWORD, &password);
                sleep(delay).await;
                self.set_password(self.active_role, &password).await?;
            }
            Rotation::DualUser => {
                self.active_role = if self.active_role == ROLES[0] { ROLES[1] } else { ROLES[0] };
                self.set_password(self.active_role, &password).await?;
                emulator.set(PASSWORD, &password);
                emulator.set(USER, self.active_role);
            }
        }
        Ok(())
    }

    async fn set_password(&self, role: &str, password: &str) -> Result {
        Ok(self.server.execute(&format!("alter role {role} password '{password}'")).await?)
    }
}

const USER: &str = "Database--User";
const PASSWORD: &str = "Database--Password";
