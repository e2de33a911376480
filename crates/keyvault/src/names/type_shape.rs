//! The shape of a settings type: what its `Deserialize` requests at a path.

use std::cell::RefCell;

use serde::de::value::{Error, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The shape that a type requests.
pub(super) enum TypeShape {
    Struct(StructType),
    /// A map or a list. Its members are unknown without a value.
    Open,
    Value,
}

/// A struct, identified by its name and its fields.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct StructType {
    name: &'static str,
    pub(super) fields: &'static [&'static str],
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
    fn record<V>(&self, shape: TypeShape) -> Result<V, Error> {
        if self.path.is_empty() {
            self.shape.borrow_mut().get_or_insert(shape);
        }
        // There is no value, so the error has none.
        Err(Error::custom("there is no value"))
    }
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        self.record(TypeShape::Value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // Formats use such names for special types of their own.
        if name.starts_with(['_', '$']) {
            return self.record(TypeShape::Value);
        }
        match self.path {
            [] => self.record(TypeShape::Struct(StructType { name, fields })),
            [step, rest @ ..] => {
                let field = (step.field, Tracer { path: rest, shape: self.shape });
                visitor.visit_map(MapDeserializer::new(std::iter::once(field)))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        self.record(TypeShape::Open)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        self.record(TypeShape::Open)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        self.record(TypeShape::Open)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, _: V) -> Result<V::Value, Error> {
        self.record(TypeShape::Open)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct enum
        identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Tracer<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
