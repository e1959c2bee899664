//! Keys that sign a school's passes. The registrar names them in the trust list, by a command.

pub mod create;
pub mod freeze;
pub mod list;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    db::signing_keys::{KeyPurpose, KeyState, SigningKey, Window},
    ids::{Kid, SchoolId},
    instant::UtcInstant,
    problem::{Kind, Problem},
};

/// The path names no issuer key of the school.
pub const ISSUER_KEY_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "issuer_key_not_found",
    "The school has no such issuer key",
);

/// Names an issuer key of a school.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IssuerKeyPath {
    /// The school.
    pub school_id: SchoolId,
    /// The key.
    pub kid: Kid,
}

/// A key that signs a school's passes, or stands by for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IssuerKey {
    /// Its identifier.
    pub kid: Kid,
    /// How far it has come.
    pub state: IssuerKeyState,
    /// The start of every pass under it lies within; `null` for a standby key.
    pub signing: Option<Window>,
    /// Passes under it are looked at within; `null` for a standby key.
    pub verification: Option<Window>,
    /// The key that takes its place when it is frozen.
    pub standby_kid: Option<Kid>,
    /// How many passes were issued under it.
    pub issued: i32,
    /// When it was made.
    pub created_at: UtcInstant,
    /// When a trust list first named it.
    pub trusted_at: Option<UtcInstant>,
}

/// How far an issuer key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IssuerKeyState {
    /// No trust list names it yet: run `central keys trust-list publish`.
    Waiting,
    /// It takes a key's place when that is frozen.
    Standby,
    /// It issues.
    Open,
    /// Another has taken its place; its passes stay good.
    Closed,
    /// No pass is added under it ever again; those that were issued stay good.
    Frozen,
    /// No pass under it is good any more.
    Revoked,
}

impl IssuerKey {
    fn new(key: &SigningKey) -> Self {
        let state = match (key.state, key.purpose) {
            (KeyState::Open, _) => IssuerKeyState::Open,
            (KeyState::Frozen, _) => IssuerKeyState::Frozen,
            (KeyState::Revoked, _) => IssuerKeyState::Revoked,
            (KeyState::Closed, KeyPurpose::Standby) => IssuerKeyState::Standby,
            (KeyState::Closed, KeyPurpose::Issuer | KeyPurpose::Statement) => {
                if key.is_waiting() {
                    IssuerKeyState::Waiting
                } else {
                    IssuerKeyState::Closed
                }
            }
        };
        Self {
            kid: key.kid,
            state,
            signing: key.signing,
            verification: key.verification,
            standby_kid: key.standby_kid,
            issued: key.next_serial,
            created_at: key.created_at,
            trusted_at: key.trusted_at,
        }
    }
}

fn not_found(kid: Kid) -> Problem {
    ISSUER_KEY_NOT_FOUND.because(format!("The school has no issuer key {kid}."))
}
