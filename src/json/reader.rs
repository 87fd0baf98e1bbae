//! A JSON value as a serde `Deserializer` that keeps track of its path.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        self, DeserializeSeed, MapAccess, SeqAccess, Unexpected, Visitor,
        value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Value, map};

use super::variant::Variant;

/// A step of a path.
#[derive(Clone, Copy)]
pub(super) enum Step<'de> {
    Key(&'de str),
    Item(usize),
}

/// The path of the reader, and the paths of fields that were not read.
#[derive(Default)]
pub(super) struct Notes<'de> {
    pub(super) steps: Vec<Step<'de>>,
    pub(super) unread: Vec<String>,
}

impl Notes<'_> {
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => path.extend([".", key]),
                Step::Item(place) => path.extend(["[", &place.to_string(), "]"]),
            }
        }
        path
    }
}

/// serde's error: the reason only; the path is in the notes.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Box<str>);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    #[cold]
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self(reason.to_string().into())
    }

    #[cold]
    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        match found {
            Unexpected::Unit => {
                Self::custom(format_args!("invalid type: null, expected {expected}"))
            }
            found => Self::custom(format_args!("invalid type: {found}, expected {expected}")),
        }
    }
}

pub(super) struct Reader<'a, 'de> {
    pub(super) value: &'de Value,
    pub(super) notes: &'a mut Notes<'de>,
}

impl<'de> Reader<'_, 'de> {
    fn unexpected(&self) -> Unexpected<'de> {
        match self.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => number.as_u64().map_or_else(
                || {
                    number.as_i64().map_or_else(
                        || Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
                        Unexpected::Signed,
                    )
                },
                Unexpected::Unsigned,
            ),
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(_) => match self.unexpected() {
                Unexpected::Unsigned(number) => visitor.visit_u64(number),
                Unexpected::Signed(number) => visitor.visit_i64(number),
                Unexpected::Float(number) => visitor.visit_f64(number),
                _ => unreachable!("a number is one of the three"),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => {
                let mut list = Items {
                    left: items.iter(),
                    place: 0,
                    depth: self.notes.steps.len(),
                    notes: self.notes,
                };
                let read = visitor.visit_seq(&mut list)?;
                match list.left.len() {
                    0 => Ok(read),
                    _ => Err(de::Error::invalid_length(items.len(), &"fewer items")),
                }
            }
            Value::Object(fields) => visitor.visit_map(Fields {
                left: fields.iter(),
                open: None,
                depth: self.notes.steps.len(),
                notes: self.notes,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let chosen = match self.value {
            Value::String(word) => Some((word, None)),
            Value::Object(fields) if fields.len() == 1 => fields
                .iter()
                .next()
                .map(|(word, value)| (word, Some(value))),
            Value::Object(_) => {
                let one = &"map with a single key";
                return Err(de::Error::invalid_value(Unexpected::Map, one));
            }
            _ => None,
        };
        let Some((word, content)) = chosen else {
            return Err(de::Error::invalid_type(self.unexpected(), &"string or map"));
        };
        visitor.visit_enum(Variant {
            word,
            content,
            notes: self.notes,
        })
    }

    /// A field that the type does not have is read by this.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.notes.unread.push(self.notes.path());
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

struct Items<'a, 'de> {
    left: std::slice::Iter<'de, Value>,
    place: usize,
    depth: usize,
    notes: &'a mut Notes<'de>,
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refusal> {
        let Some(value) = self.left.next() else {
            return Ok(None);
        };
        let step = Step::Item(self.place);
        self.place += 1;
        within(self.notes, self.depth, step, value, seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

struct Fields<'a, 'de> {
    left: map::Iter<'de>,
    /// The field whose key was read last.
    open: Option<(&'de str, &'de Value)>,
    depth: usize,
    notes: &'a mut Notes<'de>,
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refusal> {
        self.open = self.left.next().map(|(key, value)| (&**key, value));
        let Some((key, _)) = self.open else {
            return Ok(None);
        };
        seed.deserialize(BorrowedStrDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let Some((key, value)) = self.open.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        within(self.notes, self.depth, Step::Key(key), value, seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

/// Reads the value one step further. After a failure the steps stay: they are its path.
fn within<'de, S: DeserializeSeed<'de>>(
    notes: &mut Notes<'de>,
    depth: usize,
    step: Step<'de>,
    value: &'de Value,
    seed: S,
) -> Result<S::Value, Refusal> {
    // An untagged type tries one shape after another, so it goes on after a failure.
    notes.steps.truncate(depth);
    notes.steps.push(step);
    let read = seed.deserialize(Reader { value, notes })?;
    notes.steps.truncate(depth);
    Ok(read)
}
