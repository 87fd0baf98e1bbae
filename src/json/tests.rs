use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Pod, Service},
    apimachinery::pkg::util::intstr::IntOrString,
};
use proptest::prelude::*;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
struct Engine {
    kind: Kind,
    #[serde(default)]
    share: Option<f64>,
    #[serde(default)]
    ports: Vec<(String, u16)>,
    #[serde(default)]
    also: Vec<Mode>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Plain,
    Named(String),
    Pair(i8, i8),
    Full { size: u64 },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Mode {
    Number(u8),
    Text(String),
    Many(BTreeMap<String, bool>),
}

fn refused<T: DeserializeOwned>(value: &Value) -> String {
    read::<T>(value).err().unwrap().to_string()
}

#[test]
fn every_shape_is_read_as_serde_json_reads_it() {
    for value in [
        json!({"kind": "plain"}),
        json!({"kind": {"plain": null}}),
        json!({"kind": {"named": "x"}, "share": null}),
        json!({"kind": {"pair": [1, -2]}, "share": 0.5}),
        json!({"kind": {"full": {"size": 3}}, "ports": [["a", 1], ["b", 2]]}),
        json!({"kind": "plain", "also": [1, "two", {"three": true}, 4]}),
    ] {
        let theirs: Engine = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(read::<Engine>(&value).unwrap(), theirs);
    }
}

#[test]
fn what_is_wrong_is_told_by_its_path() {
    for (value, told) in [
        (
            json!({"kind": "odd"}),
            "kind: unknown variant `odd`, expected one of `plain`, `named`, `pair`, `full`",
        ),
        (
            json!({"kind": {"full": {"size": "big"}}}),
            "kind.full.size: invalid type: string \"big\", expected u64",
        ),
        (
            json!({"kind": {"pair": [1, 2, 3]}}),
            "kind.pair: invalid length 3, expected fewer items",
        ),
        (
            json!({"kind": {"pair": [1, 300]}}),
            "kind.pair[1]: invalid value: integer `300`, expected i8",
        ),
        (
            json!({"kind": "plain", "ports": [["a", 1], ["b", null]]}),
            "ports[1][1]: invalid type: null, expected u16",
        ),
        (
            json!({"kind": "named"}),
            "kind: invalid type: unit variant, expected newtype variant",
        ),
        (
            json!({"kind": {"plain": null, "named": "x"}}),
            "kind: invalid value: map, expected map with a single key",
        ),
        (
            json!({"sort": "plain"}),
            "unknown field `sort`, expected one of `kind`, `share`, `ports`, `also`",
        ),
        (
            json!("plain"),
            "invalid type: string \"plain\", expected struct Engine",
        ),
        (
            json!({"kind": "plain", "also": [1, null]}),
            "also[1]: data did not match any variant of untagged enum Mode",
        ),
    ] {
        assert_eq!(refused::<Engine>(&value), told);
    }
}

#[test]
fn what_no_field_reads_is_noted_by_its_path() {
    let (pod, unread) = read_noting::<Pod>(&json!({
        "metadata": {"name": "p", "colour": {"deep": 1}},
        "spec": {"containers": [{"name": "a"}, {"name": "b", "imgae": "x"}]},
    }))
    .unwrap();
    assert_eq!(unread, ["metadata.colour", "spec.containers[1].imgae"]);
    assert_eq!(pod.spec.unwrap().containers[1].name, "b");
}

#[test]
fn a_number_or_a_word_is_either() {
    let service: Service = read(&json!({"spec": {"ports": [
        {"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8081},
    ]}}))
    .unwrap();
    let ports = service.spec.unwrap().ports.unwrap();
    assert_eq!(
        ports[0].target_port,
        Some(IntOrString::String("http".to_owned()))
    );
    assert_eq!(ports[1].target_port, Some(IntOrString::Int(8081)));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,8}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_read_as_itself(value in any_json()) {
        prop_assert_eq!(&read::<Value>(&value).unwrap(), &value);
    }

    #[test]
    fn an_untagged_type_takes_what_serde_json_gives_it(value in any_json()) {
        let theirs = serde_json::from_value::<Mode>(value.clone()).ok();
        prop_assert_eq!(read::<Mode>(&value).ok(), theirs);
    }
}
