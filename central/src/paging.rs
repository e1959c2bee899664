//! Lists by cursor: each page names where the next begins, so that rows which come and go while
//! somebody reads move nothing.

use std::{fmt::Display, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{INVALID_QUERY, Problem};

/// Without a wish.
const LIMIT_DEFAULT: u32 = 50;
/// A page is built in memory and read by people or in bulk.
const LIMIT_MAX: u32 = 500;

/// The parameters of every list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many items, 1 to 500 (50 unless said).
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Where a page begins and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest<K> {
    /// The page begins after this key; `None` for the first.
    pub after: Option<K>,
    /// Most items on it.
    pub limit: u32,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, in a fixed order.
    pub items: Vec<T>,
    /// Pass it as `cursor` to read on; `null` on the last page.
    pub next_cursor: Option<String>,
}

impl PageQuery {
    /// For a list that has parameters of its own.
    #[must_use]
    pub fn new(limit: Option<u32>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    /// Reads the parameters.
    ///
    /// # Errors
    /// [`INVALID_QUERY`] for a limit out of range or a cursor that no list gave out.
    pub fn request<K: FromStr>(&self) -> Result<PageRequest<K>, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if limit == 0 || limit > LIMIT_MAX {
            return Err(INVALID_QUERY.because(format!("limit must be 1 to {LIMIT_MAX}")));
        }
        let after = match &self.cursor {
            None => None,
            Some(cursor) => Some(read_cursor(cursor).ok_or_else(|| {
                INVALID_QUERY.because("cursor must be the next_cursor of a page of this same list")
            })?),
        };
        Ok(PageRequest { after, limit })
    }
}

impl<K> PageRequest<K> {
    /// What to ask the database for: one more than the page holds tells whether there is another.
    #[must_use]
    pub fn sql_limit(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page of `items`, which are up to [`PageRequest::sql_limit`].
    #[must_use]
    pub fn page<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> K) -> Page<T>
    where
        K: Display,
    {
        let limit = self.limit as usize;
        if items.len() <= limit {
            return Page {
                items,
                next_cursor: None,
            };
        }
        items.truncate(limit);
        let next_cursor = items
            .last()
            .map(|last| URL_SAFE_NO_PAD.encode(key(last).to_string()));
        Page { items, next_cursor }
    }
}

fn read_cursor<K: FromStr>(cursor: &str) -> Option<K> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_meet_without_a_gap_or_an_overlap() {
        let all: Vec<i32> = (1..=7).collect();
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let request = PageQuery::new(Some(3), cursor).request::<i32>().unwrap();
            let rest = all
                .iter()
                .filter(|item| request.after.is_none_or(|after| **item > after));
            let items = rest
                .copied()
                .take(usize::try_from(request.sql_limit()).unwrap())
                .collect();
            let page = request.page(items, |item| *item);
            seen.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_limit_or_cursor_that_makes_no_sense_is_refused() {
        for bad in [
            PageQuery::new(Some(0), None),
            PageQuery::new(Some(501), None),
            PageQuery::new(None, Some("?".into())),
        ] {
            assert_eq!(bad.request::<i32>().unwrap_err().kind, INVALID_QUERY);
        }
        let of_another_list = PageQuery::new(None, Some(URL_SAFE_NO_PAD.encode("text")));
        assert!(of_another_list.request::<i32>().is_err());
    }
}
