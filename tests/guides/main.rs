//! The guides: their links, their code blocks, and the errors that the troubleshooting guide explains.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue panics at once, and so do its helpers")]

mod code_blocks;
mod coming_from;
mod error_texts;
mod links;
mod monitoring;
mod pages;
mod source_texts;
mod tokens;
