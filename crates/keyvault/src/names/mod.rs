//! Name maps: the rules that turn the names of secrets into the keys of settings.
//!
//! Read [`NameMap`] first; `name_map_options` has its builder methods. `spelling` turns names into keys and back,
//! `validity` decides about disabled, outdated and hidden secrets, `known_keys` finds the keys of a settings type with
//! the help of `type_shape`, `selection` lists each `requested_secret` that is fetched by name, `json_expansion`
//! expands JSON secrets, and `collision` finds secrets that give the same setting. `mapping` applies all of them to the
//! secrets of one load.

mod collision;
mod json_expansion;
mod known_keys;
mod mapping;
mod name_map;
mod name_map_options;
mod requested_secret;
mod selection;
mod spelling;
mod type_shape;
mod validity;

pub(crate) use self::collision::collisions_and_mixed;
#[doc(hidden)]
pub use self::collision::{CollisionWords, collisions_among, remove_filled_tables};
pub use self::json_expansion::OpenJson;
#[doc(hidden)]
pub use self::json_expansion::TableMembers;
pub(crate) use self::known_keys::{TypeKey, find_key};
pub(crate) use self::mapping::MappingBuilder;
pub use self::name_map::NameMap;
pub(crate) use self::requested_secret::{RequestedSecret, Requirement};
#[doc(hidden)]
pub use self::spelling::{Case, Spelling};
pub use self::validity::{IfDisabled, IfHidden, IfOutdated};
