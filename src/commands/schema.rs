//! `infer schema`: JSON Schemas of `infer.yaml` and of what verbs answer.

use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Map, Value};

use super::Session;
use crate::{
    error::{Failure, Outcome},
    load, pack, release, spec,
    ui::schema::Shown,
};

/// Print the JSON Schema of infer.yaml or of results
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  infer schema > infer.schema.json
  infer schema results

An editor with a YAML language server checks infer.yaml while you type, with this line first:
  # yaml-language-server: $schema=infer.schema.json")]
pub struct SchemaArgs {
    /// What to describe
    #[arg(value_enum, default_value_t)]
    of: Subject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Subject {
    /// infer.yaml
    #[default]
    File,
    /// What each verb answers with `--output json`, by verb
    Results,
}

#[expect(clippy::unused_async, reason = "every verb has the same signature")]
pub async fn run(args: SchemaArgs, session: &Session) -> Result<Outcome, Failure> {
    let schema = match args.of {
        Subject::File => spec::schema().to_value(),
        Subject::Results => results(),
    };
    session.ui.answer(&Shown(schema));
    Ok(Outcome::Done)
}

/// The result line of each verb: the domain's type, with what every result has.
fn results() -> Value {
    let schemas = [
        ("pack", of::<pack::Packed>()),
        ("deploy", of::<release::event::Deployed>()),
        ("status", of::<release::status::Status>()),
        ("history", of::<release::history_rows::HistoryRows>()),
        ("load", of::<load::Summary>()),
    ];
    let by_verb: Map<String, Value> = schemas
        .into_iter()
        .map(|(verb, schema)| (verb.to_owned(), as_result(verb, schema)))
        .collect();
    Value::Object(by_verb)
}

fn of<T: JsonSchema>() -> Schema {
    schema_for!(T)
}

/// Adds `event` and `verb`, which the line has beside the type's own fields.
fn as_result(verb: &str, schema: Schema) -> Value {
    let mut schema = schema.to_value();
    let own = [("event", "result"), ("verb", verb)];
    if let Some(properties) = schema["properties"].as_object_mut() {
        for (key, word) in own {
            properties.insert(key.to_owned(), serde_json::json!({"const": word}));
        }
    }
    if let Some(required) = schema["required"].as_array_mut() {
        required.extend(own.map(|(key, _)| Value::from(key)));
    }
    schema
}
