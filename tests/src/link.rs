//! The network between gates and central: a small TCP proxy on the loopback that can be cut.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Everything arrives.
    Clear,
    /// Nothing arrives; connections break at once.
    Cut,
    /// Requests arrive, and the connection breaks before any answer does.
    AnswersLost,
}

/// A link with one end for gates and one at central.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    control: watch::Sender<Control>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug)]
struct Control {
    weather: Weather,
    central: Option<SocketAddr>,
}

impl Link {
    /// Opens the gates' end; nothing answers until [`Link::lead_to`].
    ///
    /// # Errors
    /// When the loopback has no port left.
    pub async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("cannot open a link")?;
        let address = listener.local_addr().context("a link has an address")?;
        let (control, state) = watch::channel(Control {
            weather: Weather::Clear,
            central: None,
        });
        let task = tokio::spawn(accept(listener, state));
        Ok(Self {
            address,
            control,
            task,
        })
    }

    /// The address that gates are told.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it leads from now on.
    pub fn lead_to(&self, central: SocketAddr) {
        self.control
            .send_modify(|control| control.central = Some(central));
    }

    /// Changes the weather; connections that it does not allow break at once.
    pub fn set(&self, weather: Weather) {
        self.control
            .send_modify(|control| control.weather = weather);
    }

    /// Nothing gets through from now on.
    pub fn cut(&self) {
        self.set(Weather::Cut);
    }

    /// Everything gets through again.
    pub fn restore(&self) {
        self.set(Weather::Clear);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: watch::Receiver<Control>) {
    while let Ok((gate, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            // A connection that breaks is what this is for.
            let _ = carry(gate, state).await;
        });
    }
}

async fn carry(gate: TcpStream, mut state: watch::Receiver<Control>) -> std::io::Result<()> {
    let Control { weather, central } = *state.borrow_and_update();
    let Some(central) = central.filter(|_| weather != Weather::Cut) else {
        return Ok(());
    };
    let central = TcpStream::connect(central).await?;
    let (from_gate, to_gate) = gate.into_split();
    let (from_central, to_central) = central.into_split();
    tokio::select! {
        result = pump(from_gate, to_central) => result,
        result = answer(from_central, to_gate, state.clone()) => result,
        () = cut(&mut state) => Ok(()),
    }
}

/// Returns when the link is cut.
async fn cut(state: &mut watch::Receiver<Control>) {
    while state.borrow_and_update().weather != Weather::Cut {
        if state.changed().await.is_err() {
            return;
        }
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await?;
    // The other direction may have more to carry; it ends the connection.
    std::future::pending().await
}

async fn answer(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: watch::Receiver<Control>,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let length = from.read(&mut bytes).await?;
        if length == 0 || state.borrow().weather == Weather::AnswersLost {
            return Ok(());
        }
        to.write_all(&bytes[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn ask(link: &Link) -> Option<Vec<u8>> {
        let address = link.url().replace("http://", "");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"ask").await.ok()?;
        let mut answer = [0; 3];
        stream.read_exact(&mut answer).await.ok()?;
        Some(answer.to_vec())
    }

    #[tokio::test]
    async fn a_link_carries_loses_answers_and_is_cut() {
        let link = Link::open().await.unwrap();
        assert_eq!(ask(&link).await, None);
        link.lead_to(echo().await);
        assert_eq!(ask(&link).await.as_deref(), Some(&b"ask"[..]));
        link.set(Weather::AnswersLost);
        assert_eq!(ask(&link).await, None);
        link.cut();
        assert_eq!(ask(&link).await, None);
        link.restore();
        assert_eq!(ask(&link).await.as_deref(), Some(&b"ask"[..]));
    }

    #[tokio::test]
    async fn a_cut_breaks_connections_that_stand() {
        let link = Link::open().await.unwrap();
        link.lead_to(echo().await);
        let address = link.url().replace("http://", "");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"a").await.unwrap();
        let mut answer = [0; 1];
        stream.read_exact(&mut answer).await.unwrap();
        link.cut();
        assert_eq!(stream.read(&mut answer).await.unwrap_or(0), 0);
    }
}
