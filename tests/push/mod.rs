//! Pushed events: which are accepted, and what they cause.

mod azurite;
mod delivery;
mod storage_queue;
mod webhook;
