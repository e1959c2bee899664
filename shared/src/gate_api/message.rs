//! What bounds each message beyond its shape: sizes, counts, ranges.

use minicbor::{Decode, Encode};

use super::{
    ANSWER_LIMIT, DocumentAnswer, DocumentRequest, HeadsRequest, Heartbeat, HeartbeatAnswer,
    IssuedRangeRequest, JournalBatch, ORDERS_LIMIT, OrdersAnswer, OrdersRequest, PROBLEMS_LIMIT,
    REQUEST_LIMIT, Refusal, TimeRequest,
};
use crate::{
    cbor::{self, Malformed},
    document::SignedKind as _,
    issued_list::IssuedRange,
    journal::{BATCH_RECORDS_LIMIT, PERSONAL_LIMIT, PUBLIC_LIMIT},
    order::Order,
    pass::SERIALS_PER_KEY,
    text::{NOTE_LIMIT, is_name},
};

/// Largest message that carries neither documents nor records, in bytes.
const SMALL_LIMIT: usize = 4096;

/// A message and what bounds it beyond its shape.
pub trait Message: Encode<()> + for<'b> Decode<'b, ()> {
    /// Largest size in bytes.
    const LIMIT: usize;

    /// Rules beyond shape; most messages have none.
    ///
    /// # Errors
    /// [`Malformed::OutOfRange`] names the member that breaks one.
    fn validate(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Reads a message.
///
/// # Errors
/// [`Malformed`] when `bytes` are no `T`, or break one of its rules.
pub fn read<T: Message>(bytes: &[u8]) -> Result<T, Malformed> {
    let message: T = cbor::decode_message(bytes, T::LIMIT)?;
    message.validate()?;
    Ok(message)
}

impl Message for HeadsRequest {
    const LIMIT: usize = SMALL_LIMIT;
}

impl Message for DocumentRequest {
    const LIMIT: usize = SMALL_LIMIT;
}

impl Message for DocumentAnswer {
    const LIMIT: usize = ANSWER_LIMIT;
}

impl Message for IssuedRangeRequest {
    const LIMIT: usize = SMALL_LIMIT;

    fn validate(&self) -> Result<(), Malformed> {
        let end = u64::from(self.first.0) + u64::from(self.count);
        let wanted = 1..=IssuedRange::DIGESTS_LIMIT as u64;
        if wanted.contains(&u64::from(self.count)) && end <= u64::from(SERIALS_PER_KEY) {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("range"))
        }
    }
}

impl Message for IssuedRange {
    const LIMIT: usize = IssuedRange::LIMIT;

    fn validate(&self) -> Result<(), Malformed> {
        let end = u64::from(self.first.0) + self.digests.len() as u64 / 8;
        if self.digests.len().is_multiple_of(8) && end <= u64::from(SERIALS_PER_KEY) {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("range"))
        }
    }
}

impl Message for OrdersRequest {
    const LIMIT: usize = SMALL_LIMIT;
}

impl Message for OrdersAnswer {
    const LIMIT: usize = ORDERS_LIMIT * (Order::LIMIT + 8) + 64;

    fn validate(&self) -> Result<(), Malformed> {
        if self.orders.len() <= ORDERS_LIMIT {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("orders"))
        }
    }
}

impl Message for JournalBatch {
    const LIMIT: usize = REQUEST_LIMIT;

    fn validate(&self) -> Result<(), Malformed> {
        let records = 1..=BATCH_RECORDS_LIMIT;
        let fit = self.records.iter().all(|record| {
            let personal = record
                .personal
                .as_ref()
                .map_or(0, |salted| salted.part.len());
            record.public.len() <= PUBLIC_LIMIT && personal <= PERSONAL_LIMIT
        });
        if records.contains(&self.records.len()) && fit {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("records"))
        }
    }
}

impl Message for Heartbeat {
    const LIMIT: usize = 64 << 10;

    fn validate(&self) -> Result<(), Malformed> {
        let texts = self.problems.len() <= PROBLEMS_LIMIT
            && self.problems.iter().all(|text| text.len() <= NOTE_LIMIT);
        if texts && is_name(&self.agent_version) {
            Ok(())
        } else {
            Err(Malformed::OutOfRange("problems or version"))
        }
    }
}

impl Message for HeartbeatAnswer {
    const LIMIT: usize = SMALL_LIMIT;
}

impl Message for TimeRequest {
    const LIMIT: usize = SMALL_LIMIT;
}

impl Message for Refusal {
    const LIMIT: usize = SMALL_LIMIT;
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;
    use crate::{
        decision::FreshnessStep,
        gate_api::API_VERSION,
        ids::{Digest, JournalEpoch, JournalPosition, Kid, Serial},
        journal::Record,
    };

    fn again<T: Message>(message: &T) -> Result<T, Malformed> {
        read(&cbor::encode(message))
    }

    #[test]
    fn a_range_lies_within_the_serials_of_a_key() {
        let ask = |first, count| {
            again(&IssuedRangeRequest {
                version: API_VERSION,
                kid: Kid([1; 8]),
                first: Serial(first),
                count,
            })
        };
        assert!(ask(0, 1).is_ok());
        assert!(ask(SERIALS_PER_KEY - 1, 1).is_ok());
        assert!(ask(0, 65_536).is_ok());
        assert!(ask(0, 0).is_err());
        assert!(ask(0, 65_537).is_err());
        assert!(ask(SERIALS_PER_KEY, 1).is_err());
        assert!(ask(u32::MAX, u32::MAX).is_err());
        let answer = |first, length: usize| {
            again(&IssuedRange {
                kid: Kid([1; 8]),
                first: Serial(first),
                digests: vec![0; length].into(),
            })
        };
        assert!(answer(0, 16).is_ok());
        assert!(answer(0, 65_536 * 8).is_ok());
        assert!(answer(0, 15).is_err());
        assert!(answer(SERIALS_PER_KEY - 1, 16).is_err());
        assert!(answer(0, 65_546 * 8).is_err());
    }

    #[test]
    fn a_batch_has_one_to_five_hundred_records_of_bounded_size() {
        let record = |length: usize| Record {
            public: vec![0; length].into(),
            commitment: Digest([0; 32]),
            personal: None,
        };
        let send = |records: Vec<Record>| {
            again(&JournalBatch {
                version: API_VERSION,
                first: JournalPosition {
                    epoch: JournalEpoch(1),
                    seq: 1,
                },
                records,
                head: vec![0; 200].into(),
                anchor: Some(vec![0; 200].into()),
            })
        };
        assert!(send(vec![]).is_err());
        assert!(send(vec![record(PUBLIC_LIMIT); 500]).is_ok());
        assert!(send(vec![record(1); 501]).is_err());
        assert!(send(vec![record(PUBLIC_LIMIT + 1)]).is_err());
    }

    #[test]
    fn texts_and_lists_of_an_answer_and_a_heartbeat_are_bounded() {
        let orders = |count: usize| {
            again(&OrdersAnswer {
                version: API_VERSION,
                orders: vec![vec![0; Order::LIMIT].into(); count],
            })
        };
        assert!(orders(ORDERS_LIMIT).is_ok());
        assert!(orders(ORDERS_LIMIT + 1).is_err());
        let heartbeat = |version: &str, problems: usize, length: usize| {
            again(&Heartbeat {
                version: API_VERSION,
                agent_version: version.into(),
                head: vec![0; 200].into(),
                freshness: FreshnessStep::Fresh,
                heads: None,
                configuration: None,
                uptime_ms: 1,
                problems: vec!["x".repeat(length); problems],
            })
        };
        assert!(heartbeat("0.1.0", PROBLEMS_LIMIT, NOTE_LIMIT).is_ok());
        assert!(heartbeat("0.1.0", PROBLEMS_LIMIT + 1, 1).is_err());
        assert!(heartbeat("0.1.0", 1, NOTE_LIMIT + 1).is_err());
        assert!(heartbeat("0\n1", 0, 0).is_err());
    }
}
