//! `SecretClient` and `Resolver`: their requests, and their reactions to each response.

mod coalescing;
mod cold_start;
mod connection_faults;
mod faults;
mod foreign_pages;
mod official_client;
mod paging;
mod redaction;
mod store_contract;
mod token_confinement;
mod token_faults;
