//! Columns that hold CBOR, and the error of a column that does not hold what it should.

use minicbor::{Decode, Encode};
use rusqlite::{Row, types::Type};
use shared::cbor;

/// Largest CBOR column: a subject is the longest.
const COLUMN_LIMIT: usize = 256;

pub(super) fn from_cbor<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    let bytes: Vec<u8> = row.get(index)?;
    cbor::decode_strict(&bytes, COLUMN_LIMIT).map_err(|error| unreadable(index, error))
}

pub(super) fn from_cbor_or_null<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    let bytes: Option<Vec<u8>> = row.get(index)?;
    bytes
        .map(|bytes| cbor::decode_strict(&bytes, COLUMN_LIMIT))
        .transpose()
        .map_err(|error| unreadable(index, error))
}

pub(super) fn unreadable(
    index: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, Box::new(error))
}
