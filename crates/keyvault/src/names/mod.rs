//! Name maps: the rules that turn the names of secrets into the keys of settings.
//!
//! Read [`NameMap`] first. `spelling` turns names into keys and back, `validity` decides about disabled and outdated
//! secrets, `known_keys` finds the keys of a settings type, `request` lists the secrets to fetch by name, `json_expansion`
//! opens JSON secrets, and `collision` finds secrets that give the same setting. `mapping` applies all of them to the
//! secrets of one load.

mod collision;
mod json_expansion;
mod known_keys;
mod mapping;
mod name_map;
mod request;
mod spelling;
mod validity;

pub use self::json_expansion::OpenJson;
pub(crate) use self::mapping::MappingBuilder;
pub use self::name_map::NameMap;
pub(crate) use self::request::{RequestedSecret, Requirement};
pub use self::validity::{IfDisabled, IfOutdated};
