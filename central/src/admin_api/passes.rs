//! Passes: issue, look at, revoke, suspend, reinstate, show as text and QR code.

pub mod create;
pub mod create_many;
pub mod get;
pub mod list;
pub mod qr_png;
pub mod qr_svg;
pub mod reinstate;
pub mod reinstate_many;
pub mod revoke;
pub mod revoke_many;
pub mod suspend;
pub mod suspend_many;
pub mod text;

pub mod changing;
pub mod issuing;

use axum::http::StatusCode;
use serde::Deserialize;
use shared::pass::static_text;
use utoipa::IntoParams;

use super::schools;
use crate::{
    app::App,
    db::passes::{self, PassId},
    ids::{Kid, SchoolId},
    problem::{Kind, Problem},
};

/// The path names no pass of the school.
pub const PASS_NOT_FOUND: Kind = Kind::new(
    StatusCode::NOT_FOUND,
    "pass_not_found",
    "The school has no such pass",
);

/// Names a pass of a school.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct PassPath {
    /// The school.
    pub school_id: SchoolId,
    /// The issuer key.
    pub kid: Kid,
    /// Its number under that key.
    pub serial: i32,
}

impl PassPath {
    fn id(&self) -> PassId {
        PassId {
            kid: self.kid,
            serial: self.serial,
        }
    }
}

fn not_found(id: PassId) -> Problem {
    PASS_NOT_FOUND.because(format!("The school has no pass {id}."))
}

/// The text of a pass's QR code.
async fn text_of(app: &App, path: &PassPath) -> Result<String, Problem> {
    let transaction = schools::begin_in(app, path.school_id).await?;
    let bytes = passes::pass_bytes(&transaction, path.school_id, path.id()).await?;
    match bytes {
        Some(bytes) => Ok(static_text(&bytes)),
        None => Err(not_found(path.id())),
    }
}
