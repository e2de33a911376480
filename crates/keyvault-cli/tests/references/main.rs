//! The commands that resolve references, against an emulator.

mod check;
mod doctor;
mod render;
mod run;
mod scene;
