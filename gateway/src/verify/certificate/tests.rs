//! Chains made by `rcgen`, good and bad.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_367_045_000);

struct Authority {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

fn authority(name: &str, above: Option<&Authority>) -> Authority {
    let key = KeyPair::generate().expect("a key");
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = match above {
        Some(above) => params.signed_by(&key, &above.issuer),
        None => params.self_signed(&key),
    };
    Authority { der: certificate.expect("a certificate").der().to_vec(), issuer: Issuer::new(params, key) }
}

fn leaf(params: &CertificateParams, by: &Authority) -> Vec<u8> {
    let key = KeyPair::generate().expect("a key");
    params.signed_by(&key, &by.issuer).expect("a certificate").der().to_vec()
}

fn roots(root: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(root.der.clone().into()).expect("a root");
    roots
}

fn chain(ders: &[&[u8]]) -> Chain {
    Chain::from_der(ders.iter().map(|der| der.to_vec()).collect()).expect("a chain")
}

#[test]
fn a_chain_must_lead_to_a_root_and_be_valid_all_the_way() {
    let root = authority("root", None);
    let between = authority("between", Some(&root));
    let good = leaf(&params("signer.example"), &between);
    let judged = |ders: &[&[u8]]| chain(ders).ends_in(&roots(&root), NOW);
    assert!(judged(&[&good, &between.der]), "the control");
    assert!(judged(&[&leaf(&params("signer.example"), &root)]), "straight from the root");
    assert!(judged(&[&good, &between.der, &root.der]), "with the root itself");

    assert!(!judged(&[&good]), "one is missing");
    let stranger = authority("root", None);
    let forged = leaf(&params("signer.example"), &stranger);
    assert!(!judged(&[&forged]), "another root of the same name");
    assert!(!judged(&[&forged, &between.der]));
    assert!(!judged(&[&forged, &stranger.der]), "a root that the chain brings along");
    let alone = params("signer.example").self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
    assert!(!judged(&[alone.der()]), "issued by itself");
    assert!(!judged(&[alone.der(), &between.der]));
    // A leaf is no authority, whoever signed it.
    let key = KeyPair::generate().expect("a key");
    let no_authority = params("signer.example").signed_by(&key, &between.issuer).expect("a certificate");
    let under = Authority { der: no_authority.der().to_vec(), issuer: Issuer::new(params("signer.example"), key) };
    let abused = leaf(&params("signer.example"), &under);
    assert!(!judged(&[&abused, &under.der, &between.der]));
    for at in [0, good.len() / 2, good.len() - 1] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        assert!(!judged(&[&changed, &between.der]), "byte {at}");
    }

    for (at, what) in [(1_767_225_599_000, "before"), (1_798_761_601_000, "after")] {
        let at = Timestamp::from_millis(at);
        assert!(!chain(&[&good, &between.der]).ends_in(&roots(&root), at), "{what} its time");
    }
    let mut expired = params("signer.example");
    expired.not_after = date_time_ymd(2026, 11, 1);
    assert!(!judged(&[&leaf(&expired, &between), &between.der]));
}

#[test]
fn a_name_is_an_alternative_one_if_there_are_any_and_else_the_common_one() {
    let root = authority("root", None);
    let names = ["sns.amazonaws.com", "*.paypal.com"].map(|text| text.parse::<HostPattern>().expect("a pattern"));
    let is_of = |params: &CertificateParams| chain(&[&leaf(params, &root)]).is_of(&names);
    for name in ["sns.amazonaws.com", "SNS.amazonaws.com", "messageverificationcerts.paypal.com"] {
        assert!(is_of(&params(name)), "{name}");
    }
    for name in ["sns.amazonaws.com.evil.example", "evil-sns.amazonaws.com", "paypal.com", "a.b.paypal.com", ""] {
        assert!(!is_of(&params(name)), "{name}");
    }
    let alternative = |common: &str, all: &[&str]| {
        let all = all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(all).expect("names");
        params.distinguished_name.push(DnType::CommonName, common);
        params
    };
    assert!(is_of(&alternative("anything", &["other.example", "sns.amazonaws.com"])));
    assert!(!is_of(&alternative("sns.amazonaws.com", &["other.example"])), "the common name doesn't count beside them");
}

#[test]
fn a_pem_text_holds_its_certificates_in_order() {
    let root = authority("root", None);
    let good = leaf(&params("signer.example"), &root);
    let pem =
        |der: &[u8]| format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der));
    let both = format!("{}{}", pem(&good), pem(&root.der));
    let read = Chain::from_pem(both.as_bytes()).expect("two");
    assert_eq!((read.leaf(), read.0.len()), (good.as_slice(), 2));
    let many = pem(&good).repeat(CHAIN_MAX + 1);
    for bad in ["", "text", "-----BEGIN CERTIFICATE-----\nAAAA", &pem(&good).replace('M', "*"), &many] {
        assert!(Chain::from_pem(bad.as_bytes()).is_none());
    }
    assert!(!chain(&[b"no certificate"]).ends_in(&roots(&root), NOW));
    assert!(!chain(&[b"no certificate"]).is_of(&[]));
}
