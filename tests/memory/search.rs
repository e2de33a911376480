//! A search of the memory of this process, as a debugger or a core dump shows it.

use std::fs::{self, File};
use std::io::BufRead;
use std::os::unix::fs::FileExt;

use super::hidden_secret::{Hidden, MASK, PIECE};

/// Counts the pieces of a secret in all writable memory: heap and stacks, freed or not.
pub(crate) fn copies_of(hidden: Hidden) -> usize {
    let pieces = hidden.pieces();
    let memory = File::open("/proc/self/mem").expect("a process may read its own memory");
    let mut buffer = vec![0; STEP + PIECE];
    let own = buffer.as_ptr() as u64..buffer.as_ptr() as u64 + buffer.len() as u64;
    let mut count = 0;
    for (begin, end) in writable() {
        let mut at = begin;
        while at < end {
            // The buffer contains the last read, which is no copy of ours.
            if own.contains(&at) {
                at = own.end;
                continue;
            }
            let next = if at < own.start { own.start.min(end) } else { end };
            let length = usize::try_from(next - at).expect("it is mapped").min(buffer.len());
            // Unreadable ranges are devices and guard pages.
            let read = memory.read_at(&mut buffer[..length], at).unwrap_or_default();
            if read == 0 {
                break;
            }
            count += pieces.iter().map(|piece| count_in(&buffer[..read], piece)).sum::<usize>();
            at += read.min(STEP) as u64;
        }
    }
    buffer.fill(0);
    count
}

/// Counts the positions where a masked piece begins, without those that the next block counts.
fn count_in(text: &[u8], piece: &[u8; PIECE]) -> usize {
    let mut rest = text;
    let mut count = 0;
    // The byte search of the standard library is fast even in a debug build.
    while rest.skip_until(piece[0] ^ MASK).is_ok_and(|skipped| skipped > 0) {
        let at = text.len() - rest.len() - 1;
        let Some(window) = text.get(at..at + PIECE).filter(|_| at < STEP) else { break };
        count += usize::from(piece.iter().zip(window).all(|(piece, byte)| piece ^ MASK == *byte));
    }
    count
}

/// Returns the writable ranges of the memory of this process.
fn writable() -> Vec<(u64, u64)> {
    let maps = fs::read_to_string("/proc/self/maps").expect("a process may read its own maps");
    let area = |line: &str| {
        let (area, rest) = line.split_once(' ')?;
        let (begin, end) = area.split_once('-')?;
        let address = |text| u64::from_str_radix(text, 16).ok();
        rest.starts_with("rw").then_some((address(begin)?, address(end)?))
    };
    maps.lines().filter_map(area).collect()
}

const STEP: usize = 1 << 20;
