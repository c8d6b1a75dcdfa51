//! Events in fewer bytes: an event goes to the disk twice, so that its bytes cost more than packing them does.
//!
//! A packed frame has a version of its own, the frame's length (u32, big-endian) and the frame as a block of LZ4. What is
//! short, or would hardly be shorter, stays as it is.

use std::cell::RefCell;

use bytes::Bytes;
use lz4_flex::block::{self, CompressTable};

use crate::{Event, event::FrameError};

/// The version of a packed frame, where others have [`crate::event::FRAME_VERSION`].
const PACKED: u8 = 0x80;

/// Bytes before the block.
const HEAD_BYTES: usize = 5;

/// A frame of fewer bytes shares its page with others as it is.
const BYTES_MIN: usize = 512;

/// A block of LZ4 says at most so much more than it is long, so that spoilt bytes can't ask for much memory.
const RATIO_MAX: usize = 255;

/// Bytes of a body up to which a thread's own bench is used; a larger one would leave it large for ever.
const BENCH_BODY_MAX: usize = 32 * 1024;

/// What packing needs, kept for the next event: to make it anew costs as much as it saves to pack a short one.
#[derive(Default)]
struct Bench {
    frame: Vec<u8>,
    /// As long as the longest that was packed; what stands in it is of no account.
    packed: Vec<u8>,
    table: CompressTable,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::default();
}

/// An event as it is stored.
pub(super) fn frame(event: &Event) -> Result<Bytes, FrameError> {
    match event.body.len() <= BENCH_BODY_MAX {
        true => BENCH.with_borrow_mut(|bench| bench.frame(event)),
        false => Bench::default().last_frame(event),
    }
}

/// The event of a stored frame.
pub(super) fn event(stored: Bytes) -> Result<Event, String> {
    let frame = match stored.split_first_chunk::<HEAD_BYTES>() {
        Some(([PACKED, length @ ..], block)) => unpacked(u32::from_be_bytes(*length), block)?.into(),
        _ => stored,
    };
    Event::from_frame(&frame).map_err(|error: FrameError| error.to_string())
}

impl Bench {
    fn frame(&mut self, event: &Event) -> Result<Bytes, FrameError> {
        event.write_frame(&mut self.frame)?;
        let packed = self.pack();
        Ok(Bytes::copy_from_slice(packed.and_then(|length| self.packed.get(..length)).unwrap_or(&self.frame)))
    }

    /// The same, without a copy of what stands on the bench.
    fn last_frame(mut self, event: &Event) -> Result<Bytes, FrameError> {
        event.write_frame(&mut self.frame)?;
        let Some(length) = self.pack() else { return Ok(self.frame.into()) };
        self.packed.truncate(length);
        self.packed.shrink_to_fit();
        Ok(self.packed.into())
    }

    /// Packs the frame; how long it is then. None when that would save less than an eighth.
    fn pack(&mut self) -> Option<usize> {
        let Self { frame, packed, table } = self;
        if frame.len() < BYTES_MIN {
            return None;
        }
        let length = u32::try_from(frame.len()).ok()?;
        let most = HEAD_BYTES + block::get_maximum_output_size(frame.len());
        if packed.len() < most {
            packed.resize(most, 0);
        }
        let (head, rest) = packed.split_first_chunk_mut::<HEAD_BYTES>()?;
        let [a, b, c, d] = length.to_be_bytes();
        *head = [PACKED, a, b, c, d];
        let written = HEAD_BYTES + block::compress_into_with_table(frame, rest, table).ok()?;
        (written <= frame.len() - frame.len() / 8).then_some(written)
    }
}

fn unpacked(length: u32, block: &[u8]) -> Result<Vec<u8>, String> {
    let spoilt = "the stored event can't be unpacked";
    let length = usize::try_from(length).ok().filter(|length| *length <= block.len().saturating_mul(RATIO_MAX));
    let mut frame = vec![0; length.ok_or(spoilt)?];
    match block::decompress_into(block, &mut frame) {
        Ok(written) if written == frame.len() => Ok(frame),
        _ => Err(spoilt.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::tests::event as example;

    fn stored(body: Vec<u8>) -> (Event, Bytes, usize) {
        let event = Event { body: body.into(), ..example("1", 0) };
        let length = event.to_frame().expect("a frame").len();
        let stored = super::frame(&event).expect("a frame");
        (event, stored, length)
    }

    #[test]
    fn an_event_is_what_it_was() {
        let text = br#"{"id":1,"action":"opened"},"#;
        for body in [Vec::new(), b"short".to_vec(), text.repeat(100), text.repeat(20_000), noise(3_000)] {
            let (was, stored, _) = stored(body);
            assert_eq!(event(stored), Ok(was));
        }
    }

    #[test]
    fn only_what_gets_shorter_is_packed() {
        let (_, long, whole) = stored(br#"{"id":1,"action":"opened"},"#.repeat(100));
        assert!(long.len() < whole / 4, "{} of {whole}", long.len());
        for body in [b"short".to_vec(), noise(3_000)] {
            let (was, stored, whole) = stored(body);
            assert_eq!((stored.len(), stored), (whole, was.to_frame().expect("a frame")));
        }
    }

    #[test]
    fn spoilt_bytes_are_told_of() {
        let (_, whole, _) = stored(b"again and ".repeat(300));
        let spoil = |at: usize, byte: u8| {
            let mut spoilt = whole.to_vec();
            spoilt[at] = byte;
            Bytes::from(spoilt)
        };
        for spoilt in [whole.slice(..whole.len() - 1), whole.slice(..7), spoil(1, 0xff), spoil(4, 0), spoil(4, 0xff)] {
            event(spoilt).expect_err("it can't be read");
        }
        event(whole.clone()).expect("as it was it can");
    }

    fn noise(count: usize) -> Vec<u8> {
        (0..count).map(|_| rand::random()).collect()
    }
}
