//! The shape of a settings type: what its `Deserialize` requests at a path.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// The shape that a type requests.
pub(super) enum TypeShape {
    Struct(StructType),
    /// A map or a list. Its members are unknown without a value.
    Open,
    Value,
}

/// A struct, identified by its name and its fields.
#[derive(Clone, Copy)]
pub(super) struct StructType {
    name: &'static str,
    pub(super) fields: &'static [&'static str],
}

impl PartialEq for StructType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.fields == other.fields
    }
}

/// One step from a struct to one of its fields.
#[derive(Clone, Copy)]
pub(super) struct FieldStep {
    pub(super) parent: StructType,
    pub(super) field: &'static str,
}

impl TypeShape {
    /// Returns the shape of `T` at `path`, from the root of `T`.
    pub(super) fn at<T: DeserializeOwned>(path: &[FieldStep]) -> Self {
        let shape = RefCell::new(None);
        _ = T::deserialize(Tracer { path, shape: &shape });
        shape.into_inner().unwrap_or(Self::Value)
    }
}

/// A deserialiser without values. It follows `path` and records what the type requests at its end.
struct Tracer<'t> {
    path: &'t [FieldStep],
    shape: &'t RefCell<Option<TypeShape>>,
}

impl Tracer<'_> {
    /// Records a shape at the end of the path. The first request counts, because a type may try further ones after it.
    fn record<V>(&self, shape: TypeShape) -> Result<V, Stop> {
        if self.path.is_empty() {
            self.shape.borrow_mut().get_or_insert(shape);
        }
        Err(Stop)
    }
}

/// The only error of a [`Tracer`], which ends every deserialisation. It carries no data.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no value")
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Stop
    }
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        self.record(TypeShape::Value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        // Formats use such names for special types of their own.
        if name.starts_with(['_', '$']) {
            return self.record(TypeShape::Value);
        }
        match self.path {
            [] => self.record(TypeShape::Struct(StructType { name, fields })),
            [step, rest @ ..] => visitor.visit_map(OneField { field: Some(step.field), path: rest, shape: self.shape }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        self.record(TypeShape::Open)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        self.record(TypeShape::Open)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Stop> {
        self.record(TypeShape::Open)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, _: V) -> Result<V::Value, Stop> {
        self.record(TypeShape::Open)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct enum
        identifier ignored_any
    }
}

/// A table with one field.
struct OneField<'t> {
    field: Option<&'static str>,
    path: &'t [FieldStep],
    shape: &'t RefCell<Option<TypeShape>>,
}

impl<'de> MapAccess<'de> for OneField<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        self.field.take().map(|field| seed.deserialize(field.into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(Tracer { path: self.path, shape: self.shape })
    }
}
