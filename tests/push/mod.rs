//! Events from outside: what is taken from them, what is not, and what they come to.

mod azurite;
mod queue;
mod settings;
mod webhook;
