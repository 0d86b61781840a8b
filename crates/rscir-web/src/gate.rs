//! How much is done at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Options;
use crate::problem::{Problem, ProblemKind};

/// Gives turns to work, to bodies with files, and to clients.
pub(crate) struct Gate {
    work: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    patience: Duration,
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_client: usize,
}

/// A request of a client, until it is dropped.
pub(crate) struct ClientTurn {
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
    client: IpAddr,
}

impl Drop for ClientTurn {
    fn drop(&mut self) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = clients.get_mut(&self.client) {
            *requests -= 1;
            if *requests == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

/// A request that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            work: Arc::new(Semaphore::new(options.at_once.max(1))),
            uploads: Arc::new(Semaphore::new(options.uploads.max(1))),
            waiting: AtomicUsize::new(0),
            most_waiting: options.waiting,
            patience: options.patience,
            clients: Arc::default(),
            per_client: options.per_client,
        }
    }

    /// Waits for a turn to work.
    pub(crate) async fn work(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.turn(&self.work).await
    }

    /// Waits for a turn to read a body with files.
    pub(crate) async fn upload(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.turn(&self.uploads).await
    }

    async fn turn(&self, turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
        let busy = || Problem::new(ProblemKind::Busy, "the server has too much to do: ask again in a moment");
        if let Ok(turn) = Arc::clone(turns).try_acquire_owned() {
            return Ok(turn);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.most_waiting {
            return Err(busy());
        }
        match tokio::time::timeout(self.patience, Arc::clone(turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(busy()),
        }
    }

    /// Counts a request of a client.
    pub(crate) fn client(&self, client: IpAddr) -> Result<ClientTurn, Problem> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = clients.entry(client).or_default();
        if *requests >= self.per_client {
            let message = format!("{requests} requests of {client} are under way: wait for some of them");
            return Err(Problem::new(ProblemKind::TooMany, message));
        }
        *requests += 1;
        Ok(ClientTurn { clients: Arc::clone(&self.clients), client })
    }
}
