//! The pods' own account, without rights.

use serde_json::Value;

use crate::render::part::{Part, Role, template};

pub(in crate::render) const PART: Part = Part {
    template: template!("service-account.yaml.j2"),
    role: Role::Shared,
    namespace: "service_account",
    wanted: |_| true,
    values: |_| Ok(Value::Null),
    lint: None,
};
