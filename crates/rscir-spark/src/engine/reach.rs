use std::fmt;
use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

use spark_connect_core::{ChannelBuilder, get_runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Error, Result};

/// How long an engine's address may take to accept a connection: two tries of TCP, the second after a second, and a slow network.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the address is looked at while a job runs. A machine that is switched off closes no connection, so that its client
/// would wait for ever.
const LOOK: Duration = Duration::from_secs(2);

/// How many times in a row nobody must be at the address for a job to be given up: once may be an engine that is busy.
const LOOKS: usize = 3;

/// Kind of a frame of HTTP/2 with settings (RFC 9113, section 6.5).
const SETTINGS: u8 = 4;

/// Where an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    host: String,
    port: u16,
}

impl From<&ChannelBuilder> for Address {
    fn from(channel: &ChannelBuilder) -> Self {
        Self { host: channel.host().into(), port: channel.port() }
    }
}

impl fmt::Display for Address {
    /// Writes the address without its parameters, among which there may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sc://{}:{}", self.host, self.port)
    }
}

impl Address {
    /// Tells that nobody answers here.
    pub(super) fn unreachable(&self, reason: impl Into<String>) -> Error {
        Error::Unreachable { address: self.to_string(), reason: reason.into() }
    }

    /// Does work on the client's runtime while this thread waits. Gives up if nobody accepts connections at the address, at first or
    /// later.
    pub(super) fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
        let (sender, receiver) = mpsc::channel();
        let address = self.clone();
        get_runtime().spawn(async move {
            // Nobody waits any more if the thread that asked has ended.
            let _ = sender.send(address.watch(work).await);
        });
        receiver.recv().unwrap_or_else(|_| Err(self.unreachable("its client ended without an answer")))
    }

    /// Tells whether a server of HTTP/2 is at the address, which begins with its settings (RFC 9113, section 3.4). Something else that
    /// accepts a connection and then says nothing would let the client wait for ever.
    ///
    /// # Errors
    /// [`Error::Unreachable`] if there is none.
    pub(super) fn greet(&self) -> Result<()> {
        let address = self.clone();
        self.run(async move {
            match timeout(PATIENCE, address.settings()).await {
                Ok(Ok(SETTINGS)) => Ok(()),
                Ok(Ok(_)) => Err(address.unreachable("what is there speaks another protocol")),
                Ok(Err(error)) => Err(address.unreachable(error.to_string())),
                Err(_) => {
                    let seconds = PATIENCE.as_secs();
                    Err(address.unreachable(format!("what is there says nothing for {seconds} s")))
                }
            }
        })?
    }

    /// Begins a connection of HTTP/2, and returns the kind of the frame that the server begins with.
    async fn settings(&self) -> io::Result<u8> {
        let mut connection = TcpStream::connect(format!("{}:{}", self.host, self.port)).await?;
        // The client's preface, and a frame of settings that has none: its length of three bytes, kind, flags, and stream.
        connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        connection.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await?;
        let mut head = [0; 9];
        connection.read_exact(&mut head).await?;
        Ok(head[3])
    }

    async fn watch<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        self.knock().await?;
        let mut work = Box::pin(work);
        let mut absent = 0;
        loop {
            if let Ok(done) = timeout(LOOK, &mut work).await {
                return Ok(done);
            }
            match self.knock().await {
                Ok(()) => absent = 0,
                Err(error) => {
                    absent += 1;
                    if absent == LOOKS {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Returns `Ok` if a connection is accepted.
    async fn knock(&self) -> Result<()> {
        let endpoint = format!("{}:{}", self.host, self.port);
        match timeout(PATIENCE, TcpStream::connect(endpoint)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.unreachable(error.to_string())),
            Err(_) => Err(self.unreachable(format!("no connection within {} s", PATIENCE.as_secs()))),
        }
    }
}
