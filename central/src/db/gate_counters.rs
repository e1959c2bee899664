//! The counters of a gate's signed requests, in its row of `gates`: none below the floor, and
//! above it a window of 64 in which each may be used once, in any order.

use anyhow::Context;
use shared::ids::Kid;

use super::Connection;
use crate::{ids::GateId, instant::UtcInstant};

/// Requests of one gate that may overtake each other.
pub const WINDOW: i64 = 64;

/// What became of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// It was new and is used from now on.
    Taken,
    /// It was used before, or lies below the floor.
    Used {
        /// The smallest that may still be new.
        floor: u64,
    },
    /// The gate got another key or was retired in this very moment.
    KeyNotInForce,
}

/// One statement, so that of two requests with one counter only one is taken. Shifts are of bit
/// strings, whose sign does not matter.
const TAKE: &str = "UPDATE gates SET \
        counter_floor = GREATEST(counter_floor, $3 - 63), \
        counter_window = ( \
            (counter_window::bit(64) >> LEAST(GREATEST($3 - 63 - counter_floor, 0), 64)::int) \
            | (1::bigint::bit(64) << LEAST($3 - counter_floor, 63)::int))::bigint, \
        last_seen_at = GREATEST(last_seen_at, $4) \
    WHERE gate_id = $1 AND kid = $2 AND state = 'enrolled' AND $3 >= counter_floor \
        AND CASE WHEN $3 - counter_floor >= 64 THEN true \
            ELSE counter_window::bit(64) & (1::bigint::bit(64) << ($3 - counter_floor)::int) \
                = 0::bigint::bit(64) END";

/// Uses a counter of a gate up, and notes that the gate was seen.
///
/// # Errors
/// When the database fails.
pub async fn take(
    connection: &Connection,
    gate_id: GateId,
    kid: Kid,
    counter: u64,
    now: UtcInstant,
) -> anyhow::Result<Counter> {
    let context = || format!("cannot take counter {counter} of gate {gate_id}");
    let Ok(wanted) = i64::try_from(counter) else {
        // Beyond what the column holds; no gate gets there by counting.
        return floor(connection, gate_id, kid).await;
    };
    let statement = connection
        .prepare_cached(TAKE)
        .await
        .with_context(context)?;
    let kid_bytes = kid.0.as_slice();
    let taken = connection
        .execute(&statement, &[&gate_id, &kid_bytes, &wanted, &now])
        .await
        .with_context(context)?;
    if taken == 1 {
        return Ok(Counter::Taken);
    }
    floor(connection, gate_id, kid).await
}

async fn floor(connection: &Connection, gate_id: GateId, kid: Kid) -> anyhow::Result<Counter> {
    let row = connection
        .query_opt(
            "SELECT counter_floor FROM gates WHERE gate_id = $1 AND kid = $2 AND state = 'enrolled'",
            &[&gate_id, &kid.0.as_slice()],
        )
        .await
        .with_context(|| format!("cannot read the counters of gate {gate_id}"))?;
    Ok(row.map_or(Counter::KeyNotInForce, |row| Counter::Used {
        floor: u64::try_from(row.get::<_, i64>(0)).unwrap_or(0),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        db::Transaction,
        testing::{self, FreshDatabase},
    };

    const KID: Kid = Kid([7; 8]);

    async fn gate() -> (FreshDatabase, GateId) {
        let database = testing::fresh_database().await;
        let gate_id = GateId(uuid::Uuid::from_u128(2));
        let transaction = database.db.begin_across_schools().await.unwrap();
        let school = uuid::Uuid::from_u128(1);
        transaction
            .batch_execute(&format!(
                "INSERT INTO schools (school_id, name, time_zone, created_at) \
                 VALUES ('{school}', 'S', 'UTC', now()); \
                 INSERT INTO gates (gate_id, school_id, name, state, created_at, kid) \
                 VALUES ('{gate_id}', '{school}', 'G', 'enrolled', now(), '\\x{KID}')"
            ))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        (database, gate_id)
    }

    async fn try_take(transaction: &Transaction, gate_id: GateId, counter: u64) -> Counter {
        take(
            transaction,
            gate_id,
            KID,
            counter,
            UtcInstant::from_unix_seconds(1),
        )
        .await
        .unwrap()
    }

    /// What the statement should do, without bits.
    #[derive(Default)]
    struct Model {
        floor: u64,
        used: BTreeSet<u64>,
    }

    impl Model {
        fn take(&mut self, counter: u64) -> Counter {
            if counter < self.floor || self.used.contains(&counter) {
                return Counter::Used { floor: self.floor };
            }
            self.used.insert(counter);
            self.floor = self.floor.max(counter.saturating_sub(63));
            Counter::Taken
        }
    }

    #[tokio::test]
    async fn every_counter_of_the_window_is_taken_once_in_any_order() {
        let (database, gate_id) = gate().await;
        let transaction = database.db.begin_across_schools().await.unwrap();
        for counter in (0..64).rev().chain(64..100) {
            assert_eq!(
                try_take(&transaction, gate_id, counter).await,
                Counter::Taken
            );
        }
        for counter in 0..100 {
            assert_eq!(
                try_take(&transaction, gate_id, counter).await,
                Counter::Used { floor: 36 },
                "{counter}"
            );
        }
    }

    #[tokio::test]
    async fn the_statement_does_what_the_model_does() {
        let (database, gate_id) = gate().await;
        let transaction = database.db.begin_across_schools().await.unwrap();
        let mut model = Model::default();
        // Steps around the window's edges, jumps of a block, and the largest number there is.
        let mut random = 1_u64;
        let mut top = 0_u64;
        for _ in 0..2000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let counter = match random >> 60 {
                0 => top + 1000,
                1 => top + 64,
                2 => top + 63,
                3..8 => top + (random >> 33) % 4,
                _ => top.saturating_sub((random >> 33) % 70),
            };
            top = top.max(counter);
            assert_eq!(
                try_take(&transaction, gate_id, counter).await,
                model.take(counter),
                "{counter} with floor {}",
                model.floor
            );
        }
        let largest = u64::try_from(i64::MAX).unwrap();
        assert_eq!(
            try_take(&transaction, gate_id, largest).await,
            Counter::Taken
        );
        for counter in [largest, largest + 1, u64::MAX, 0] {
            let floor = largest - 63;
            assert_eq!(
                try_take(&transaction, gate_id, counter).await,
                Counter::Used { floor }
            );
        }
    }

    #[tokio::test]
    async fn of_requests_side_by_side_with_one_counter_one_is_taken() {
        let (database, gate_id) = gate().await;
        let tries = (0..10).map(|_| {
            let db = database.db.clone();
            tokio::spawn(async move {
                let transaction = db.begin_across_schools().await.unwrap();
                let counter = try_take(&transaction, gate_id, 5).await;
                transaction.commit().await.unwrap();
                counter
            })
        });
        let mut taken = 0;
        for attempt in tries.collect::<Vec<_>>() {
            taken += usize::from(attempt.await.unwrap() == Counter::Taken);
        }
        assert_eq!(taken, 1);
    }

    #[tokio::test]
    async fn a_key_that_is_not_in_force_takes_nothing() {
        let (database, gate_id) = gate().await;
        let transaction = database.db.begin_across_schools().await.unwrap();
        let now = UtcInstant::from_unix_seconds(1);
        let other = take(&transaction, gate_id, Kid([8; 8]), 1, now)
            .await
            .unwrap();
        assert_eq!(other, Counter::KeyNotInForce);
        transaction
            .batch_execute("UPDATE gates SET state = 'retired'")
            .await
            .unwrap();
        assert_eq!(
            try_take(&transaction, gate_id, 1).await,
            Counter::KeyNotInForce
        );
    }
}
