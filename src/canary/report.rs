//! The comparison as one HTML page.

use super::{ending::Ending, state::State};

pub fn page(ending: &Ending, state: &State) -> String {
    let _ = state;
    ending.reason.clone()
}
