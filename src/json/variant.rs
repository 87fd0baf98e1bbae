//! A variant of an enum: a word, or a word with its content.

use serde::{
    Deserializer as _,
    de::{
        self, DeserializeSeed, EnumAccess, Unexpected, VariantAccess, Visitor,
        value::BorrowedStrDeserializer,
    },
};
use serde_json::Value;

use super::reader::{Notes, Reader, Refusal, Step};

pub(super) struct Variant<'a, 'de> {
    pub(super) word: &'de str,
    pub(super) content: Option<&'de Value>,
    pub(super) notes: &'a mut Notes<'de>,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a, 'de> {
    type Error = Refusal;
    type Variant = Content<'a, 'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Content<'a, 'de>), Refusal> {
        let variant = seed.deserialize(BorrowedStrDeserializer::new(self.word))?;
        let content = self.content.map(|value| {
            self.notes.steps.push(Step::Key(self.word));
            Reader {
                value,
                notes: self.notes,
            }
        });
        Ok((variant, Content(content)))
    }
}

pub(super) struct Content<'a, 'de>(Option<Reader<'a, 'de>>);

impl<'de> Content<'_, 'de> {
    /// The content; its step is taken back when it was read.
    fn read<T>(
        self,
        expected: &str,
        read: impl FnOnce(Reader<'_, 'de>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let Some(Reader { value, notes }) = self.0 else {
            let word = Unexpected::UnitVariant;
            return Err(de::Error::invalid_type(word, &expected));
        };
        let depth = notes.steps.len() - 1;
        let content = read(Reader {
            value,
            notes: &mut *notes,
        })?;
        notes.steps.truncate(depth);
        Ok(content)
    }
}

impl<'de> VariantAccess<'de> for Content<'_, 'de> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        match &self.0 {
            None => Ok(()),
            Some(_) => self.read("a word", |content| de::Deserialize::deserialize(content)),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        self.read("newtype variant", |content| seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.read("tuple variant", |content| content.deserialize_any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.read("struct variant", |content| content.deserialize_any(visitor))
    }
}
