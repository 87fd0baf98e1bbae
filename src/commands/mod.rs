//! One file a verb: its arguments and its `run`.

pub mod canary;
pub mod completions;
pub mod delete;
pub mod deploy;
pub mod doctor;
mod held;
pub mod history;
pub mod image;
pub mod image_args;
pub mod init;
pub mod inspect;
pub mod load;
pub mod logs;
pub mod man;
pub mod pack;
pub mod registry_args;
pub mod release_args;
pub mod release_file;
pub mod render;
pub mod rollback;
pub mod schema;
pub mod serve;
pub mod sim;
pub mod status;
pub mod template;

pub mod unpack;
pub mod verify;

use crate::{interrupt::Interrupt, ui::Ui};

/// What every verb is handed beside its arguments.
pub struct Session {
    pub ui: Ui,
    pub interrupt: Interrupt,
}
