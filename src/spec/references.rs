//! Secrets and patches: what the file says of things outside it.

use std::collections::BTreeMap;

use super::{
    checked::{Engine, Patch, Secret, Target},
    refusal::{Checked, refuse, variable},
    written,
};

/// Where each secret value is; never the value.
pub(super) fn secrets(
    secrets: BTreeMap<String, written::Secret>,
    engine: &Engine,
    target: &Target,
) -> Checked<BTreeMap<String, Secret>> {
    let mut checked = BTreeMap::new();
    for (name, secret) in secrets {
        variable("secrets", &name)?;
        if engine.env.contains_key(&name) {
            return refuse(
                format!("{name} is in `engine.env` and in `secrets`"),
                "keep one",
            );
        }
        let reference = match (secret.secret, secret.key) {
            (Some(secret), Some(key)) => Some((secret, key)),
            (None, None) if *target == Target::Local => None,
            _ => {
                return refuse(
                    format!("`secrets.{name}` does not say where the value is"),
                    format!("as in `{name}: {{secret: SECRET, key: KEY}}`"),
                );
            }
        };
        let env = secret.env.unwrap_or_else(|| name.clone());
        variable("secrets", &env)?;
        checked.insert(name, Secret { reference, env });
    }
    Ok(checked)
}

/// Changes to rendered objects.
pub(super) fn patches(patches: Vec<written::Patch>) -> Checked<Vec<Patch>> {
    let mut checked = Vec::new();
    for patch in patches {
        let Some(kind) = patch.kind else {
            return refuse("a patch has no `kind`", "as in `kind: Deployment`");
        };
        let json = patch.json.unwrap_or_default();
        if patch.merge.is_none() && json.is_empty() {
            return refuse(
                format!("a patch of {kind} changes nothing"),
                "add `merge` or `json`",
            );
        }
        checked.push(Patch {
            kind,
            name: patch.name,
            merge: patch.merge,
            json,
        });
    }
    Ok(checked)
}
