use super::*;

fn redaction(json: &[&str], xml: &[&str], item: &[&str], batch: Option<(&str, BatchForm)>) -> Redaction {
    let pointers = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a pointer")).collect();
    let batch = batch.map(|(items, form)| Batch {
        items: vec![items.parse().expect("a pointer")],
        form,
        discriminator: Vec::new(),
    });
    Redaction { json: pointers(json), xml: pointers(xml), item: pointers(item), batch }
}

fn overwritten(redaction: &Redaction, text: &'static str) -> Result<String, Trouble> {
    let redacted = redaction.overwrite(&Bytes::from_static(text.as_bytes()))?;
    assert_eq!(redacted.bytes.len(), text.len(), "the same length");
    Ok(String::from_utf8(redacted.bytes.to_vec()).expect("text"))
}

#[test]
fn a_secret_in_json_is_overwritten_in_place_and_nothing_else_is() {
    let one = redaction(&["/token", "/a/b"], &[], &[], None);
    for (before, after) in [
        (r#"{ "token" : "s3cret", "x":[1]}"#, r#"{ "token" : "******", "x":[1]}"#),
        (r#"{"token":"\u0073\"é"}"#, r#"{"token":"**********"}"#),
        (r#"{"token":12345,"a":{"b":"xy"}}"#, r#"{"token":"***","a":{"b":"**"}}"#),
        (r#"{"token":{"a":[true]}}"#, r#"{"token":"**********"}"#),
        (r#"{"token":7}"#, r#"{"token":0}"#),
        (r#"{"token":""}"#, r#"{"token":""}"#),
        (r#"{"token":null,"tokens":"kept"}"#, r#"{"token":null,"tokens":"kept"}"#),
    ] {
        assert_eq!(overwritten(&one, before).as_deref(), Ok(after));
        assert!(serde_json::from_str::<serde_json::Value>(after).is_ok(), "{after} is still JSON");
    }
    assert_eq!(overwritten(&one, r#"{"token":"a","token":"b"}"#), Err(Trouble::Duplicated));
    assert_eq!(overwritten(&one, r#"{"token":"a""#), Err(Trouble::Unreadable));
}

#[test]
fn each_item_of_a_batch_is_redacted_on_its_own() {
    let array = redaction(&[], &[], &["/s"], Some(("/v", BatchForm::Array)));
    let text = r#"{"v":[{"s":"one","n":1},{"n":2},{"n":3,"s":"three"}]}"#;
    assert_eq!(overwritten(&array, text).as_deref(), Ok(r#"{"v":[{"s":"***","n":1},{"n":2},{"n":3,"s":"*****"}]}"#));
    let redacted = array.overwrite(&Bytes::from_static(text.as_bytes())).expect("redacted");
    let touched = [5..22, 24..31, 32..50].map(|part| redacted.touches(&part));
    assert_eq!(touched, [true, false, true]);
    let lines = redaction(&[], &[], &["/s"], Some(("", BatchForm::Lines)));
    let after = overwritten(&lines, "{\"s\":\"ab\"}\n{\"s\":\"cd\"}\n");
    assert_eq!(after.as_deref(), Ok("{\"s\":\"**\"}\n{\"s\":\"**\"}\n"));
    assert_eq!(overwritten(&array, r#"{"v":[{"s":"a","s":"b"}]}"#), Err(Trouble::Duplicated));
    assert_eq!(overwritten(&array, r#"{"v":[{"s":"a"}"#), Err(Trouble::Unreadable));
}

#[test]
fn a_secret_in_xml_is_overwritten_in_place() {
    let whole = redaction(&[], &["/e/s"], &["/t"], Some(("/e/n", BatchForm::Elements)));
    let after = overwritten(&whole, "<e><s>a&amp;b</s><n><t>xyz</t></n><n><i>1</i></n></e>");
    assert_eq!(after.as_deref(), Ok("<e><s>*******</s><n><t>***</t></n><n><i>1</i></n></e>"));
    let nothing = "<e><s/><n/></e>";
    assert_eq!(overwritten(&whole, nothing).as_deref(), Ok(nothing));
    assert_eq!(overwritten(&whole, "<e><s>a</s><s>b</s></e>"), Err(Trouble::Duplicated));
    assert_eq!(overwritten(&whole, "<e><s>a</s>"), Err(Trouble::Unreadable));
}
