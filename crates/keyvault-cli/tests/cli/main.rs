//! The command `keyvault` as users and scripts run it, against an emulator.

#[cfg(unix)]
mod actions;
#[cfg(unix)]
mod app_configuration;
#[cfg_attr(windows, expect(dead_code, reason = "the tests of `certs` need more of it than Windows has"))]
mod authority;
mod certificates;
#[cfg(unix)]
mod certs;
mod check;
mod check_output;
mod credential;
mod doctor;
#[cfg(unix)]
mod emulator;
#[cfg(unix)]
mod emulator_command;
mod fixture;
#[cfg(unix)]
mod leak;
#[cfg(unix)]
mod mask;
mod near_miss;
#[cfg(target_os = "linux")]
mod nginx;
#[cfg(unix)]
mod official_sdks;
#[cfg(unix)]
mod render;
#[cfg(unix)]
mod restart;
#[cfg(unix)]
mod run;
mod secret;
#[cfg(windows)]
mod windows;
