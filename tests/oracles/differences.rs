//! Where the gateway and a vendor's library differ on purpose.

use gatepost_gateway::Reason;

use crate::library::Asked;

/// Whether the gateway may refuse this, though the library accepts it.
pub(crate) fn stricter(asked: &Asked, reason: Reason) -> bool {
    let what = asked.what.as_str();
    match reason {
        // Several libraries look at the past only, or not at the time at all.
        Reason::TimestampStale | Reason::TimestampFuture => what.ends_with("late") || what.ends_with("early"),
        // Several stop reading base64 where it ends, or pass over a signature that none can be beside a good one.
        Reason::SignatureMalformed => {
            let in_the_body = asked.provider == "adyen" && what.ends_with("of the body changed");
            what.ends_with("cut") || what.ends_with("longer") || what.contains("; character") || in_the_body
        }
        _ => of_one(asked, reason),
    }
}

/// Whether the gateway may accept this, though the library refuses it: only where the bytes of the signature are the same.
pub(crate) fn same_signature(asked: &Asked) -> bool {
    asked.what.ends_with(" unpadded")
}

fn of_one(asked: &Asked, reason: Reason) -> bool {
    match asked.provider.as_str() {
        // The library adds the list and the time to the list of signed headers when they are not in it.
        "contentful" => {
            reason == Reason::SignedFieldMalformed && asked.what.ends_with(" of x-contentful-signed-headers changed")
        }
        // The library is given a parsed body, and reads the header's pairs by position.
        "workos" => match reason {
            Reason::SignatureMismatch => asked.what.ends_with("line feed after the body"),
            Reason::SignatureMissing | Reason::TimestampMissing | Reason::SignedFieldMissing => {
                asked.what.contains("character")
            }
            _ => false,
        },
        _ => false,
    }
}
