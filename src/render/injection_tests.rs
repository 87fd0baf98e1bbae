//! Hostile and ambiguous values: each stays the one scalar it was.

use std::path::Path;

use serde_json::{Value, json};

use super::{tests::*, *};

/// Strings that would end a scalar, start a key, or be read as another type.
const HOSTILE: [&str; 16] = [
    "on",
    "no",
    "~",
    "null",
    "1_000",
    "0x10",
    "12:30:45",
    "2001-01-01",
    " ",
    "a: b\nevil: true",
    "\"}, x: {",
    "{{ name }}",
    "{% autoescape false %}",
    "'; rm -rf /",
    "\u{7f}\u{85}\u{2028}\u{feff}é😀\t\r\n---\n",
    "- x # y",
];

#[test]
fn a_hostile_value_stays_one_scalar_in_every_field_that_takes_text() {
    for hostile in HOSTILE {
        let mut spec = read(CHAT, &[]);
        spec.model.served_name = hostile.to_owned();
        spec.engine.image = Some(hostile.to_owned());
        spec.engine
            .env
            .insert("EVIL".to_owned(), hostile.to_owned());
        spec.engine.args.insert("evil".to_owned(), json!(hostile));
        spec.hardware.products = vec![hostile.to_owned()];
        spec.hardware
            .node_selector
            .insert("key".to_owned(), hostile.to_owned());
        spec.hardware.tolerations[0].key = hostile.to_owned();
        spec.traffic.host = Some(hostile.to_owned());
        spec.traffic.gateway.as_mut().unwrap().name = hostile.to_owned();
        let plain = rendered(&[]);
        let manifests = render(&spec, Some(&model()), &Overrides::default()).unwrap();
        assert_eq!(manifests.objects.len(), plain.objects.len(), "{hostile:?}");
        let text = manifests.to_yaml().unwrap();
        let again: Vec<Value> = yaml::parse_all(Path::new("x"), &text)
            .unwrap_or_else(|error| panic!("{hostile:?}: {error}"));
        let deployment = again
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .unwrap();
        let route = again
            .iter()
            .find(|object| object["kind"] == "HTTPRoute")
            .unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        let engine = &pod["containers"][0];
        let evil = engine["env"]
            .as_array()
            .unwrap()
            .iter()
            .find(|env| env["name"] == "EVIL");
        for found in [
            &engine["image"],
            &evil.unwrap()["value"],
            engine["args"].as_array().unwrap().last().unwrap(),
            &pod["nodeSelector"]["key"],
            &pod["tolerations"][0]["key"],
            &route["spec"]["hostnames"][0],
            &route["spec"]["parentRefs"][0]["name"],
        ] {
            assert_eq!(*found, json!(hostile), "{text}");
        }
    }
}

#[test]
fn words_of_yaml_1_1_are_written_quoted() {
    for word in [
        "on",
        "off",
        "yes",
        "no",
        "y",
        "n",
        "True",
        "NULL",
        "~",
        "1_000",
        "0o7",
        "010",
        "1e3",
        ".inf",
        "12:30:45",
        "2001-01-01",
        "=",
        "<<",
    ] {
        let set = format!("engine.env.WORD={word}");
        let text = rendered(&[set.as_str()]).to_yaml().unwrap();
        let value = text
            .split("name: WORD")
            .nth(1)
            .and_then(|rest| rest.lines().nth(1))
            .unwrap()
            .trim();
        let quoted = [format!("value: \"{word}\""), format!("value: '{word}'")];
        assert!(quoted.contains(&value.to_owned()), "{value}");
    }
}
