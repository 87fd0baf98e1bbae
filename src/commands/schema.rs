//! `infer schema`: JSON Schemas of `infer.yaml` and of what verbs answer.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::Session;
use crate::{
    canary,
    error::{Failure, Outcome},
    load, local, pack,
    release::{
        self,
        status::{Status, StatusList},
    },
    sim, spec,
    ui::{
        self,
        render::{Manifests, WrittenFolder},
        template::{Differences, Ejected, Listing},
        text::{self, Shown},
    },
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
    session.ui.answer(&Shown { schema });
    Ok(Outcome::Done)
}

/// The result line of each verb, by the words it is typed with, and under `events` the lines
/// that come before it: the domain's types as they serialize.
fn results() -> Value {
    let schemas = [
        ("init", of::<ui::init::Written>()),
        ("pack", of::<pack::Packed>()),
        ("inspect", of::<pack::Inspected>()),
        ("verify", of::<pack::Verified>()),
        ("unpack", of::<pack::Unpacked>()),
        ("render", of::<OneOf<Manifests, WrittenFolder>>()),
        ("deploy", of::<release::event::Deployed>()),
        ("status", of::<OneOf<Status, StatusList>>()),
        ("logs", of::<ui::Logged>()),
        ("load", of::<load::Summary>()),
        ("load compare", of::<load::compare::Comparison>()),
        ("canary", of::<canary::CanaryResult>()),
        ("canary status", of::<canary::open::OpenCanary>()),
        ("history", of::<release::history_rows::HistoryRows>()),
        ("rollback", of::<release::event::Deployed>()),
        ("delete", of::<ui::Deleted>()),
        ("serve", of::<ui::Served>()),
        ("sim", of::<sim::Summary>()),
        ("doctor", of::<ui::doctor::Examination>()),
        (
            "template",
            of::<OneOf<Listing, OneOf<Ejected, Differences>>>(),
        ),
        ("schema", of::<Shown>()),
        ("completions", of::<text::Script>()),
        ("man", of::<OneOf<text::ManPage, text::ManFiles>>()),
    ];
    let by_verb: Map<String, Value> = schemas
        .into_iter()
        .map(|(verb, schema)| (verb.to_owned(), as_result(verb, schema)))
        .collect();
    let mut schemas = Value::Object(by_verb);
    schemas["events"] = events();
    schemas
}

/// The lines of any verb under `any`, and by verb those that it has of its own.
fn events() -> Value {
    json!({
        "any": of::<OneOf<ui::Line<'_>, Failure>>(),
        "pack": of::<pack::Event>(),
        "verify": of::<pack::Event>(),
        "unpack": of::<pack::Event>(),
        "deploy": of::<release::event::Event>(),
        "rollback": of::<release::event::Event>(),
        "delete": of::<release::event::Event>(),
        "logs": of::<ui::LogLine<'_>>(),
        "load": of::<OneOf<ui::load::TargetLine<'_>, OneOf<load::Event<'_>, ui::load::RequestLine<'_>>>>(),
        "serve": of::<local::Event>(),
        "sim": of::<sim::Event>(),
    })
}

/// A verb whose result depends on what it was asked for.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum OneOf<A, B> {
    A(A),
    B(B),
}

fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::default()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
}

/// Adds `event` and `verb`, which the line has beside the type's own fields.
fn as_result(verb: &str, schema: Schema) -> Value {
    let mut schema = schema.to_value();
    if let Some(own) = schema.as_object_mut() {
        let mut properties = own.remove("properties").unwrap_or_else(|| json!({}));
        let mut required = own.remove("required").unwrap_or_else(|| json!([]));
        for (key, word) in [("event", "result"), ("verb", verb)] {
            properties[key] = json!({"const": word});
            if let Some(required) = required.as_array_mut() {
                required.push(key.into());
            }
        }
        own.insert("properties".to_owned(), properties);
        own.insert("required".to_owned(), required);
    }
    schema
}
