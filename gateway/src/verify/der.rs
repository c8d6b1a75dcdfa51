//! Just enough DER to find a public key, strictly: one spelling, nothing left over.

/// DER still to be read.
#[derive(Clone, Copy)]
pub(super) struct Der<'a>(&'a [u8]);

/// A whole number.
pub(super) const INTEGER: u8 = 0x02;
/// Bits, such as a key.
pub(super) const BIT_STRING: u8 = 0x03;
/// The name of a thing.
pub(super) const OBJECT: u8 = 0x06;
/// Things in order.
pub(super) const SEQUENCE: u8 = 0x30;
/// Bytes.
pub(super) const OCTET_STRING: u8 = 0x04;
/// The third optional part of a structure.
pub(super) const CONSTRUCTED_3: u8 = 0xa3;
/// A time of this century.
pub(super) const UTC_TIME: u8 = 0x17;
/// A time.
pub(super) const TIME: u8 = 0x18;

impl<'a> Der<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next thing.
    pub(super) fn peek(self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The contents of the next thing, whatever it is.
    pub(super) fn any(&mut self) -> Option<&'a [u8]> {
        let (_, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(contents)
    }

    /// The contents of the next thing, which has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.peek() == Some(tag) { self.any() } else { None }
    }

    /// The next sequence.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(Self)
    }

    /// The next positive number's bytes, without leading zeros.
    pub(super) fn number(&mut self) -> Option<&'a [u8]> {
        match self.take(INTEGER)? {
            [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Some(rest),
            number @ [1..=127, ..] => Some(number),
            _ => None,
        }
    }

    /// The next bits, a whole number of bytes.
    pub(super) fn bits(&mut self) -> Option<&'a [u8]> {
        self.take(BIT_STRING)?.strip_prefix(&[0])
    }
}

/// A length in its shortest form.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0..=0x7f, rest @ ..] => Some((usize::from(*short), rest)),
        [0x81, long @ 0x80..=0xff, rest @ ..] => Some((usize::from(*long), rest)),
        [0x82, high @ 1..=0xff, low, rest @ ..] => Some((usize::from(*high) << 8 | usize::from(*low), rest)),
        _ => None,
    }
}
