use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Keeps workers from running ahead: position `p` may start once `p < done + size`, so at most `size` results wait for an
/// earlier one.
///
/// It cannot lock up: the position `done` itself may always start, so what the others wait for is in work or finished.
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
        // Three numbers are always consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next position below `end` once it may start; `None` after the last or when closed.
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

    /// One more position, in order, is done.
    pub(super) fn advance(&self) {
        self.lock().done += 1;
        self.changed.notify_all();
    }

    /// No position starts once what this gives is dropped, be it by a panic: workers that wait end then.
    pub(super) fn close_at_end(&self) -> CloseAtEnd<'_> {
        CloseAtEnd(self)
    }
}

pub(super) struct CloseAtEnd<'a>(&'a Window);

impl Drop for CloseAtEnd<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}
