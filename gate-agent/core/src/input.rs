//! What the shell tells the machine.

use alloc::{string::String, vec::Vec};

use shared::{
    ids::{AccessPointId, HolderNumber, StaffNumber},
    issued_list::IssuedEntry,
    panel_api::PanelAsk,
    roster::DoorNeed,
    time::Uptime,
};

/// One frame's worth of texts from a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextsRead {
    /// Where.
    pub access_point: AccessPointId,
    /// Every code in the frame.
    pub texts: Vec<String>,
    /// When the frame was taken.
    pub taken_at: Uptime,
    /// Whether more frames of this presentation may come.
    pub end: PresentationEnd,
    /// The picture's name, when the reader reads files.
    pub source: Option<String>,
}

/// May more frames of the same presentation come?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresentationEnd {
    /// A live source: keep looking for a second before a denial.
    MoreFramesFollow,
    /// The source has no more frames of it: decide now.
    SourceHasNoMoreFrames,
}

/// What the store knows of a verified pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// What the issued list says.
    pub issued: IssuedEntry,
    /// The holder, where the roster knows one.
    pub holder: Option<HolderFacts>,
}

/// What the roster knows of a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderFacts {
    /// The holder.
    pub number: HolderNumber,
    /// Name to show.
    pub name: String,
    /// What they need of doors.
    pub need: Option<DoorNeed>,
}

/// What a door's sensors say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorInput {
    /// The contact opened.
    Opened,
    /// The contact closed.
    Closed,
    /// The turnstile turned for one person.
    Rotated,
    /// Somebody inside pressed request-to-exit.
    RequestToExit,
    /// The tamper contact opened.
    TamperRaised,
    /// The tamper contact closed.
    TamperEnded,
    /// The fire input is active.
    FireRaised,
    /// The fire input is quiet again.
    FireEnded,
    /// The door process or the wiring does not work.
    FaultRaised,
    /// It works again.
    FaultEnded,
}

/// What a signed-in member of staff asks. Identity and PIN were checked by the shell; whether
/// the role allows it is checked by the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardRequest {
    /// Who.
    pub staff: StaffNumber,
    /// What (`State`, `Subscribe` and `SignIn` are the shell's own).
    pub ask: PanelAsk,
}
