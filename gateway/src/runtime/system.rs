//! What the machine allows: kernel version, `io_uring`, limits, cores.
//!
//! Asked once at start-up, so that what is missing is said in one clear
//! sentence before anything listens. Changes nothing but this process's own
//! soft limits and where its allocator puts great blocks.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::mem;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ring;
use super::start::StartError;

/// The oldest kernel that has everything the tab ring uses.
pub const KERNEL_MIN: (u32, u32) = (6, 1);

/// From how many bytes on an allocation has pages of its own.
#[cfg(target_env = "gnu")]
const OWN_PAGES_BYTES_MIN: libc::c_int = 512 << 10;

/// The least lockable memory that an executor needs, in bytes.
pub const MEMLOCK_BYTES_MIN: u64 = 512 << 10;

/// Checks that shards can run here and raises the soft limits to the hard
/// ones. Returns how many descriptors the process may have.
pub fn prepare() -> Result<u64, StartError> {
    keep_tables_apart();
    check_kernel(&fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default())?;
    let memlock = raise_limit(libc::RLIMIT_MEMLOCK).map_err(StartError::Limits)?;
    if memlock < MEMLOCK_BYTES_MIN {
        return Err(StartError::MemlockTooSmall {
            limit_kib: memlock >> 10,
        });
    }
    ring::probe().map_err(|error| uring_fault(error, memlock))?;
    raise_limit(libc::RLIMIT_NOFILE).map_err(StartError::Limits)
}

/// Lets great allocations have pages of their own for good.
///
/// The tables of links and sessions double as tabs come, and what they leave behind
/// goes back to the system at once. The allocator would else learn from the first
/// one to be freed to keep them among the small ones: 1,250 bytes a tab instead of
/// 840 at 15,000 tabs.
fn keep_tables_apart() {
    // SAFETY: it takes plain numbers and takes the allocator's own lock.
    #[cfg(target_env = "gnu")]
    let _set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_BYTES_MIN) };
}

/// The cores that the process may run on, by number.
pub fn available_cores() -> io::Result<Vec<usize>> {
    // SAFETY: a CPU set is a plain array of bits, for which all zeros is a valid value.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes at most the given size into the set.
    let result = unsafe { libc::sched_getaffinity(0, mem::size_of_val(&set), &raw mut set) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let count = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: the index is below CPU_SETSIZE, the number of bits in the set.
    Ok((0..count)
        .filter(|&core| unsafe { libc::CPU_ISSET(core, &set) })
        .collect())
}

/// The calling thread, as `/proc/self/task` names it.
pub(super) fn thread_id() -> u32 {
    // SAFETY: it takes nothing and cannot fail.
    let id = unsafe { libc::gettid() };
    id.unsigned_abs()
}

/// An event descriptor of value zero, closed on exec.
pub(super) fn event_descriptor(flags: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: the call takes plain numbers.
    let descriptor = unsafe { libc::eventfd(0, flags | libc::EFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor for us, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Held while rings are made, so that an executor's own can be told apart.
pub(super) fn making_rings() -> MutexGuard<'static, ()> {
    static MAKING: Mutex<()> = Mutex::new(());
    MAKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The descriptors of all `io_uring` instances of this process.
pub(super) fn ring_descriptors() -> io::Result<Vec<RawFd>> {
    let mut rings = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        // A descriptor that was closed meanwhile is none of ours.
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if target.as_os_str() == "anon_inode:[io_uring]" {
            let name = entry.file_name();
            rings.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
        }
    }
    Ok(rings)
}

/// A duplicate of a descriptor that somebody else owns.
pub(super) fn duplicate(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the borrow ends with this function; a descriptor that is not open
    // makes the duplication fail.
    unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned()
}

fn check_kernel(release: &str) -> Result<(), StartError> {
    let mut numbers = release
        .split(|character: char| !character.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    // A release that names no number is left to the probe.
    if version == (0, 0) || version >= KERNEL_MIN {
        return Ok(());
    }
    Err(StartError::KernelTooOld {
        release: release.trim().to_owned(),
    })
}

fn uring_fault(error: io::Error, memlock: u64) -> StartError {
    match error.raw_os_error() {
        Some(libc::EINVAL) => StartError::KernelTooOld {
            release: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        },
        Some(libc::ENOMEM) => StartError::MemlockTooSmall {
            limit_kib: memlock >> 10,
        },
        _ => StartError::UringRefused(error),
    }
}

fn raise_limit(resource: libc::__rlimit_resource_t) -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one `rlimit` to the place given, which is one.
    if unsafe { libc::getrlimit(resource, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur < limit.rlim_max {
        let raised = libc::rlimit {
            rlim_cur: limit.rlim_max,
            rlim_max: limit.rlim_max,
        };
        // SAFETY: the kernel reads one `rlimit` from the place given.
        if unsafe { libc::setrlimit(resource, &raw const raised) } == 0 {
            limit = raised;
        }
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_before_6_1_is_named_and_refused() {
        for release in ["5.10.0-28-amd64", "6.0.19", "4.18.0"] {
            let error = check_kernel(release).expect_err(release);
            assert!(error.to_string().contains(release), "{error}");
        }
        for release in ["6.1.0-18-amd64", "6.18.44", "7.0-rc1", "unknown"] {
            assert!(check_kernel(release).is_ok(), "{release}");
        }
    }

    #[test]
    fn a_refused_ring_says_so_in_one_sentence() {
        let refused = uring_fault(io::Error::from_raw_os_error(libc::EPERM), 8 << 20);
        assert!(refused.to_string().contains("io_uring"), "{refused}");
        let memory = uring_fault(io::Error::from_raw_os_error(libc::ENOMEM), 64 << 10);
        assert!(memory.to_string().contains("64 KiB"), "{memory}");
    }

    #[test]
    fn this_process_may_run_somewhere() {
        assert!(!available_cores().expect("an affinity mask").is_empty());
    }
}
