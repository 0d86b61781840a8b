use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Keeps workers from running ahead. Position `p` may start once `p < done + size`, so that at most `size` results wait
/// for an earlier one.
///
/// Workers cannot wait for each other forever: position `done` may always start, so that the result that others wait
/// for is in work or finished.
pub(super) struct Window {
    size: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    next: usize,
    done: usize,
    closed: bool,
}

impl Window {
    pub(super) fn new(size: usize) -> Self {
        Self { size, state: Mutex::new(State { next: 0, done: 0, closed: false }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state inconsistent, since its three values are set independently.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the next position may start, and returns it. Returns `None` if no position below `end` is left, or
    /// once the window is closed.
    pub(super) fn next(&self, end: usize) -> Option<usize> {
        let mut state = self.lock();
        while !state.closed && state.next < end && state.next - state.done >= self.size {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed || state.next >= end {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    /// Counts the next position, in order, as done.
    pub(super) fn advance(&self) {
        self.lock().done += 1;
        self.changed.notify_all();
    }

    /// Returns a guard that closes the window when it is dropped, even by a panic, so that waiting workers end.
    pub(super) fn close_at_end(&self) -> CloseAtEnd<'_> {
        CloseAtEnd(self)
    }
}

/// Closes a window when it is dropped.
pub(super) struct CloseAtEnd<'a>(&'a Window);

impl Drop for CloseAtEnd<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}
