//! Secrets become settings by their names: through both adapters, live and once.

mod collisions;
mod json_expansion;
mod known_keys;
mod listed_names;
mod paging;
mod request_cost;
mod service;
mod spelling;
mod validity;
