//! The other side of a rotation: who changes passwords, in the server and in the vault.

use std::time::Duration;

use keyvault_emulator::Emulator;
use tokio::time::sleep;

use crate::{Outcome, Postgres, new_password};

/// How a password is rotated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rotation {
    /// The one role there is gets a new password, and the vault has it a moment later: in between, who logs in with what
    /// the vault says is refused.
    ServerFirst,
    /// The vault has the new password a moment before the server does: in between, what the vault says is not good yet.
    VaultFirst,
    /// The role that is not in use gets a new password, and the vault names it: both roles are good all the time.
    DualUser,
}

impl Rotation {
    /// One of each.
    pub const ALL: [Self; 3] = [Self::ServerFirst, Self::VaultFirst, Self::DualUser];
}

/// Rotates passwords, as a function with a timer does in Azure.
#[derive(Debug)]
pub struct Rotator {
    server: Postgres,
    role: &'static str,
}

const ROLES: [&str; 2] = ["shop_a", "shop_b"];

impl Rotator {
    /// Makes two roles, and puts the first into the vault.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub async fn begin(server: Postgres, emulator: &Emulator) -> Outcome<Self> {
        let this = Self { server, role: ROLES[0] };
        for role in ROLES {
            this.server.administer(&format!("create role {role} login")).await?;
        }
        let password = new_password();
        this.change(this.role, &password).await?;
        emulator.set(USER, this.role);
        emulator.set(PASSWORD, &password);
        Ok(this)
    }

    /// Rotates once. `moment` is what passes between the server and the vault.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub async fn rotate(&mut self, rotation: Rotation, moment: Duration, emulator: &Emulator) -> Outcome {
        let password = new_password();
        match rotation {
            Rotation::ServerFirst => {
                self.change(self.role, &password).await?;
                sleep(moment).await;
                emulator.set(PASSWORD, &password);
            }
            Rotation::VaultFirst => {
                emulator.set(PASSWORD, &password);
                sleep(moment).await;
                self.change(self.role, &password).await?;
            }
            Rotation::DualUser => {
                self.role = if self.role == ROLES[0] { ROLES[1] } else { ROLES[0] };
                self.change(self.role, &password).await?;
                emulator.set(PASSWORD, &password);
                emulator.set(USER, self.role);
            }
        }
        Ok(())
    }

    async fn change(&self, role: &str, password: &str) -> Outcome {
        Ok(self.server.administer(&format!("alter role {role} password '{password}'")).await?)
    }
}

const USER: &str = "Database--User";
const PASSWORD: &str = "Database--Password";
