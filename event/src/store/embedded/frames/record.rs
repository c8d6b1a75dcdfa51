//! A record: a head that says what it is, and the frame.
//!
//! The head is the length, the sequence, the time and a checksum of the frame, and then a checksum of all that and of the head
//! before it. So what an unfinished write left behind the last record is never taken for the next one, whatever it was; and a
//! frame that was overwritten breaks no chain.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _},
    path::Path,
};

use gatepost_config::Timestamp;

use super::{Name, existing};

/// Bytes of a head.
pub(super) const HEAD_BYTES: usize = 28;

/// The version of a place, where stored forms of events have others ([`crate::event::FRAME_VERSION`], packed ones).
const PLACE_VERSION: u8 = 0x81;

/// Where a frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Place {
    pub(super) name: Name,
    pub(super) offset: u32,
    pub(super) length: u32,
}

/// What stands before a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: u32,
    pub(super) sequence: u64,
    pub(super) stored_at: Timestamp,
    /// The frame's checksum.
    pub(super) sum: u32,
}

/// The records of a file, from its beginning.
pub(super) struct Records {
    file: BufReader<fs::File>,
    chain: u32,
    at: u64,
    length: u64,
}

impl Place {
    pub(in super::super) const BYTES: usize = 21;

    /// As it stands in a row, in the place of the frame.
    pub(in super::super) fn write(self) -> [u8; Self::BYTES] {
        let mut written = [PLACE_VERSION; Self::BYTES];
        let fields = self.name.bucket.to_be_bytes().into_iter().chain(self.name.number.to_be_bytes());
        let fields = fields.chain(self.offset.to_be_bytes()).chain(self.length.to_be_bytes());
        written.iter_mut().skip(1).zip(fields).for_each(|(to, from)| *to = from);
        written
    }

    /// None when a row has the frame itself.
    pub(in super::super) fn read(frame: &[u8]) -> Option<Self> {
        let ([PLACE_VERSION], rest) = frame.split_first_chunk()? else { return None };
        let (bucket, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (offset, length) = rest.split_first_chunk()?;
        let name = Name { bucket: i64::from_be_bytes(*bucket), number: u32::from_be_bytes(*number) };
        let length = u32::from_be_bytes(length.try_into().ok()?);
        Some(Self { name, offset: u32::from_be_bytes(*offset), length })
    }

    pub(in super::super) fn bucket(self) -> i64 {
        self.name.bucket
    }

    /// The file.
    pub(in super::super) fn name(self) -> Name {
        self.name
    }

    /// Where it ends.
    pub(in super::super) fn end(self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }

    /// The frame's length.
    pub(in super::super) fn length(self) -> usize {
        self.length as usize
    }
}

impl Head {
    /// The head, chained to the one before.
    pub(super) fn write(self, chain: u32) -> [u8; HEAD_BYTES] {
        let mut written = [0; HEAD_BYTES];
        let fields = self.length.to_be_bytes().into_iter().chain(self.sequence.to_be_bytes());
        let fields = fields.chain(self.stored_at.millis().to_be_bytes()).chain(self.sum.to_be_bytes());
        written.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        let sum = chained(chain, &written);
        if let Some(last) = written.last_chunk_mut() {
            *last = sum.to_be_bytes();
        }
        written
    }

    /// What the next head is chained by.
    pub(super) fn chain(written: &[u8; HEAD_BYTES]) -> u32 {
        written.last_chunk().map_or(0, |sum| u32::from_be_bytes(*sum))
    }

    /// None when it doesn't follow.
    fn read(written: &[u8; HEAD_BYTES], chain: u32) -> Option<Self> {
        let (length, rest) = written.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (stored_at, rest) = rest.split_first_chunk()?;
        let (sum, _) = rest.split_first_chunk()?;
        let head = Self {
            length: u32::from_be_bytes(*length),
            sequence: u64::from_be_bytes(*sequence),
            stored_at: Timestamp::from_millis(i64::from_be_bytes(*stored_at)),
            sum: u32::from_be_bytes(*sum),
        };
        (chained(chain, written) == Self::chain(written)).then_some(head)
    }
}

/// The checksum of a head's fields behind the head before it. Never that of zeros: those are no head.
fn chained(chain: u32, written: &[u8; HEAD_BYTES]) -> u32 {
    let mut sum = crc32fast::Hasher::new_with_initial(chain);
    sum.update(written.get(..HEAD_BYTES - 4).unwrap_or_default());
    sum.finalize().max(1)
}

impl Records {
    pub(super) fn open(folder: &Path, name: Name) -> io::Result<Self> {
        let file = existing(&name.path(folder))?;
        let length = file.metadata()?.len();
        Ok(Self { file: BufReader::with_capacity(128 * 1024, file), chain: name.seed(), at: 0, length })
    }

    /// The next head and where its frame begins; none behind the last record.
    pub(super) fn next(&mut self) -> io::Result<Option<(Head, u32)>> {
        self.skip_to(self.at)?;
        let mut written = [0; HEAD_BYTES];
        if self.at + HEAD_BYTES as u64 > self.length {
            return Ok(None);
        }
        self.file.read_exact(&mut written)?;
        let Some(head) = Head::read(&written, self.chain) else { return Ok(None) };
        let offset = self.at + HEAD_BYTES as u64;
        let behind = offset + u64::from(head.length);
        let Some(offset) = u32::try_from(offset).ok().filter(|_| behind <= self.length) else { return Ok(None) };
        (self.chain, self.at) = (Head::chain(&written), behind);
        Ok(Some((head, offset)))
    }

    /// The frame of the head that was read last; none when it isn't what was written.
    pub(super) fn frame(&mut self, head: &Head, offset: u32) -> io::Result<Option<Vec<u8>>> {
        self.skip_to(u64::from(offset))?;
        let mut frame = vec![0; head.length as usize];
        self.file.read_exact(&mut frame)?;
        Ok((crc32fast::hash(&frame) == head.sum).then_some(frame))
    }

    /// Where the last record ends, if only zeros stand behind it; to be asked before any other is read.
    pub(super) fn end(mut self) -> io::Result<Option<u64>> {
        while self.next()?.is_some() {}
        self.skip_to(self.at)?;
        loop {
            let read = self.file.fill_buf()?;
            if read.is_empty() {
                return Ok(Some(self.at));
            }
            if read.iter().any(|byte| *byte != 0) {
                return Ok(None);
            }
            let length = read.len();
            self.file.consume(length);
        }
    }

    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        let skipped = offset.cast_signed() - self.file.stream_position()?.cast_signed();
        self.file.seek_relative(skipped)
    }
}
