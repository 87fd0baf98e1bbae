//! Fields whose JSON type differs from server to server: every type is taken.

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Finish;

/// Implements `Deserialize` through a visitor that takes any JSON value.
macro_rules! any_value {
    ($type:ty, $visitor:ident) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        }
    };
}

/// The methods of a visitor that answer the default for scalars and nulls.
macro_rules! scalars_are_default {
    () => {
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("any JSON value")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

/// Whether a value is a non-empty string, list or object.
#[derive(Default)]
pub(super) struct Filled(pub(super) bool);

any_value!(Filled, FilledVisitor);
struct FilledVisitor;
impl<'de> Visitor<'de> for FilledVisitor {
    type Value = Filled;
    scalars_are_default!();

    fn visit_str<E>(self, text: &str) -> Result<Filled, E> {
        Ok(Filled(!text.is_empty()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Filled, A::Error> {
        count(items).map(|count| Filled(count > 0))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Filled, A::Error> {
        drain(map).map(|count| Filled(count > 0))
    }
}

/// How many items a list has; nothing for any other value.
#[derive(Default)]
pub(super) struct Length(pub(super) usize);

any_value!(Length, LengthVisitor);
struct LengthVisitor;
impl<'de> Visitor<'de> for LengthVisitor {
    type Value = Length;
    scalars_are_default!();

    fn visit_str<E>(self, _: &str) -> Result<Length, E> {
        Ok(Length::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Length, A::Error> {
        count(items).map(Length)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Length, A::Error> {
        drain(map).map(|_| Length::default())
    }
}

/// A finish reason; Ollama's empty string is none.
#[derive(Default)]
pub(super) struct FinishReason(pub(super) Option<Finish>);

any_value!(FinishReason, FinishVisitor);
struct FinishVisitor;
impl<'de> Visitor<'de> for FinishVisitor {
    type Value = FinishReason;
    scalars_are_default!();

    fn visit_str<E>(self, reason: &str) -> Result<FinishReason, E> {
        Ok(FinishReason(match reason {
            "" => None,
            "abort" | "aborted" | "cancelled" => Some(Finish::Aborted),
            "error" => Some(Finish::Failed),
            _ => Some(Finish::Normal),
        }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<FinishReason, A::Error> {
        count(items).map(|_| FinishReason::default())
    }

    /// Some engines report the finish reason as an object.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FinishReason, A::Error> {
        drain(map).map(|_| FinishReason(Some(Finish::Normal)))
    }
}

/// Whether `object` is `"error"`, as older vLLM marks an error payload.
#[derive(Default)]
pub(super) struct IsError(pub(super) bool);

any_value!(IsError, IsErrorVisitor);
struct IsErrorVisitor;
impl<'de> Visitor<'de> for IsErrorVisitor {
    type Value = IsError;
    scalars_are_default!();

    fn visit_str<E>(self, object: &str) -> Result<IsError, E> {
        Ok(IsError(object == "error"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<IsError, A::Error> {
        count(items).map(|_| IsError::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<IsError, A::Error> {
        drain(map).map(|_| IsError::default())
    }
}

fn count<'de, A: SeqAccess<'de>>(mut items: A) -> Result<usize, A::Error> {
    let mut count = 0;
    while items.next_element::<IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}

pub(super) fn drain<'de, A: MapAccess<'de>>(mut map: A) -> Result<usize, A::Error> {
    let mut count = 0;
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}
