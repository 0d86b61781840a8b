use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::slow::Hurried;
use crate::{App, Client, Error, Options, Result};

/// Bytes of a request's head at most: an export's address holds a whole query.
const HEAD_BYTES: usize = 64 << 10;

/// Headers of a request at most; browsers send some twenty.
const HEADERS: usize = 64;

/// How long to wait when the system has no more sockets.
const NO_SOCKETS: Duration = Duration::from_millis(50);

/// Serves an [`App`] on an address, over HTTP/1.
///
/// A head or a body that comes slowly, an answer that is taken in slowly, and connections beyond a number are cut off. For TLS, put a proxy before it.
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    router: Router,
    options: Options,
    stop: watch::Sender<bool>,
    by_signals: bool,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Stops a server from another thread.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Lets requests under way end, takes no new ones, and then ends [`Server::run`].
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Server {
    /// Listens at an address; port 0 takes any that is free.
    ///
    /// # Errors
    /// [`Error::NeedsToken`] for an address that other machines reach, without a token; [`Error::Listen`]; those of
    /// [`App::router`].
    pub fn bind(app: App, addr: SocketAddr) -> Result<Self> {
        let options = app.allows().clone();
        if !addr.ip().is_loopback() && options.token.is_none() {
            return Err(Error::NeedsToken { addr });
        }
        let router = app.router()?;
        let failed = |source| Error::Listen { addr, source };
        let listener = TcpListener::bind(addr).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, addr, router, options, stop: watch::Sender::new(false), by_signals: false })
    }

    /// Returns the address that it listens at.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the address to open in a browser, with the token if there is one: whoever has it may ask.
    pub fn url(&self) -> String {
        let token = self.options.token.as_ref().map_or(String::new(), |token| format!("?token={token}"));
        format!("http://{}/{token}", self.addr)
    }

    /// Returns what stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Stops by itself when the process is told to end: by an interrupt from a terminal (Ctrl-C) or, on Unix, by SIGTERM. Requests
    /// under way have [`Options::stop_time`] then. Default: it does not.
    #[must_use]
    pub fn stopped_by_signals(self) -> Self {
        Self { by_signals: true, ..self }
    }

    /// Serves until it is stopped, on threads of its own; the calling one waits.
    ///
    /// # Errors
    /// [`Error::Io`] if threads cannot be started; [`Error::InRuntime`] on a thread of a runtime of tokio.
    pub fn run(self) -> Result<()> {
        if tokio::runtime::Handle::try_current().is_ok() {
            return Err(Error::InRuntime);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // They move bytes alone; work has threads of its own.
            .worker_threads(2)
            .max_blocking_threads(self.options.at_once.max(1) + 1)
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| Error::Io { action: "start its threads", source })?;
        let ended = runtime.block_on(self.serve());
        // Work that was given up may still be under way.
        runtime.shutdown_background();
        ended
    }

    async fn serve(self) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)
            .map_err(|source| Error::Io { action: "listen", source })?;
        if self.by_signals {
            stop_at_signals(Stopper(self.stop.clone()))?;
        }
        let mut stop = self.stop.subscribe();
        let connections = Arc::new(Semaphore::new(self.options.connections.max(1)));
        let graceful = GracefulShutdown::new();
        loop {
            let next = async {
                // Never closed.
                let place = Arc::clone(&connections).acquire_owned().await;
                (listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                next = next => next,
                _ = stop.wait_for(|stopped| *stopped) => break,
            };
            let Ok((stream, from)) = accepted else {
                tokio::time::sleep(NO_SOCKETS).await;
                continue;
            };
            let connection = graceful.watch(connection(stream, from, self.router.clone(), &self.options));
            tokio::spawn(async move {
                // A client that went away, or broke the protocol, has been answered or cannot be.
                let _ = connection.await;
                drop(place);
            });
        }
        drop(listener);
        // What takes longer is cut off.
        let _ = tokio::time::timeout(self.options.stop_time, graceful.shutdown()).await;
        Ok(())
    }
}

/// Stops a server at the first signal.
fn stop_at_signals(stopper: Stopper) -> Result<()> {
    #[cfg(unix)]
    let terminated = {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |source| Error::Io { action: "listen for signals", source };
        let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
        async move { terminated.recv().await }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated => {}
        }
        stopper.stop();
    });
    Ok(())
}

/// Serves a connection within its limits.
fn connection(
    stream: TcpStream,
    from: SocketAddr,
    router: Router,
    options: &Options,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send + 'static {
    // An answer is sent when it is there; without it, a small one waits for the other end.
    let _ = stream.set_nodelay(true);
    let client = Client(from.ip().to_canonical());
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(client);
        hyper::service::Service::call(&service, request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_time)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Hurried::new(stream, options.answer_time)), service)
}
