//! The gate's side of the decoder process: hands it pictures, kills it when it takes too long, and
//! starts it again. One picture is in flight at a time.

mod error;
mod starter;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use code_finder::{Frame, Hint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::clock::Clock;

use super::Effort;
use super::codes::Codes;
use super::frame::FILE_BYTES_MAX;
use super::protocol::{Answer, Ask, Garbled, VERSION, answer_length};

pub use error::{DecodeError, Step};
use starter::Starter;

/// How the decoder process is started, and how long it may take for what.
#[derive(Debug, Clone)]
pub struct DecoderSettings {
    /// The executable.
    pub program: PathBuf,
    /// What makes it a decoder.
    pub arguments: Vec<OsString>,
    /// Milliseconds from the start to the first word, not counted into any picture's time.
    pub start_limit_ms: u64,
    /// Milliseconds for handing a picture over: a decoder that is ready takes it at memory speed.
    pub hand_over_limit_ms: u64,
    /// Milliseconds for unpacking a picture file, whatever the effort.
    pub unpack_limit_ms: u64,
    /// Milliseconds for reading a frame at [`Effort::Gate`].
    pub gate_limit_ms: u64,
    /// Milliseconds for reading a frame at [`Effort::Thorough`].
    pub thorough_limit_ms: u64,
}

impl DecoderSettings {
    /// The program that is running, even when its file has been replaced by an update meanwhile.
    #[must_use]
    pub fn this_program() -> Self {
        Self::program(PathBuf::from("/proc/self/exe"))
    }

    /// Another `gate-agent` executable.
    #[must_use]
    pub fn program(program: PathBuf) -> Self {
        Self {
            program,
            arguments: vec![OsString::from("decoder")],
            start_limit_ms: 10_000,
            hand_over_limit_ms: 5_000,
            unpack_limit_ms: Effort::Thorough.limit_ms(),
            gate_limit_ms: Effort::Gate.limit_ms(),
            thorough_limit_ms: Effort::Thorough.limit_ms(),
        }
    }

    fn read_limit_ms(&self, effort: Effort) -> u64 {
        match effort {
            Effort::Gate => self.gate_limit_ms,
            Effort::Thorough => self.thorough_limit_ms,
        }
    }
}

/// A picture to read.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// A frame, say from a camera.
    Frame {
        /// The frame.
        frame: &'a Frame,
        /// How hard to look.
        effort: Effort,
    },
    /// A frame as a camera compresses it (Motion-JPEG): unpacked and read within the limit of a
    /// frame.
    Jpeg {
        /// The camera's bytes.
        jpeg: &'a [u8],
        /// How hard to look.
        effort: Effort,
    },
    /// A picture file: unpacked first, within a limit of its own.
    Picture {
        /// The file's bytes.
        file: &'a [u8],
        /// How hard to look.
        effort: Effort,
    },
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text of each code, each text once; empty when there is none.
    pub texts: Vec<String>,
    /// The step that read the first of them.
    pub step: Option<code_finder::Step>,
    /// What would help the holder.
    pub hints: Vec<Hint>,
    /// Microseconds for unpacking the file; zero for a frame.
    pub unpack_us: u64,
    /// Microseconds for reading the codes.
    pub read_us: u64,
}

impl Decoded {
    /// Whole milliseconds for unpacking and reading.
    #[must_use]
    pub fn took_ms(&self) -> u64 {
        (self.unpack_us + self.read_us) / 1_000
    }
}

/// A decoder process, started again whenever it had to be killed.
#[derive(Debug)]
pub struct Decoder {
    settings: DecoderSettings,
    clock: Clock,
    starter: Starter,
    /// Taken out while a picture is in flight: whoever drops the future of [`Decoder::decode`] kills
    /// the process with it, and no late answer is taken for that to the next picture.
    running: Option<Running>,
    starts: u64,
}

#[derive(Debug)]
struct Running {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    greeting: Greeting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeting {
    Awaited,
    Received,
}

impl Decoder {
    /// Starts the process, so that it is warm when the first picture comes. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`DecodeError::CannotStart`].
    pub async fn start(settings: DecoderSettings, clock: Clock) -> Result<Self, DecodeError> {
        let starter = Starter::new(&settings)?;
        let mut decoder = Self {
            settings,
            clock,
            starter,
            running: None,
            starts: 0,
        };
        decoder.start_process().await?;
        Ok(decoder)
    }

    /// How often a process was started: one more than it was killed or died.
    #[must_use]
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// Number of the process, while there is one.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.running.as_ref()?.child.id()
    }

    /// Reads the codes of one picture.
    ///
    /// # Errors
    /// Any [`DecodeError`]; the next picture finds a working decoder, unless it cannot be started.
    pub async fn decode(&mut self, request: Request<'_>) -> Result<Decoded, DecodeError> {
        if let Request::Picture { file, .. } | Request::Jpeg { jpeg: file, .. } = request
            && file.len() > FILE_BYTES_MAX
        {
            let reason = super::PictureError::FileTooLarge {
                bytes: file.len() as u64,
            };
            return Err(DecodeError::NotAPicture {
                reason: reason.to_string(),
            });
        }
        let mut running = self.ready_process().await?;
        let result = running.read(request, &self.settings, self.clock).await;
        match result {
            Ok(_) | Err(DecodeError::NotAPicture { .. }) => self.running = Some(running),
            Err(
                DecodeError::TimedOut { .. }
                | DecodeError::Died { .. }
                | DecodeError::Garbled(_)
                | DecodeError::CannotStart { .. },
            ) => {
                running.kill().await;
                // The next picture finds it warm; whether it starts is that picture's concern.
                if let Err(error) = self.start_process().await {
                    tracing::error!(%error, "the decoder cannot be started again: {error}");
                }
            }
        }
        result
    }

    /// How sharp the frame or Motion-JPEG picture that was read last was, from 0 to 100; `None` when
    /// there was none, or nothing in it by which to tell.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub async fn sharpness(&mut self) -> Result<Option<u8>, DecodeError> {
        let mut running = self.ready_process().await?;
        let exchange = Exchange {
            ask: Ask::Sharpness,
            effort: Effort::Gate,
            step: Step::Read,
            limit_ms: self.settings.gate_limit_ms,
        };
        let answer = running
            .exchange(&exchange, &self.settings, self.clock)
            .await;
        match answer {
            Ok((Answer::Sharpness { percent }, _)) => {
                self.running = Some(running);
                Ok(percent)
            }
            Ok((
                Answer::Ready { .. }
                | Answer::Unpacked { .. }
                | Answer::Texts { .. }
                | Answer::NotAPicture { .. },
                _,
            )) => {
                running.kill().await;
                Err(Garbled::Unexpected.into())
            }
            Err(error) => {
                running.kill().await;
                Err(error)
            }
        }
    }

    /// A process that has said that it is ready.
    async fn ready_process(&mut self) -> Result<Running, DecodeError> {
        let is_running = match &mut self.running {
            Some(running) => matches!(running.child.try_wait(), Ok(None)),
            None => false,
        };
        if !is_running {
            self.start_process().await?;
        }
        let mut running = self.running.take().expect("it was just started");
        running.greet(&self.settings).await?;
        Ok(running)
    }

    async fn start_process(&mut self) -> Result<(), DecodeError> {
        self.running = None;
        let mut child = self.starter.start(&self.settings).await?;
        self.starts += 1;
        let input = child.stdin.take().expect("its input is a pipe");
        let output = child.stdout.take().expect("its output is a pipe");
        self.running = Some(Running {
            child,
            input,
            output,
            greeting: Greeting::Awaited,
        });
        Ok(())
    }
}

impl Running {
    async fn greet(&mut self, settings: &DecoderSettings) -> Result<(), DecodeError> {
        if self.greeting == Greeting::Received {
            return Ok(());
        }
        let cannot_start = |reason: String| DecodeError::CannotStart {
            program: settings.program.clone(),
            reason,
        };
        let limit = Duration::from_millis(settings.start_limit_ms);
        let answer = match timeout(limit, self.answer(Effort::Gate)).await {
            Ok(answer) => answer.map_err(|error| cannot_start(error.to_string()))?,
            Err(_) => {
                return Err(cannot_start(format!(
                    "it said nothing within {} ms",
                    settings.start_limit_ms
                )));
            }
        };
        match answer {
            Answer::Ready { version: VERSION } => {
                self.greeting = Greeting::Received;
                Ok(())
            }
            Answer::Ready { version } => Err(Garbled::Version { version }.into()),
            Answer::Unpacked { .. }
            | Answer::Texts { .. }
            | Answer::Sharpness { .. }
            | Answer::NotAPicture { .. } => Err(Garbled::Unexpected.into()),
        }
    }

    async fn read(
        &mut self,
        request: Request<'_>,
        settings: &DecoderSettings,
        clock: Clock,
    ) -> Result<Decoded, DecodeError> {
        let mut unpack_us = 0;
        let (ask, effort) = match request {
            Request::Frame { frame, effort } => {
                let ask = Ask::ReadFrame {
                    effort,
                    width: frame.width(),
                    height: frame.height(),
                    luma: frame.luma(),
                };
                (ask, effort)
            }
            Request::Jpeg { jpeg, effort } => (Ask::ReadJpeg { effort, jpeg }, effort),
            Request::Picture { file, effort } => {
                let ask = Ask::Unpack { effort, file };
                let limit_ms = settings.unpack_limit_ms;
                let exchange = Exchange {
                    ask,
                    effort,
                    step: Step::Unpack,
                    limit_ms,
                };
                match self.exchange(&exchange, settings, clock).await? {
                    (Answer::Unpacked { took_us }, waited_us) => unpack_us = took_us.min(waited_us),
                    (Answer::NotAPicture { reason }, _) => {
                        return Err(DecodeError::NotAPicture { reason });
                    }
                    (Answer::Ready { .. } | Answer::Texts { .. } | Answer::Sharpness { .. }, _) => {
                        return Err(Garbled::Unexpected.into());
                    }
                }
                (Ask::ReadUnpacked { effort }, effort)
            }
        };
        let limit_ms = settings.read_limit_ms(effort);
        let exchange = Exchange {
            ask,
            effort,
            step: Step::Read,
            limit_ms,
        };
        match self.exchange(&exchange, settings, clock).await? {
            (Answer::Texts { took_us, codes }, waited_us) => {
                let Codes { texts, step, hints } = codes;
                Ok(Decoded {
                    texts,
                    step,
                    hints,
                    unpack_us,
                    read_us: took_us.min(waited_us),
                })
            }
            (Answer::NotAPicture { reason }, _) => Err(DecodeError::NotAPicture { reason }),
            (Answer::Ready { .. } | Answer::Unpacked { .. } | Answer::Sharpness { .. }, _) => {
                Err(Garbled::Unexpected.into())
            }
        }
    }

    /// Asks and waits for the answer; says how many microseconds after the question it came.
    async fn exchange(
        &mut self,
        exchange: &Exchange<'_>,
        settings: &DecoderSettings,
        clock: Clock,
    ) -> Result<(Answer, u64), DecodeError> {
        let hand_over_ms = settings.hand_over_limit_ms;
        match timeout(Duration::from_millis(hand_over_ms), self.ask(&exchange.ask)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(self.died().await),
            Err(_) => {
                return Err(DecodeError::TimedOut {
                    step: Step::HandOver,
                    limit_ms: hand_over_ms,
                });
            }
        }
        let asked_us = clock.uptime_us();
        let limit = Duration::from_millis(exchange.limit_ms);
        match timeout(limit, self.answer(exchange.effort)).await {
            Ok(answer) => Ok((answer?, clock.uptime_us() - asked_us)),
            Err(_) => Err(DecodeError::TimedOut {
                step: exchange.step,
                limit_ms: exchange.limit_ms,
            }),
        }
    }

    async fn ask(&mut self, ask: &Ask<'_>) -> io::Result<()> {
        self.input.write_all(&ask.head()).await?;
        self.input.write_all(ask.picture()).await?;
        self.input.flush().await
    }

    async fn answer(&mut self, effort: Effort) -> Result<Answer, DecodeError> {
        let mut length = [0; 4];
        if self.output.read_exact(&mut length).await.is_err() {
            return Err(self.died().await);
        }
        let mut answer = vec![0; answer_length(length)?];
        if self.output.read_exact(&mut answer).await.is_err() {
            return Err(self.died().await);
        }
        Ok(Answer::from_bytes(&answer, effort)?)
    }

    /// Its pipes are broken, so it is ending, or must.
    async fn died(&mut self) -> DecodeError {
        const ENDS_WITHIN: Duration = Duration::from_millis(100);
        let status = match timeout(ENDS_WITHIN, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => None,
        };
        DecodeError::Died { status }
    }

    async fn kill(mut self) {
        // Fails only when it is dead already. Waiting leaves no zombie behind.
        let _ = self.child.kill().await;
    }
}

struct Exchange<'a> {
    ask: Ask<'a>,
    effort: Effort,
    step: Step,
    limit_ms: u64,
}
