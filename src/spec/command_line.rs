//! The command line of a release's engine, in a container or on this machine.

use super::{
    checked::Spec,
    engine::{self, ArgumentError, Drain, Process},
};

/// Where an engine is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// The program, for instance with its path; the engine's own name if `None`.
    pub program: Option<&'a str>,
    /// Folder with the weights.
    pub model: Option<&'a str>,
    /// File below the folder, where `model.file` does not say.
    pub file: Option<&'a str>,
    pub host: &'a str,
    /// A port, or `{port}` where it is picked later.
    pub port: &'a str,
}

impl Spec {
    /// The whole command line, program first: `engine.command` with its places
    /// filled in, or the engine's own; then `engine.args`.
    pub fn argv(&self, place: &Place<'_>) -> Result<Vec<String>, ArgumentError> {
        let kind = self.engine.kind;
        let Some(command) = &self.engine.command else {
            return engine::argv(
                kind,
                &Process {
                    program: place.program.unwrap_or(engine::binary(kind)),
                    model: place.model,
                    file: self.model.file.as_deref().or(place.file),
                    served_name: &self.model.served_name,
                    host: place.host,
                    port: place.port,
                    args: &self.engine.args,
                    drain: &self.drain(),
                },
            );
        };
        let wants_model = command.iter().any(|word| word.contains("{model}"));
        let model = match place.model {
            None if wants_model => return Err(ArgumentError::NoModel { kind }),
            model => model.unwrap_or_default(),
        };
        let fill = |word: &String| {
            word.replace("{model}", model)
                .replace("{served_name}", &self.model.served_name)
                .replace("{port}", place.port)
        };
        let mut argv: Vec<String> = command.iter().map(fill).collect();
        argv.extend(engine::flags(kind, &self.engine.args)?);
        Ok(argv)
    }

    /// How its pods or processes go.
    pub fn drain(&self) -> Drain {
        engine::drain(
            self.engine.kind,
            self.engine.version.as_ref(),
            self.rollout.drain_s,
        )
    }
}
