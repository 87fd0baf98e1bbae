//! Where `infer` keeps what it must remember: state, sockets, caches.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use etcetera::base_strategy::{BaseStrategy, Xdg};

/// The folders of one user; `INFER_HOME` moves all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// What must survive a reboot: `$XDG_STATE_HOME/infer`.
    pub state: PathBuf,
    /// Sockets: `$XDG_RUNTIME_DIR/infer`, or below `state` where there is none.
    pub runtime: PathBuf,
    /// What can be had again: `$XDG_CACHE_HOME/infer`.
    pub cache: PathBuf,
}

impl Home {
    /// Reads the environment; fails where not even `HOME` is set.
    pub fn find() -> io::Result<Self> {
        if let Some(moved) = env::var_os("INFER_HOME").filter(|value| !value.is_empty()) {
            return Ok(Self::below(&std::path::absolute(moved)?));
        }
        let xdg = Xdg::new().map_err(io::Error::other)?;
        let state = xdg
            .state_dir()
            .unwrap_or_else(|| xdg.data_dir())
            .join("infer");
        Ok(Self {
            runtime: xdg
                .runtime_dir()
                .map_or_else(|| state.join("run"), |dir| dir.join("infer")),
            cache: xdg.cache_dir().join("infer"),
            state,
        })
    }

    pub fn below(root: &Path) -> Self {
        Self {
            state: root.join("state"),
            runtime: root.join("run"),
            cache: root.join("cache"),
        }
    }
}
