//! An object is an object: derived types also take a list of their fields' values, in the order in which the code has them,
//! which no document says and every new field breaks.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// Whether `T` finds objects where it wants them. The value was read as a `T` before; an error has the path.
pub(super) fn check<T: DeserializeOwned>(value: &Value) -> Result<(), serde_path_to_error::Error<Error>> {
    serde_path_to_error::deserialize::<_, T>(Strict(value)).map(drop)
}

#[derive(Clone, Copy)]
struct Strict<'de>(&'de Value);

impl<'de> IntoDeserializer<'de, Error> for Strict<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(all) => visitor.visit_seq(SeqDeserializer::new(all.iter().map(Strict))),
            Value::Object(all) => {
                visitor.visit_map(MapDeserializer::new(all.iter().map(|(k, v)| (k.as_str(), Strict(v)))))
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::custom("a list stands where an object is wanted")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::CampaignPatch;
    use serde_json::json;

    #[test]
    fn a_list_is_no_object_at_any_depth() {
        let good = json!({"name": null, "options": {"shards": 2, "app": null}, "content": {"texts": {"en": {"title": "Hi"}}}});
        assert!(check::<CampaignPatch>(&good).is_ok());
        let bad = [
            (json!(["n", null, null]), "."),
            (json!({"options": [null, null]}), "options"),
            (json!({"content": {"texts": {"en": ["Hi"]}}}), "content.texts.en"),
        ];
        for (value, path) in bad {
            assert_eq!(check::<CampaignPatch>(&value).unwrap_err().path().to_string(), path, "{value}");
        }
    }
}
