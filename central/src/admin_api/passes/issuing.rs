//! What both routes that issue have in common: the template, the holder's key, the refusals.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::{ids::Digest, keys::PublicKey};
use utoipa::ToSchema;

use crate::{
    app::App,
    db::{Transaction, access_levels, passes::HolderKind, students},
    ids::{AccessLevelId, SchoolId, StudentId},
    instant::UtcInstant,
    issuing::{self, Holder, IssueError, Issued, PassTemplate},
    metrics::PassRequestLabels,
    problem::{Kind, Problem},
};

/// The school has no key that issues.
pub const NO_ISSUER_KEY: Kind = Kind::new(
    StatusCode::CONFLICT,
    "no_issuer_key",
    "The school has no issuer key that may issue",
);
/// The issuer key has no serials left.
pub const ISSUER_KEY_FULL: Kind = Kind::new(
    StatusCode::CONFLICT,
    "issuer_key_full",
    "The issuer key is full",
);
/// The issuer key was frozen or revoked in this very moment.
pub const ISSUER_KEY_WITHDRAWN: Kind = Kind::new(
    StatusCode::CONFLICT,
    "issuer_key_withdrawn",
    "The issuer key was frozen or revoked while passes were issued under it",
);

/// What is said about passes that are issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateFields {
    /// What kind of people the holders are.
    #[serde(default = "student")]
    pub holder_kind: HolderKind,
    /// The first instant at which they are good, in whole seconds; now unless said.
    #[serde(default)]
    pub not_before: Option<UtcInstant>,
    /// The first instant at which they are good no more, in whole seconds.
    pub expires_at: UtcInstant,
    /// How often each may be used; 0 is without limit.
    #[serde(default)]
    pub uses_max: u32,
    /// Where and when they admit: at most 16 access levels.
    pub levels: Vec<AccessLevelId>,
}

/// A holder's Ed25519 public key: 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-fA-F]{64}$")]
pub struct HolderKey(PublicKey);

/// The text is no key that can sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an Ed25519 public key of 64 hexadecimal digits")]
pub struct NoHolderKey;

impl TryFrom<String> for HolderKey {
    type Error = NoHolderKey;

    fn try_from(text: String) -> Result<Self, NoHolderKey> {
        let key = Digest::from_hex(&text).map(|bytes| PublicKey(bytes.0));
        key.filter(|key| key.decompress().is_ok())
            .map(Self)
            .ok_or(NoHolderKey)
    }
}

impl From<HolderKey> for String {
    fn from(key: HolderKey) -> Self {
        Digest(key.0.0).to_string()
    }
}

impl From<HolderKey> for PublicKey {
    fn from(key: HolderKey) -> Self {
        key.0
    }
}

fn student() -> HolderKind {
    HolderKind::Student
}

impl TemplateFields {
    fn template(&self, now: UtcInstant) -> PassTemplate {
        let mut levels = self.levels.clone();
        levels.sort_unstable();
        levels.dedup();
        PassTemplate {
            holder_kind: self.holder_kind,
            not_before: self.not_before.unwrap_or(now).whole_seconds(),
            expires_at: self.expires_at.whole_seconds(),
            uses_max: self.uses_max,
            levels,
        }
    }
}

/// Checks levels and students, and issues.
pub(super) async fn issue(
    app: &App,
    transaction: &Transaction,
    school_id: SchoolId,
    fields: &TemplateFields,
    holders: &[Holder],
    now: UtcInstant,
) -> Result<Issued, Problem> {
    let issued = try_to_issue(app, transaction, school_id, fields, holders, now).await;
    if issued.is_err() {
        count(app, school_id, "refused", holders.len());
    }
    issued
}

async fn try_to_issue(
    app: &App,
    transaction: &Transaction,
    school_id: SchoolId,
    fields: &TemplateFields,
    holders: &[Holder],
    now: UtcInstant,
) -> Result<Issued, Problem> {
    let template = fields.template(now);
    let out_of_range = |level: &&AccessLevelId| !(0..=255).contains(&level.0);
    let mut missing: Vec<_> = template
        .levels
        .iter()
        .filter(out_of_range)
        .copied()
        .collect();
    if missing.is_empty() {
        missing = access_levels::missing(transaction, school_id, &template.levels).await?;
    }
    if !missing.is_empty() {
        let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
        return Err(Problem::invalid_field(
            "levels",
            format!("the school has no access level {}", missing.join(", ")),
        ));
    }
    let ids: Vec<StudentId> = holders
        .iter()
        .filter_map(|holder| holder.student_id)
        .collect();
    if let Some(unknown) = students::first_unknown(transaction, school_id, &ids).await? {
        return Err(Problem::invalid_field(
            "student_id",
            format!("the school has no student {unknown}"),
        ));
    }
    issuing::issue(
        &app.issuing,
        transaction,
        school_id,
        &template,
        holders,
        now,
    )
    .await
    .map_err(refused)
}

fn count(app: &App, school_id: SchoolId, status: &str, passes: usize) {
    let labels = PassRequestLabels {
        r#type: "issue".into(),
        status: status.into(),
        school_id: school_id.to_string(),
    };
    let counter = app.metrics.pass_requests.get_or_create(&labels);
    counter.inc_by(u64::try_from(passes).unwrap_or(u64::MAX));
}

/// Publishes the issued list after the commit. Passes that are not listed yet are not forged: a
/// gate's policy decides until the list comes, so a delay is no failure.
pub(super) async fn list(app: &App, school_id: SchoolId, issued: Issued) {
    count(
        app,
        school_id,
        "issued",
        usize::try_from(issued.count).unwrap_or(0),
    );
    if let Err(error) = app.publisher().issued_list(issued.kid).await {
        tracing::warn!(
            key.kid = %issued.kid,
            "passes of {} are issued and not listed yet: {error:#}",
            issued.kid
        );
    }
}

fn refused(error: IssueError) -> Problem {
    let text = error.to_string();
    match error {
        IssueError::NoOpenKey => NO_ISSUER_KEY.because(
            "Make one with POST …/issuer-keys, then run `central keys trust-list publish`.",
        ),
        IssueError::OutsideSigningWindow(_) => Problem::invalid_field("not_before", text),
        IssueError::BeyondVerification(_) | IssueError::ExpiresTooEarly => {
            Problem::invalid_field("expires_at", text)
        }
        IssueError::KeyFull(left) => ISSUER_KEY_FULL.because(format!(
            "It has {left} serials left: make a new key with POST …/issuer-keys."
        )),
        IssueError::KeyWithdrawn(kid) => ISSUER_KEY_WITHDRAWN.because(format!(
            "The key {kid} signs no more, and no pass of this request was issued: send it again, and the key that \
             took its place issues them."
        )),
        IssueError::TooManyLevels => Problem::invalid_field("levels", text),
        IssueError::Failed(error) => error.into(),
    }
}
