//! Reading a response: a little of it, and not for long.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// Most bytes read of a response; then the connection is dropped.
const BYTES_READ_MAX: usize = 64 * 1024;

/// A response's body. What was read of it stays when reading is cut short.
#[derive(Debug)]
pub(super) struct Answer {
    body: Incoming,
    kept: Vec<u8>,
    kept_max: usize,
}

impl Answer {
    /// Nothing read yet.
    pub(super) const fn new(body: Incoming, kept_max: usize) -> Self {
        Self { body, kept: Vec::new(), kept_max }
    }

    /// Reads to the end or to the most that is read. Nothing is decompressed.
    ///
    /// # Errors
    /// When the connection breaks or the body's framing is wrong.
    pub(super) async fn read(&mut self) -> Result<(), hyper::Error> {
        let mut read = 0;
        while read < BYTES_READ_MAX {
            let Some(frame) = self.body.frame().await else { return Ok(()) };
            if let Ok(data) = frame?.into_data() {
                read += data.len();
                self.keep(&data);
            }
        }
        Ok(())
    }

    /// The first bytes as text, invalid UTF-8 replaced.
    pub(super) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }

    fn keep(&mut self, data: &Bytes) {
        let room = self.kept_max.saturating_sub(self.kept.len());
        self.kept.extend(data.iter().take(room));
    }
}
