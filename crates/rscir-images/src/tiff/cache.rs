use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::samples::Samples;
use crate::ImageProblem;

/// The key of a strip or tile: the number of its image in this process, and its own number in the image.
pub(super) type Key = (u64, u64);

/// A cache of decoded strips and tiles, which threads and images share. It keeps those that were used last, up to a
/// limit of bytes.
///
/// If several threads ask for one strip or tile, one of them decodes it, and the others wait for the result.
pub struct BlockCache {
    limit: u64,
    state: Mutex<State>,
    decoded: Condvar,
}

#[derive(Default)]
struct State {
    blocks: HashMap<Key, Held>,
    /// Keys by the time of their last use.
    order: BTreeMap<u64, Key>,
    /// Bytes of all blocks.
    bytes: u64,
    /// The present time, which is the number of uses so far.
    now: u64,
    /// Keys of the blocks that a thread is decoding.
    pending: HashSet<Key>,
}

struct Held {
    block: Arc<Samples>,
    used: u64,
}

impl BlockCache {
    /// Makes an empty cache that keeps up to `bytes` bytes of samples. With 0 it keeps nothing.
    ///
    /// Beside the cache, each thread takes memory for the strip or tile that it decodes.
    pub fn new(bytes: u64) -> Self {
        Self { limit: bytes, state: Mutex::default(), decoded: Condvar::new() }
    }

    /// Returns the bytes of samples that are kept now.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// Locks the state. A panic elsewhere leaves it sound, since it is changed in steps that cannot fail.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether the block with a key is kept now.
    pub(super) fn has(&self, key: Key) -> bool {
        self.lock().blocks.contains_key(&key)
    }

    /// Returns the block with a key if it is kept, waits for a thread that is decoding it, or decodes it with `decode`.
    ///
    /// # Errors
    /// The error of `decode`. The next call tries again.
    pub(super) fn get(
        &self,
        key: Key,
        decode: impl FnOnce() -> Result<Samples, ImageProblem>,
    ) -> Result<Arc<Samples>, ImageProblem> {
        if self.limit == 0 {
            return decode().map(Arc::new);
        }
        let mut state = self.lock();
        loop {
            if let Some(block) = state.touch(key) {
                return Ok(block);
            }
            if state.pending.insert(key) {
                break;
            }
            state = self.decoded.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let pending = Pending { cache: self, key };
        let block = Arc::new(decode()?);
        self.lock().insert(key, &block, self.limit);
        drop(pending);
        Ok(block)
    }
}

/// Wakes the waiting threads when it is dropped: a block was decoded, or decoding it failed.
struct Pending<'a> {
    cache: &'a BlockCache,
    key: Key,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.cache.lock().pending.remove(&self.key);
        self.cache.decoded.notify_all();
    }
}

impl State {
    fn touch(&mut self, key: Key) -> Option<Arc<Samples>> {
        let held = self.blocks.get_mut(&key)?;
        self.order.remove(&held.used);
        self.now += 1;
        held.used = self.now;
        self.order.insert(held.used, key);
        Some(held.block.clone())
    }

    fn insert(&mut self, key: Key, block: &Arc<Samples>, limit: u64) {
        let bytes = block.bytes();
        if bytes > limit {
            return;
        }
        while self.bytes + bytes > limit {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            if let Some(held) = self.blocks.remove(&oldest) {
                self.bytes -= held.block.bytes();
            }
        }
        self.now += 1;
        self.order.insert(self.now, key);
        self.bytes += bytes;
        self.blocks.insert(key, Held { block: block.clone(), used: self.now });
    }
}

impl Default for BlockCache {
    /// Makes a cache of 64 MiB: a row of tiles of 256 x 256 pixels of four bands of 16 bits in a scene 32,768 pixels
    /// wide.
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockCache").field("limit", &self.limit).field("bytes", &self.bytes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn block(bytes: usize) -> Result<Samples, ImageProblem> {
        Ok(Samples::U8(vec![7; bytes]))
    }

    #[test]
    fn the_blocks_that_were_used_last_are_kept_within_the_limit() {
        let cache = BlockCache::new(100);
        let decoded = AtomicUsize::new(0);
        let get = |number| {
            let decode = || {
                decoded.fetch_add(1, Ordering::Relaxed);
                block(40)
            };
            cache.get((0, number), decode).unwrap();
            (decoded.load(Ordering::Relaxed), cache.bytes())
        };
        assert_eq!(get(1), (1, 40));
        assert_eq!(get(2), (2, 80));
        assert_eq!(get(1), (2, 80));
        // The second was not used since, and goes.
        assert_eq!(get(3), (3, 80));
        assert_eq!(get(1), (3, 80));
        assert_eq!(get(2), (4, 80));
        // One that is too large is given and not kept.
        assert_eq!(cache.get((1, 1), || block(101)).unwrap().len(), 101);
        assert_eq!(cache.bytes(), 80);
    }

    #[test]
    fn threads_that_ask_for_one_block_decode_it_once() {
        let cache = BlockCache::default();
        let decoded = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let slow = || {
                        std::thread::sleep(Duration::from_millis(20));
                        decoded.fetch_add(1, Ordering::Relaxed);
                        block(10)
                    };
                    assert_eq!(cache.get((0, 0), slow).unwrap().len(), 10);
                });
            }
        });
        assert_eq!(decoded.into_inner(), 1);
    }

    #[test]
    fn a_block_that_fails_is_tried_again_by_the_next() {
        let cache = BlockCache::default();
        assert!(cache.get((0, 0), || Err(ImageProblem::Empty)).is_err());
        assert_eq!(cache.get((0, 0), || block(3)).unwrap().len(), 3);
    }
}
