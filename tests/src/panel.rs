//! A client of the gate's panel socket: what the guard's touchscreen would hear and ask.

use std::{collections::VecDeque, path::Path, time::Duration};

use anyhow::{Context, bail};
use shared::{
    cbor,
    decision::{Decision, DenyReason},
    ids::{AccessPointId, ScanId},
    journal::PassageOutcome,
    panel_api::{
        Decided, FRAME_LIMIT, PANEL_API_VERSION, PanelAnswer, PanelAsk, PanelMessage, PanelRequest,
        PanelState,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::clock::{PATIENCE, Stopwatch};

/// A connected panel.
#[derive(Debug)]
pub struct Panel {
    stream: UnixStream,
    last_request: u32,
    heard: VecDeque<PanelMessage>,
}

/// What came of somebody who showed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A pass that verified, and the decision.
    Decided(Box<Decided>),
    /// A text that did not verify.
    Refused {
        /// Where.
        access_point: AccessPointId,
        /// Why.
        reason: DenyReason,
        /// From the picture to the answer, in ms.
        elapsed_ms: u64,
        /// The picture's name.
        source: Option<String>,
    },
    /// A picture with nothing to read in it.
    Unreadable {
        /// Where.
        access_point: AccessPointId,
        /// In words.
        problem: String,
        /// The picture's name.
        source: Option<String>,
    },
}

impl Seen {
    /// Why the holder was not let in; none when granted.
    #[must_use]
    pub fn denied(&self) -> Option<DenyReason> {
        match self {
            Seen::Decided(decided) => match decided.decision {
                Decision::Grant => None,
                Decision::Deny(reason) => Some(reason),
            },
            Seen::Refused { reason, .. } => Some(*reason),
            Seen::Unreadable { .. } => Some(DenyReason::NotAPass),
        }
    }

    /// Was the door released?
    #[must_use]
    pub fn is_granted(&self) -> bool {
        matches!(self, Seen::Decided(decided) if decided.decision == Decision::Grant)
    }

    /// The picture's name.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        match self {
            Seen::Decided(decided) => decided.source.as_deref(),
            Seen::Refused { source, .. } | Seen::Unreadable { source, .. } => source.as_deref(),
        }
    }

    /// The access point.
    #[must_use]
    pub fn access_point(&self) -> AccessPointId {
        match self {
            Seen::Decided(decided) => decided.access_point,
            Seen::Refused { access_point, .. } | Seen::Unreadable { access_point, .. } => {
                *access_point
            }
        }
    }
}

impl Panel {
    /// Connects and subscribes to events.
    ///
    /// # Errors
    /// When nobody listens, or the gate refuses.
    pub async fn connect(socket: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket)
            .await
            .with_context(|| format!("nobody listens on {}", socket.display()))?;
        let mut panel = Self {
            stream,
            last_request: 0,
            heard: VecDeque::new(),
        };
        match panel.ask(PanelAsk::Subscribe).await? {
            PanelAnswer::Done | PanelAnswer::State(_) => Ok(panel),
            PanelAnswer::Refused { why } => bail!("the gate refuses a panel: {why}"),
        }
    }

    /// Asks and gives the answer.
    ///
    /// # Errors
    /// When the gate has gone.
    pub async fn ask(&mut self, ask: PanelAsk) -> anyhow::Result<PanelAnswer> {
        self.last_request += 1;
        let request = PanelRequest {
            version: PANEL_API_VERSION,
            request: self.last_request,
            ask,
        };
        let bytes = cbor::encode(&request);
        let length = u32::try_from(bytes.len()).context("a request is short")?;
        self.stream.write_all(&length.to_be_bytes()).await?;
        self.stream.write_all(&bytes).await?;
        loop {
            match self.read().await? {
                PanelMessage::Answer { request, answer } if request == self.last_request => {
                    return Ok(answer);
                }
                other => self.heard.push_back(other),
            }
        }
    }

    /// Asks, and fails when the gate refuses.
    ///
    /// # Errors
    /// When the gate refuses or has gone.
    pub async fn must(&mut self, ask: PanelAsk) -> anyhow::Result<()> {
        match self.ask(ask).await? {
            PanelAnswer::Done | PanelAnswer::State(_) => Ok(()),
            PanelAnswer::Refused { why } => bail!("the gate refuses: {why}"),
        }
    }

    /// The state now.
    ///
    /// # Errors
    /// When the gate has gone.
    pub async fn state(&mut self) -> anyhow::Result<PanelState> {
        match self.ask(PanelAsk::State).await? {
            PanelAnswer::State(state) => Ok(state),
            PanelAnswer::Done => bail!("a state was asked for"),
            PanelAnswer::Refused { why } => bail!("the gate refuses its state: {why}"),
        }
    }

    /// The next message, events that came meanwhile first.
    ///
    /// # Errors
    /// When nothing comes in time, or the gate has gone.
    pub async fn next(&mut self) -> anyhow::Result<PanelMessage> {
        if let Some(message) = self.heard.pop_front() {
            return Ok(message);
        }
        self.read().await
    }

    /// Waits for what somebody showed.
    ///
    /// # Errors
    /// When nothing comes in time.
    pub async fn seen(&mut self) -> anyhow::Result<Seen> {
        let stopwatch = Stopwatch::start();
        while stopwatch.elapsed() < PATIENCE {
            if let Some(seen) = seen(self.next().await?) {
                return Ok(seen);
            }
        }
        bail!("the gate said nothing of what was shown")
    }

    /// Waits for what came of a granted scan.
    ///
    /// # Errors
    /// When nothing comes in time.
    pub async fn passage(&mut self, of: ScanId) -> anyhow::Result<PassageOutcome> {
        let stopwatch = Stopwatch::start();
        while stopwatch.elapsed() < PATIENCE {
            if let PanelMessage::Passage { scan, outcome } = self.next().await?
                && scan == of
            {
                return Ok(outcome);
            }
        }
        bail!("the gate never said what came of scan {of}")
    }

    /// Waits until the state is as it should be.
    ///
    /// # Errors
    /// When it is not in time; `what` says what was waited for.
    pub async fn wait_for_state(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&PanelState) -> bool,
    ) -> anyhow::Result<PanelState> {
        let stopwatch = Stopwatch::start();
        loop {
            let state = self.state().await?;
            if is_so(&state) {
                return Ok(state);
            }
            if stopwatch.elapsed() > PATIENCE {
                bail!(
                    "waited {} s in vain for {what}: {state:?}",
                    PATIENCE.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn read(&mut self) -> anyhow::Result<PanelMessage> {
        tokio::time::timeout(PATIENCE, self.read_frame())
            .await
            .context("the gate says nothing to its panel")?
    }

    async fn read_frame(&mut self) -> anyhow::Result<PanelMessage> {
        let mut length = [0; 4];
        self.stream
            .read_exact(&mut length)
            .await
            .context("the gate left its panel")?;
        let length = u32::from_be_bytes(length) as usize;
        if length > FRAME_LIMIT {
            bail!("a frame of {length} bytes");
        }
        let mut bytes = vec![0; length];
        self.stream
            .read_exact(&mut bytes)
            .await
            .context("the gate left its panel")?;
        minicbor::decode(&bytes).context("a frame is no message")
    }
}

fn seen(message: PanelMessage) -> Option<Seen> {
    match message {
        PanelMessage::Decided(decided) => Some(Seen::Decided(Box::new(decided))),
        PanelMessage::Refused {
            access_point,
            reason,
            elapsed_ms,
            source,
        } => Some(Seen::Refused {
            access_point,
            reason,
            elapsed_ms,
            source,
        }),
        PanelMessage::Unreadable {
            access_point,
            problem,
            source,
        } => Some(Seen::Unreadable {
            access_point,
            problem,
            source,
        }),
        PanelMessage::Answer { .. } | PanelMessage::State(_) | PanelMessage::Passage { .. } => None,
    }
}
