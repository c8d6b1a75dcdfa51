//! Decompresses a body, where the provider's file says that it may be compressed: before the check or after it, as the
//! provider signs. Nobody else's is: what is signed would not be what is read.

use std::{io::Read, sync::Arc};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use gatepost_config::{Provider, provider::Gzip};
use http::{HeaderMap, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{failure::Failure, inbound::Inbound, reason::Reason, request::RawRequest, verify::Verified};

/// Bytes that are decompressed at a time, between looks at the limits.
const CHUNK_BYTES: usize = 64 * 1024;

/// Why a body can't be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// It is not exactly one gzip member: it is cut short, its checksum is wrong, or something follows it.
    #[error("the body is not one whole gzip member")]
    Malformed,
    /// It is over the provider's limit once decompressed, in bytes.
    #[error("the body is over {0} bytes once decompressed")]
    TooLarge(u64),
    /// Too many bytes of bodies are held at once.
    #[error("too many bytes of bodies are held at once")]
    Overloaded,
}

/// Decompresses the body of a request whose provider signs what was compressed: it is needed for the check.
pub(crate) fn before_check(inbound: Arc<Inbound>, inflight: Option<&Arc<Semaphore>>) -> Result<Arc<Inbound>, Failure> {
    match inbound.endpoint().provider().gzip {
        Some(Gzip::Decoded) => inflate(inbound, inflight),
        _ => Ok(inbound),
    }
}

/// Decompresses the body of a request whose provider signs the compressed bytes, which were checked. What can't be
/// decompressed stays as it is: it was proven genuine, so nothing of it is lost.
pub(crate) fn after_check(verified: Verified, inflight: Option<&Arc<Semaphore>>) -> Result<Verified, Failure> {
    match verified.inbound().endpoint().provider().gzip {
        Some(Gzip::Wire) => verified.read_as(|inbound| match inflate(Arc::clone(&inbound), inflight) {
            Err(Failure::Refused(..)) => Ok(inbound),
            inflated => inflated,
        }),
        _ => Ok(verified),
    }
}

/// A request as the check of its provider reads it: decompressed, where the provider signs what was compressed.
///
/// # Errors
/// When the body can't be decompressed within the provider's limit.
pub fn as_signed(provider: &Provider, request: RawRequest) -> Result<RawRequest, InflateError> {
    if provider.gzip != Some(Gzip::Decoded) || !is_gzip(&request.headers) {
        return Ok(request);
    }
    let (body, _) = decompressed(&request.body, provider.body_max.0, None)?;
    Ok(plain(request, body))
}

/// Whether the body is compressed with gzip, and with nothing else.
pub(crate) fn is_gzip(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.as_bytes().trim_ascii());
    let gzip = |coding: &[u8]| coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip");
    codings.next().is_some_and(gzip) && codings.next().is_none()
}

fn inflate(inbound: Arc<Inbound>, inflight: Option<&Arc<Semaphore>>) -> Result<Arc<Inbound>, Failure> {
    if !is_gzip(&inbound.raw.headers) {
        return Ok(inbound);
    }
    let limit = inbound.endpoint().provider().body_max.0;
    match decompressed(&inbound.raw.body, limit, inflight) {
        Ok((body, held)) => Ok(inbound.read_as(plain(inbound.raw.clone(), body), held)),
        Err(InflateError::TooLarge(limit)) => Err(Failure::BodyTooLarge(limit)),
        Err(InflateError::Overloaded) => Err(Failure::Overloaded),
        Err(InflateError::Malformed) => Err(inbound.refuse(Reason::BodyMalformed)),
    }
}

/// The request as if it had never been compressed.
fn plain(mut request: RawRequest, body: Bytes) -> RawRequest {
    request.headers.remove(header::CONTENT_ENCODING);
    request.body = body;
    request
}

/// Decompresses exactly one gzip member, taking its share of the bytes in flight as it grows.
fn decompressed(
    compressed: &[u8],
    limit: u64,
    inflight: Option<&Arc<Semaphore>>,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), InflateError> {
    let mut decoder = GzDecoder::new(compressed);
    let mut body = Vec::new();
    let mut held: Option<OwnedSemaphorePermit> = None;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = decoder.read(&mut chunk).map_err(|_| InflateError::Malformed)?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
        if (body.len() + part.len()) as u64 > limit {
            return Err(InflateError::TooLarge(limit));
        }
        if let Some(inflight) = inflight {
            let share = u32::try_from(part.len()).map_err(|_| InflateError::Overloaded)?;
            let permit = Arc::clone(inflight).try_acquire_many_owned(share).map_err(|_| InflateError::Overloaded)?;
            match &mut held {
                Some(held) => held.merge(permit),
                None => held = Some(permit),
            }
        }
        body.extend_from_slice(part);
    }
    // Something after the member would be part of what others read, or not.
    if decoder.into_inner().is_empty() { Ok((body.into(), held)) } else { Err(InflateError::Malformed) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("it compresses");
        encoder.finish().expect("it ends")
    }

    fn read(bytes: &[u8], limit: u64) -> Result<Bytes, InflateError> {
        decompressed(bytes, limit, None).map(|(body, _)| body)
    }

    #[test]
    fn a_body_is_exactly_one_member() {
        let good = gzip(b"{\"a\":1}");
        assert_eq!(read(&good, 7).as_deref(), Ok(&b"{\"a\":1}"[..]), "the positive control");
        for end in 0..good.len() {
            assert_eq!(read(&good[..end], 7), Err(InflateError::Malformed), "cut at {end}");
        }
        let two = [good.clone(), good.clone()].concat();
        for bad in [two, [&good[..], b"\0"].concat(), b"{\"a\":1}".to_vec()] {
            assert_eq!(read(&bad, 100), Err(InflateError::Malformed));
        }
        for at in good.len() - 8..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(read(&bad, 7), Err(InflateError::Malformed), "a checksum or length with bit {at} flipped");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![b' '; 50 << 20]);
        assert!(bomb.len() < 60_000, "{}", bomb.len());
        assert_eq!(read(&bomb, 1 << 20), Err(InflateError::TooLarge(1 << 20)));
        assert_eq!(read(&gzip(&[b' '; 100]), 100).map(|body| body.len()), Ok(100));
        assert_eq!(read(&gzip(&[b' '; 101]), 100), Err(InflateError::TooLarge(100)));
    }

    #[test]
    fn the_bytes_in_flight_bound_what_grows() {
        let inflight = Arc::new(Semaphore::new(100_000));
        let (body, held) = decompressed(&gzip(&[b' '; 90_000]), 1 << 20, Some(&inflight)).expect("it fits");
        assert_eq!((body.len(), inflight.available_permits()), (90_000, 10_000));
        let refused = decompressed(&gzip(&[b' '; 20_000]), 1 << 20, Some(&inflight));
        assert_eq!(refused.map(|_| ()), Err(InflateError::Overloaded));
        drop(held);
        assert_eq!(inflight.available_permits(), 100_000);
    }
}
