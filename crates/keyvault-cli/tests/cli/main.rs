//! The command `keyvault` as users and scripts run it, against an emulator.

mod check;
mod doctor;
#[cfg(unix)]
mod emulator;
mod fixture;
#[cfg(unix)]
mod leak;
#[cfg(unix)]
mod render;
#[cfg(unix)]
mod run;
mod secret;
#[cfg(windows)]
mod windows;
