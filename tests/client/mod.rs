//! `SecretClient` and `Resolver`: what they ask of a vault, and what they do about what it answers.

mod cold_start;
mod contract;
mod faults;
mod hostile;
mod oracle;
mod paging;
mod redaction;
mod resolver;
