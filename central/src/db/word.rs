//! Our enums in `text` columns: the word in the column is the word in JSON.

use std::error::Error;

use serde::{Serialize, de::DeserializeOwned, de::value::StrDeserializer};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

/// A fieldless enum on its way to or from a `text` column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<T>(pub(crate) T);

impl<'a, T: DeserializeOwned> FromSql<'a> for Word<T> {
    fn from_sql(sql: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let word = <&str>::from_sql(sql, raw)?;
        let value = T::deserialize(StrDeserializer::<serde::de::value::Error>::new(word))?;
        Ok(Self(value))
    }

    fn accepts(sql: &Type) -> bool {
        <&str as FromSql>::accepts(sql)
    }
}

impl<T: Serialize + std::fmt::Debug> ToSql for Word<T> {
    fn to_sql(
        &self,
        sql: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let serde_json::Value::String(word) = serde_json::to_value(&self.0)? else {
            return Err(format!("{:?} is not a word in JSON", self.0).into());
        };
        word.to_sql(sql, out)
    }

    fn accepts(sql: &Type) -> bool {
        <String as ToSql>::accepts(sql)
    }

    to_sql_checked!();
}
