//! One end of the socket pair between the agent and its door process. Nothing in it blocks: what
//! the other side does not take is kept up to a bound, and then the conversation is over.

use std::{io, marker::PhantomData, os::unix::net::UnixStream as StdStream};

use tokio::{io::Interest, net::UnixStream};

use super::protocol::{Garbled, Message};

/// Bytes that wait for the other side to read, besides what the socket takes: some thousand
/// messages. A side that is so far behind is stopped or hangs. Neither side may go on with a part of
/// what was said, so both begin anew.
const UNSENT_BYTES_MAX: usize = 65_536;

/// Why a conversation is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkEnded {
    /// The other side has closed its end.
    #[error("it has ended")]
    Closed,
    /// The socket broke.
    #[error("its socket broke: {0}")]
    Broken(#[from] io::Error),
    /// The other side has not listened for thousands of messages.
    #[error("it does not listen: {UNSENT_BYTES_MAX} bytes wait for it")]
    Behind,
    /// The other side says what makes no sense.
    #[error("it talks nonsense: {0}")]
    Garbled(#[from] Garbled),
}

/// Hears `In` and says `Out`.
#[derive(Debug)]
pub(super) struct Link<In, Out> {
    stream: UnixStream,
    received: Vec<u8>,
    unsent: Vec<u8>,
    is_behind: bool,
    direction: PhantomData<fn(Out) -> In>,
}

impl<In: Message, Out: Message> Link<In, Out> {
    pub(super) fn new(stream: StdStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: UnixStream::from_std(stream)?,
            received: Vec::new(),
            unsent: Vec::new(),
            is_behind: false,
            direction: PhantomData,
        })
    }

    /// Says something, or keeps it until [`Self::next`] finds room; which ends the conversation when
    /// far too much waits.
    pub(super) fn say(&mut self, message: &Out) {
        if self.is_behind || self.unsent.len() >= UNSENT_BYTES_MAX {
            self.is_behind = true;
            return;
        }
        self.unsent.extend(message.to_bytes());
        // What is broken is found by whoever listens.
        let _ = self.send_some();
    }

    fn send_some(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.try_write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next message. May be dropped and called again without losing anything.
    pub(super) async fn next(&mut self) -> Result<In, LinkEnded> {
        loop {
            if self.is_behind {
                return Err(LinkEnded::Behind);
            }
            if let Some(message) = super::protocol::take_message(&mut self.received)? {
                return Ok(message);
            }
            let interest = if self.unsent.is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            let ready = self.stream.ready(interest).await?;
            if ready.is_writable() && !self.unsent.is_empty() {
                self.send_some()?;
            }
            if ready.is_readable() {
                let mut some = [0; 4_096];
                match self.stream.try_read(&mut some) {
                    Ok(0) => return Err(LinkEnded::Closed),
                    Ok(length) => self.received.extend_from_slice(&some[..length]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door_io::protocol::{Ask, Report};

    #[tokio::test]
    async fn whoever_does_not_listen_is_no_partner_any_more() {
        let (ours, theirs) = StdStream::pair().unwrap();
        let mut link = Link::<Ask, Report>::new(ours).unwrap();
        let word = Report::Alive { number: 7 };
        let room = 2 * UNSENT_BYTES_MAX / word.to_bytes().len();
        let mut said = 0;
        while link.unsent.len() < UNSENT_BYTES_MAX {
            link.say(&word);
            said += 1;
            assert!(said < 100 * room, "a socket takes less than that");
        }
        assert!(!link.is_behind);
        link.say(&word);
        assert!(matches!(link.next().await, Err(LinkEnded::Behind)));
        drop(theirs);
    }
}
