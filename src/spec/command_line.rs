//! The command line of a release's engine, in a container or on this machine.

use super::checked::{Spec, Target};
use crate::engine::{self, ArgumentError, Drain, Group, Process, Rank};

/// How an engine is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Launch<'a> {
    /// The program, for instance with its path; the engine's own name if `None`.
    pub program: Option<&'a str>,
    /// Folder with the weights.
    pub model: Option<&'a str>,
    /// File below the folder, where `model.file` does not say.
    pub file: Option<&'a str>,
    pub host: &'a str,
    /// A port, or `{port}` where it is picked later.
    pub port: &'a str,
    /// Its place in a replica that spans several machines.
    pub group: Option<Group<'a>>,
}

impl Spec {
    /// The whole command line, program first: `engine.command` with its placeholders
    /// filled in, or the engine's own; then `engine.args`.
    pub fn argv(&self, launch: &Launch<'_>) -> Result<Vec<String>, ArgumentError> {
        let engine = self.engine.kind.row();
        let is_worker = launch.group.is_some_and(|group| group.rank == Rank::Worker);
        if let Some(command) = self.engine.worker_command.as_ref().filter(|_| is_worker) {
            return self.filled(command, launch);
        }
        if let Some(command) = &self.engine.command {
            let mut argv = self.filled(command, launch)?;
            argv.extend(engine::flags(engine, &self.engine.args)?);
            return Ok(argv);
        }
        let mut drain = self.drain();
        if is_worker {
            // It is kept from SIGTERM until the requests of its leader have ended.
            drain.flags.clear();
        }
        // This machine's engines take its GPUs as they are.
        let devices = (self.target != Target::Local).then(|| self.hardware.devices());
        let slice = devices.and_then(|devices| devices.memory);
        engine::argv(
            engine,
            &Process {
                program: launch.program.unwrap_or(engine.binary),
                model: launch.model,
                file: self.model.file.as_deref().or(launch.file),
                served_name: &self.model.served_name,
                host: launch.host,
                port: launch.port,
                args: &self.engine.args,
                drain: &drain,
                slice_bytes: slice.map(|memory| memory.thousandths() / 1000),
                group: launch.group,
            },
        )
    }

    /// A command of the user's own with its placeholders filled in.
    fn filled(
        &self,
        command: &[String],
        launch: &Launch<'_>,
    ) -> Result<Vec<String>, ArgumentError> {
        let wants_model = command.iter().any(|word| word.contains("{model}"));
        let model = match launch.model {
            None if wants_model => return Err(ArgumentError::NoModel),
            model => model.unwrap_or_default(),
        };
        let fill = |word: &String| {
            word.replace("{model}", model)
                .replace("{served_name}", &self.model.served_name)
                .replace("{port}", launch.port)
        };
        Ok(command.iter().map(fill).collect())
    }

    /// How its pods or processes go.
    pub fn drain(&self) -> Drain {
        engine::drain(
            self.engine.kind.row(),
            self.engine.version.as_ref(),
            self.rollout.drain_s,
        )
    }
}
