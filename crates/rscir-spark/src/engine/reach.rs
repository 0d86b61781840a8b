use std::fmt;
use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use spark_connect_core::{ChannelBuilder, get_runtime};
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
