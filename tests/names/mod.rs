//! Secrets become settings by their names, as the name map says: through both adapters, live and once.

mod collision;
mod cost;
mod known;
mod listed;
mod opened;
mod pages;
mod service;
mod spelling;
mod validity;
