//! Other secrets than the right one.

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepost_config::{Secret, Timestamp};

use crate::{
    attempt::{Attempt, flipped},
    subject::{Subject, shifted},
    tally::Tally,
};

impl Subject {
    /// A secret of the same form as the right one.
    pub(crate) fn other_secret(&self) -> Vec<u8> {
        let text = &self.vector.secret;
        let change = |c: char| match c {
            '0'..='8' => char::from(c as u8 + 1),
            '9' => '0',
            'a'..='e' | 'A'..='E' => char::from(c as u8 + 1),
            'f' => 'a',
            'F' => 'A',
            c => c,
        };
        let from = text.find('_').map_or(0, |at| at + 1);
        let (kept, changed) = text.split_at(from.min(text.len().saturating_sub(8)));
        format!("{kept}{}", changed.chars().map(change).collect::<String>()).into_bytes()
    }
}

/// Tries secrets that must not prove the request.
pub(crate) fn prove(subject: &Subject, all: &[Subject], tally: &mut Tally) {
    let genuine = &subject.genuine;
    let right = subject.secret().expose().to_vec();
    let mut bad = |class, secret: &[u8]| tally.bad(subject, class, &genuine.with_secrets(&[secret]));
    bad("secret: another", &subject.other_secret());
    // A public key may be written in several ways, and a certificate has parts that don't count.
    let is_public = subject.scheme.as_ref().is_some_and(|scheme| scheme.is_by_public_key());
    if !is_public {
        for at in [0, right.len() / 2, right.len() - 1] {
            // The low bits of base64's last character may stand for nothing.
            bad("secret: a bit flipped", &flipped(&right, at, 4));
        }
        bad("secret: doubled", &right.repeat(2));
        bad("secret: in base64", STANDARD.encode(&right).as_bytes());
    }
    bad("secret: its last half lost", &right[..right.len() / 2]);
    bad("secret: its first byte lost", &right[1..]);
    bad("secret: empty", b"");
    bad("secret: reversed", &right.iter().rev().copied().collect::<Vec<_>>());
    bad("secret: in hexadecimal", right.iter().map(|byte| format!("{byte:02x}")).collect::<String>().as_bytes());
    if subject.scheme.as_ref().is_some_and(|scheme| scheme.is_of_text()) {
        bad("secret: a line feed after it", &[&right[..], b"\n"].concat());
        bad("secret: a space before it", &[b" ", &right[..]].concat());
        bad("secret: quoted", &[b"\"", &right[..], b"\""].concat());
    }
    // One public key is shown in several ways by vectors of one provider.
    let same_key = |other: &Subject| is_public && other.provider.name == subject.provider.name;
    let others = all.iter().filter(|other| other.vector.secret != subject.vector.secret && !same_key(other));
    for other in others.take(24) {
        bad("secret: another provider's", other.vector.secret.as_bytes());
    }
    tally.bad(subject, "secret: none", &genuine.with_secrets(&[]));
    for millis in [0, -1, -86_400_000] {
        let expired = Secret::clone(subject.secret()).expiring(shifted(genuine.at, millis));
        tally.bad(subject, "secret: expired", &Attempt { secrets: Some(vec![expired]), ..genuine.clone() });
    }
    let not_yet = subject.secret().clone().expiring(Timestamp::from_millis(genuine.at.millis() + 1));
    tally.good(subject, "just before the secret expires", &Attempt { secrets: Some(vec![not_yet]), ..genuine.clone() });
    let two = genuine.with_secrets(&[&subject.other_secret(), b"and another wrong one"]);
    tally.bad(subject, "secret: several wrong ones", &two);
}

/// Whether a scheme's key is the very text of the secret.
trait OfText {
    fn is_of_text(&self) -> bool;
    /// Whether the secret is a public key.
    fn is_by_public_key(&self) -> bool;
}

impl OfText for gatepost_config::provider::Scheme {
    fn is_by_public_key(&self) -> bool {
        use gatepost_config::provider::SchemeKind;
        matches!(self.kind, SchemeKind::PublicKey { .. } | SchemeKind::Jwt(_)) && self.kind.key().is_none()
    }

    fn is_of_text(&self) -> bool {
        use gatepost_config::provider::{KeyForm, SchemeKind};
        match &self.kind {
            SchemeKind::Token { .. } => true,
            kind => kind.key().is_some_and(|key| key.form == KeyForm::Utf8),
        }
    }
}
