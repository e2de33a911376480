//! Deserializing from values of config with errors that keep the path, the expectation and the kind of value.
//!
//! config's own deserializer reduces most errors of serde to a text that quotes the value.

use config::{ConfigError, Value, ValueKind};
use keyvault::settings::{Key, Mismatch};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

/// Deserializes one value, and converts text and numbers as config does.
#[derive(Clone, Copy)]
pub(crate) struct ValueDeserializer<'v>(pub(crate) &'v Value);

impl<'v> ValueDeserializer<'v> {
    /// Visits the value that config's `convert` returns, or lets the visitor refuse the value itself.
    fn convert<'de, V: Visitor<'de>, C>(
        self,
        visitor: V,
        convert: impl FnOnce(Value) -> Result<C, ConfigError>,
        visit: impl FnOnce(V, C) -> Result<V::Value, Mismatch>,
    ) -> Result<V::Value, Mismatch> {
        let is_scalar = !matches!(self.0.kind, ValueKind::Table(_) | ValueKind::Array(_));
        match is_scalar.then(|| convert(self.0.clone())) {
            Some(Ok(converted)) => visit(visitor, converted),
            _ => self.deserialize_any(visitor),
        }
    }
}

/// Implements methods by a conversion of config.
macro_rules! converted {
    ($($($method:ident)+ => $convert:ident, $visit:ident;)*) => {$($(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            self.convert(visitor, Value::$convert, V::$visit)
        }
    )+)*};
}

impl<'de> Deserializer<'de> for ValueDeserializer<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.0.kind {
            ValueKind::Nil => visitor.visit_unit(),
            ValueKind::Boolean(b) => visitor.visit_bool(*b),
            ValueKind::I64(n) => visitor.visit_i64(*n),
            ValueKind::I128(n) => visitor.visit_i128(*n),
            ValueKind::U64(n) => visitor.visit_u64(*n),
            ValueKind::U128(n) => visitor.visit_u128(*n),
            ValueKind::Float(n) => visitor.visit_f64(*n),
            ValueKind::String(text) => visitor.visit_string(text.clone()),
            ValueKind::Array(items) => visitor.visit_seq(Items { items, index: 0 }),
            ValueKind::Table(_) => visitor.visit_map(Members::of(self.0)),
        }
    }

    converted! {
        deserialize_bool => into_bool, visit_bool;
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 => into_int, visit_i64;
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 => into_uint, visit_u64;
        deserialize_i128 => into_int128, visit_i128;
        deserialize_u128 => into_uint128, visit_u128;
        deserialize_f32 deserialize_f64 => into_float, visit_f64;
        deserialize_str deserialize_string => into_string, visit_string;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.0.kind {
            ValueKind::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match &self.0.kind {
            ValueKind::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            ValueKind::Table(table) if table.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Members::of(self.0)))
            }
            ValueKind::Table(_) => Err(Mismatch::new("enum is neither text nor a table with one key")),
            _ => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        char seq bytes byte_buf map struct unit identifier ignored_any unit_struct tuple_struct tuple
    }
}

struct Items<'v> {
    items: &'v [Value],
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        let Some(item) = self.items.get(self.index) else { return Ok(None) };
        let key = Key::root().element(self.index);
        self.index += 1;
        seed.deserialize(ValueDeserializer(item)).map(Some).map_err(|mismatch| mismatch.below(&key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.index)
    }
}

/// The members of a table, in the order of their names, so that two extractions fail alike.
struct Members<'v>(std::iter::Peekable<std::vec::IntoIter<(&'v str, &'v Value)>>);

impl<'v> Members<'v> {
    fn of(value: &'v Value) -> Self {
        let mut members: Vec<(&str, &Value)> = match &value.kind {
            ValueKind::Table(table) => table.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            _ => Vec::new(),
        };
        members.sort_unstable_by_key(|(name, _)| *name);
        Self(members.into_iter().peekable())
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Mismatch;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        let Some((name, _)) = self.0.peek() else { return Ok(None) };
        let key = Value::new(None, *name);
        let result = seed.deserialize(ValueDeserializer(&key)).map(Some);
        result.map_err(|mismatch| mismatch.below(&Key::root().member(name)))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let Some((name, value)) = self.0.next() else { return Err(Mismatch::new("value without a key")) };
        let result = seed.deserialize(ValueDeserializer(value));
        result.map_err(|mismatch| mismatch.below(&Key::root().member(name)))
    }
}
