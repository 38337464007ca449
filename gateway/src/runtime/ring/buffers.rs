//! The buffers that the kernel receives into: one pool per shard, so that an
//! idle connection owns none.
//!
//! The kernel takes a buffer for a receive and names it in the completion; it
//! is lent to the engine once and then given back. A buffer belongs to the
//! kernel from [`BufferPool::give_back`] until a completion names it.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// The only group of buffers on the ring.
pub(super) const GROUP: u16 = 0;

/// The pool, shared with the kernel.
pub(super) struct BufferPool {
    entries: Memory,
    bytes: Memory,
    count: u16,
    size: u32,
    tail: u16,
}

impl BufferPool {
    /// A pool of `count` buffers (a power of two, at most 32,768) of `size` bytes.
    pub(super) fn new(submitter: &Submitter<'_>, count: u16, size: u32) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel wants a power of two");
        let entries = Memory::new(usize::from(count) * size_of::<BufRingEntry>());
        let bytes = Memory::new(usize::from(count) * size as usize);
        let mut pool = Self {
            entries,
            bytes,
            count,
            size,
            tail: 0,
        };
        // SAFETY: the memory is page-aligned, holds `count` entries, and lives
        // until the ring has been torn down (`Queue` drops its ring first).
        unsafe {
            submitter.register_buf_ring_with_flags(
                pool.entries.start.as_ptr() as u64,
                count,
                GROUP,
                0,
            )?;
        }
        for id in 0..count {
            pool.give_back(id);
        }
        pool.publish();
        Ok(pool)
    }

    /// The received bytes in buffer `id`.
    pub(super) fn bytes(&mut self, id: u16, length: usize) -> &mut [u8] {
        assert!(
            id < self.count && length <= self.size as usize,
            "the kernel named a wrong buffer"
        );
        // SAFETY: the buffer lies within the pool; the kernel named it in a
        // completion and so left it to us until it is given back, and the
        // exclusive borrow keeps it from being given back meanwhile.
        unsafe {
            let start = self
                .bytes
                .start
                .as_ptr()
                .add(usize::from(id) * self.size as usize);
            std::slice::from_raw_parts_mut(start, length)
        }
    }

    /// Leaves buffer `id` to the kernel, from the next [`Self::publish`] on.
    pub(super) fn give_back(&mut self, id: u16) {
        assert!(id < self.count, "the kernel named a wrong buffer");
        let slot = usize::from(self.tail & (self.count - 1));
        let entries = self.entries.start.cast::<BufRingEntry>();
        // SAFETY: the slot is below `count`; the kernel does not read it before
        // the tail moves past it. The entry's reserved field, which is the tail
        // in slot 0, is not touched by these setters.
        unsafe {
            let entry = entries.add(slot).as_mut();
            entry.set_addr(
                self.bytes
                    .start
                    .as_ptr()
                    .add(usize::from(id) * self.size as usize) as u64,
            );
            entry.set_len(self.size);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Makes the buffers that were given back visible to the kernel.
    pub(super) fn publish(&mut self) {
        let entries = self.entries.start.cast::<BufRingEntry>();
        // SAFETY: the tail is a field of the first entry, which is ours; it is
        // aligned for u16 and the kernel only reads it.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(entries.as_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    /// Keeps the memory for ever: for a ring that could not be stopped, into
    /// whose buffers the kernel may still write.
    pub(super) fn leak(&mut self) {
        self.entries.owned = false;
        self.bytes.owned = false;
    }
}

/// Page-aligned memory.
struct Memory {
    start: NonNull<u8>,
    layout: Layout,
    owned: bool,
}

impl Memory {
    fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size, PAGE).expect("a pool of some megabytes");
        assert!(layout.size() > 0, "an empty pool");
        // SAFETY: the layout's size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout)
        };
        Self {
            start,
            layout,
            owned: true,
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: allocated with this very layout, and freed once.
            unsafe { dealloc(self.start.as_ptr(), self.layout) };
        }
    }
}

const PAGE: usize = 4096;
