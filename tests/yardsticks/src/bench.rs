//! Figures and their table: the very same files as the other benchmarks'.

#[allow(
    dead_code,
    unreachable_pub,
    reason = "another package's file, used in part"
)]
#[path = "../../src/bench/figure.rs"]
mod figure;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "another package's file, used in part"
)]
#[path = "../../src/bench/report.rs"]
mod report;

pub(crate) use figure::{Figure, Goal, Spread, Unit, Verdict};
pub(crate) use report::{summary, table};
