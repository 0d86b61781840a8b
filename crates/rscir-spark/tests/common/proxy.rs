//! What stands between a client and an engine, and fails when a test says so.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of the connection that brings the last of a number of bytes from the engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// It is cut off; the next one holds.
    Cut,
    /// It is cut off, and nobody takes a connection any more.
    Gone,
    /// It stays open and silent, and nobody takes a connection any more, as if the machine had been switched off.
    Silent,
}

#[derive(Debug, Default)]
struct State {
    plan: Option<(usize, Fate)>,
    gone: bool,
    cuts: usize,
}

#[derive(Debug)]
pub(crate) struct Proxy {
    at: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Stands before the engine at `engine`, such as `127.0.0.1:50051`.
    pub(crate) fn before(engine: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (at, engine) = (listener.local_addr().unwrap(), engine.to_string());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            while !shared.lock().unwrap().gone {
                let Ok((client, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let Ok(server) = TcpStream::connect(&engine) else { continue };
                client.set_nonblocking(false).unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pass(from, to, None));
                let shared = Arc::clone(&shared);
                thread::spawn(move || pass(server, client, Some(&shared)));
            }
        });
        Self { at, state }
    }

    pub(crate) fn address(&self) -> String {
        format!("sc://{}", self.at)
    }

    /// Fails after so many bytes more from the engine.
    pub(crate) fn fail_after(&self, bytes: usize, fate: Fate) {
        self.state.lock().unwrap().plan = Some((bytes, fate));
    }

    /// How many connections were cut off.
    pub(crate) fn cuts(&self) -> usize {
        self.state.lock().unwrap().cuts
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, state: Option<&Mutex<State>>) {
    let mut bytes = vec![0; 1 << 14];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if let Some(fate) = state.and_then(|state| fate_after(state, read)) {
            if fate == Fate::Silent {
                // Both ends stay open for as long as a test may take.
                thread::sleep(Duration::from_secs(600));
            }
            break;
        }
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// What happens now that so many bytes more came from the engine, if it is time for it.
fn fate_after(state: &Mutex<State>, read: usize) -> Option<Fate> {
    let mut state = state.lock().unwrap();
    let (left, fate) = state.plan?;
    if left > read {
        state.plan = Some((left - read, fate));
        return None;
    }
    state.plan = None;
    state.cuts += 1;
    state.gone = fate != Fate::Cut;
    Some(fate)
}
