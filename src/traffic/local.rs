//! The split of a release that is served on this machine.

use super::{Capabilities, Change, Error, Split};
use crate::local::{self, Client, SplitChange};

/// Times a write is tried again where others changed what it does not touch.
const ATTEMPTS: u32 = 5;

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    weights: true,
    header_match: true,
    pins: true,
    mirror: false,
    names_version: true,
    has_status: false,
    gateway: true,
};

/// The weighted gateway of `infer serve`, over its control socket.
#[derive(Debug, Clone)]
pub struct Local {
    client: Client,
    endpoint: String,
}

impl Local {
    pub async fn new(client: Client) -> Result<Self, Error> {
        let state = client
            .state()
            .await
            .map_err(|error| failed("read", &client, error))?;
        Ok(Self {
            client,
            endpoint: state.endpoint,
        })
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn name(&self) -> String {
        self.client.release().to_string()
    }

    pub async fn read(&self) -> Result<Split, Error> {
        let state = self.client.state().await;
        let state = state.map_err(|error| failed("read", &self.client, error))?;
        self.split(state.split)
    }

    /// Writes on top of `read`. Where the generation has moved but the versions, the
    /// weight and the run have not, the write is made on the newer generation.
    pub async fn write(&self, read: &Split, change: &Change) -> Result<Split, Error> {
        let mut base = read.clone();
        for _ in 0..ATTEMPTS {
            if let Some(run) = base.run().filter(|run| *run != change.run) {
                return Err(Error::Conflict {
                    object: self.name(),
                    who: format!("canary run {run}"),
                });
            }
            match self.client.set_split(&request(&base, change)).await {
                Ok(split) => return self.split(split),
                Err(local::Error::Conflict { run: who, .. }) => {
                    let now = self.read().await?;
                    if !now.says_the_same(read) {
                        let who = who.or_else(|| now.run().map(str::to_owned));
                        return Err(Error::Conflict {
                            object: self.name(),
                            who: who.map_or_else(
                                || "another client".to_owned(),
                                |run| format!("canary run {run}"),
                            ),
                        });
                    }
                    base = now;
                }
                Err(error) => return Err(failed("write", &self.client, error)),
            }
        }
        Err(Error::Conflict {
            object: self.name(),
            who: "clients that write all the time".to_owned(),
        })
    }

    fn split(&self, split: local::Split) -> Result<Split, Error> {
        let live = split.live.ok_or_else(|| Error::NothingLive {
            object: self.name(),
        })?;
        Ok(Split {
            live,
            candidate: split.candidate,
            weight: split.weight,
            matches: split.matches,
            token: split.generation.to_string(),
            journal: split.journal,
            writer: None,
        })
    }
}

fn request(base: &Split, change: &Change) -> SplitChange {
    SplitChange {
        // A token that is not a number was not read here; no generation equals it.
        expect_generation: base.token.parse().unwrap_or(u64::MAX),
        expect_run: base.run().map(str::to_owned),
        live: Some(change.live.clone()),
        candidate: change.candidate.clone(),
        weight: change.weight,
        matches: change.matches.clone(),
        journal: change.journal.clone(),
    }
}

fn failed(act: &'static str, client: &Client, error: local::Error) -> Error {
    Error::Transport {
        act,
        object: client.release().to_string(),
        source: Box::new(error),
    }
}
