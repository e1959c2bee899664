//! Orders to gates: lockdown, door modes, a release, forgiveness.

pub mod create;
pub mod end_lockdown;
pub mod list;
pub mod lock_down;

use axum::{http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use shared::{
    ids::{
        CentralEpoch, DocumentNumber, DoorId as WireDoor, HolderNumber, PassId as WirePass, Serial,
    },
    order::{DoorMode as WireMode, Order as WireOrder, OrderAction, Subject},
};
use utoipa::ToSchema;

use crate::{
    admin_api::schools,
    app::App,
    changes::Change,
    db::{Transaction, gates, passes::PassId},
    idempotency::{self, Attempt, RequestIdentity},
    ids::{DoorId, GateId, Kid, SchoolId},
    instant::UtcInstant,
    problem::{Kind, Problem},
};

/// The gate was retired: nobody obeys there.
pub const GATE_RETIRED: Kind =
    Kind::new(StatusCode::CONFLICT, "gate_retired", "The gate is retired");
/// Without a statement key no gate would believe an order.
pub const NO_STATEMENT_KEY: Kind = Kind::new(
    StatusCode::CONFLICT,
    "no_statement_key",
    "There is no statement key",
);

/// A release is for whoever stands at the door now.
const RELEASE_LIFETIME_S: u64 = 30;
/// A gate that was cut off for longer does not act on what was wanted then.
const OTHER_LIFETIME_S: u64 = 86_400;
/// A lockdown is taken up whenever the gate hears of it while the ladder lets it work at all;
/// its end too.
const LOCKDOWN_LIFETIME_S: u64 = 30 * 86_400;

/// What an order asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Lock all doors of the gate down: beats a valid pass, and never lapses by itself.
    LockDown {},
    /// End a lockdown.
    EndLockdown {},
    /// Put a door into a mode.
    SetDoorMode {
        /// The door.
        door_id: DoorId,
        /// The mode.
        mode: DoorMode,
    },
    /// Release a door once, for its release time.
    Release {
        /// The door.
        door_id: DoorId,
    },
    /// Reset the anti-passback state of a holder.
    ForgiveHolder {
        /// The student's holder number.
        #[schema(minimum = 1)]
        holder_number: i32,
    },
    /// Reset the anti-passback state of a pass whose holder no roster knows.
    ForgivePass {
        /// The pass.
        pass: PassId,
    },
}

/// Intent for a door, apart from its physical state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DoorMode {
    /// Locked; passes release it.
    Locked,
    /// Unlocked for everybody.
    Unlocked,
    /// Locked; passes do not release it, egress does.
    Blocked,
    /// Locked down: beats a valid pass.
    LockedDown,
    /// Held unlocked, and no lock command counts until it ends.
    LockedOpen,
}

/// An order that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Order {
    /// The gate that shall obey.
    pub gate_id: GateId,
    /// Its place in the gate's one sequence.
    #[schema(example = "1.7")]
    pub number: String,
    /// What it asks.
    #[serde(flatten)]
    pub action: Action,
    /// When it was signed.
    pub made_at: UtcInstant,
    /// The last moment at which the gate may take it up; what was taken up stays.
    pub expires_at: UtcInstant,
}

impl DoorMode {
    fn to_wire(self) -> WireMode {
        match self {
            Self::Locked => WireMode::Locked,
            Self::Unlocked => WireMode::Unlocked,
            Self::Blocked => WireMode::Blocked,
            Self::LockedDown => WireMode::LockedDown,
            Self::LockedOpen => WireMode::LockedOpen,
        }
    }

    fn from_wire(mode: WireMode) -> Option<Self> {
        match mode {
            WireMode::Locked => Some(Self::Locked),
            WireMode::Unlocked => Some(Self::Unlocked),
            WireMode::Blocked => Some(Self::Blocked),
            WireMode::LockedDown => Some(Self::LockedDown),
            WireMode::LockedOpen => Some(Self::LockedOpen),
            // No order asks for it.
            WireMode::Accessed => None,
        }
    }
}

impl Action {
    fn lifetime_s(self) -> u64 {
        match self {
            Self::LockDown {} | Self::EndLockdown {} => LOCKDOWN_LIFETIME_S,
            Self::Release { .. } => RELEASE_LIFETIME_S,
            Self::SetDoorMode { .. } | Self::ForgiveHolder { .. } | Self::ForgivePass { .. } => {
                OTHER_LIFETIME_S
            }
        }
    }

    fn to_wire(self) -> OrderAction {
        let door = WireDoor::from;
        match self {
            Self::LockDown {} => OrderAction::LockDown,
            Self::EndLockdown {} => OrderAction::EndLockdown,
            Self::SetDoorMode { door_id, mode } => OrderAction::SetDoorMode {
                door: door(door_id),
                mode: mode.to_wire(),
            },
            Self::Release { door_id } => OrderAction::Release {
                door: door(door_id),
            },
            Self::ForgiveHolder { holder_number } => OrderAction::Forgive {
                subject: Subject::Holder(HolderNumber(holder_number.unsigned_abs())),
            },
            Self::ForgivePass { pass } => OrderAction::Forgive {
                subject: Subject::Pass(WirePass {
                    kid: pass.kid.0,
                    serial: Serial(pass.serial.unsigned_abs()),
                }),
            },
        }
    }

    fn from_wire(action: OrderAction) -> Option<Self> {
        let door_id = |door: WireDoor| i32::try_from(door.0).ok().map(DoorId);
        Some(match action {
            OrderAction::LockDown => Self::LockDown {},
            OrderAction::EndLockdown => Self::EndLockdown {},
            OrderAction::SetDoorMode { door, mode } => Self::SetDoorMode {
                door_id: door_id(door)?,
                mode: DoorMode::from_wire(mode)?,
            },
            OrderAction::Release { door } => Self::Release {
                door_id: door_id(door)?,
            },
            OrderAction::Forgive {
                subject: Subject::Holder(number),
            } => Self::ForgiveHolder {
                holder_number: i32::try_from(number.0).ok()?,
            },
            OrderAction::Forgive {
                subject: Subject::Pass(pass),
            } => Self::ForgivePass {
                pass: PassId {
                    kid: Kid(pass.kid),
                    serial: i32::try_from(pass.serial.0).ok()?,
                },
            },
        })
    }
}

impl Order {
    fn from_wire(order: &WireOrder) -> Option<Self> {
        Some(Self {
            gate_id: order.gate.into(),
            number: order.header.number.to_string(),
            action: Action::from_wire(order.action)?,
            made_at: UtcInstant::from_unix_seconds(order.header.made_at.0),
            expires_at: UtcInstant::from_unix_seconds(order.header.expires_at.0),
        })
    }
}

/// Gives the same order to every gate of a school that is in use, once for each request.
async fn order_whole_school<T: Serialize>(
    app: &App,
    school_id: SchoolId,
    request: &RequestIdentity,
    action: Action,
    answer: impl FnOnce(Vec<Order>) -> T,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    // The key may have been replaced by a command a moment ago.
    app.statements.reload().await?;
    let transaction = schools::begin_in(app, school_id).await?;
    if let Attempt::Answered(answer) = idempotency::begin(&transaction, request, now).await? {
        return Ok(answer);
    }
    let gates = gates::in_use(&transaction, school_id).await?;
    let orders = order_all(app, &transaction, school_id, &gates, action).await?;
    let answer = answer(orders);
    let answer = idempotency::finish(transaction, request, StatusCode::CREATED, &answer).await?;
    wake(app, &gates);
    tracing::warn!(
        school.id = %school_id,
        gates = gates.len(),
        "{action:?} for school {school_id}: ordered at {} gates",
        gates.len()
    );
    Ok(answer)
}

/// Signs the same order to each of these gates, within `transaction`.
async fn order_all(
    app: &App,
    transaction: &Transaction,
    school_id: SchoolId,
    gates: &[GateId],
    action: Action,
) -> Result<Vec<Order>, Problem> {
    if !app.statements.has_key().await? {
        return Err(NO_STATEMENT_KEY.because(
            "No gate would believe an order: make the keys with `central keys init --small-school`.",
        ));
    }
    let publisher = app.publisher();
    let mut orders = Vec::with_capacity(gates.len());
    for gate_id in gates {
        let order = publisher
            .order(
                transaction,
                school_id,
                *gate_id,
                action.to_wire(),
                action.lifetime_s(),
            )
            .await?;
        orders.extend(Order::from_wire(&order));
    }
    Ok(orders)
}

/// Wakes the gates once their orders are committed.
fn wake(app: &App, gates: &[GateId]) {
    for gate_id in gates {
        app.changes.wake(Change::Gate(*gate_id));
    }
}

/// Where a page of orders begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderNumber(DocumentNumber);

impl std::fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for OrderNumber {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, n) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self(DocumentNumber {
            epoch: CentralEpoch(epoch.parse()?),
            n: n.parse()?,
        }))
    }
}
