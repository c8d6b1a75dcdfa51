use super::*;

fn pointer(text: &str) -> Pointer {
    text.parse().expect("a pointer")
}

fn read(text: &str, place: &str) -> Result<Option<String>, Trouble> {
    point(text.as_bytes(), &pointer(place)).map(|value| value.and_then(|value| value.text))
}

const FEED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment --><a:feed xmlns:a="urn:a" xmlns:x="urn:x"><a:id n='1&lt;2'>urn &amp; caf&#233;<![CDATA[<&]]></a:id>
<kind x:type="sf:Account" x:nil="false">é</kind><nil x:nil="true"/><empty/><deep><id>2</id></deep></a:feed>
"#;

#[test]
fn elements_and_attributes_are_found_by_their_local_names() {
    assert_eq!(read(FEED, "/feed/id"), Ok(Some("urn & café<&".into())));
    assert_eq!(read(FEED, "/feed/id/@n"), Ok(Some("1<2".into())));
    assert_eq!(read(FEED, "/feed/kind/@type"), Ok(Some("Account".into())), "a prefix is the sender's own choice");
    assert_eq!(read(FEED, "/feed/empty"), Ok(Some(String::new())));
    assert_eq!(read(FEED, "/feed/nil"), Ok(None));
    assert_eq!(read(FEED, "/feed/deep"), Ok(None), "elements are no text");
    assert_eq!(read(FEED, "/feed/deep/id"), Ok(Some("2".into())));
    assert_eq!(read(FEED, "/id"), Ok(None));
    assert_eq!(read(FEED, "/feed/absent"), Ok(None));
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_not_read() {
    let ok = read("<a><b>1</b><c/><c/></a>", "/a/b");
    assert_eq!(ok, Ok(Some("1".into())), "the positive control: what isn't looked for may stand twice");
    for twice in ["<a><b>1</b><b>2</b></a>", "<a><b>1</b><x:b>2</x:b></a>", "<a><c><b>1</b></c><c/><b/><b/></a>"] {
        assert_eq!(read(twice, "/a/b"), Err(Trouble::Duplicated), "{twice}");
    }
    for bad in [
        "",
        "text",
        "<a><b>1</b>",
        "<a><b>1</a></b>",
        "<a><b>1</b></a><a/>",
        "<a><b>1</b></a>more",
        "more<a><b>1</b></a>",
        "<a><b>1</b></a>&amp;",
        "<a><b>&unknown;</b></a>",
        "<a><b>&#0;</b></a>",
        "<a><b x='1' x='2'>1</b></a>",
        "<!DOCTYPE a><a><b>1</b></a>",
        r#"<!DOCTYPE a [<!ENTITY b "1">]><a><b>&b;</b></a>"#,
        r#"<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a><b>&b;</b></a>"#,
        r#"<?xml version="1.0" encoding="UTF-16"?><a><b>1</b></a>"#,
        r#"<?xml version="1.0" encoding="UTF-7"?><a><b>1</b></a>"#,
    ] {
        assert_eq!(read(bad, "/a/b"), Err(Trouble::Unreadable), "{bad}");
    }
    assert_eq!(point(b"<a><b>\xff</b></a>", &pointer("/a/b")).err(), Some(Trouble::Unreadable));
}

#[test]
fn a_document_may_not_be_deeper_or_wider_than_its_bounds() {
    let nested = |depth: usize| format!("<a>{}{}</a>", "<b>".repeat(depth), "</b>".repeat(depth));
    assert_eq!(read(&nested(63), "/a/x"), Ok(None));
    assert_eq!(read(&nested(64), "/a/x"), Err(Trouble::Unreadable));
    assert_eq!(read(&"<a>".repeat(200_000), "/a/x"), Err(Trouble::Unreadable));
    let wide = |count: usize| format!("<a{}>1</a>", (0..count).map(|n| format!(" n{n}=''")).collect::<String>());
    assert_eq!(read(&wide(64), "/a"), Ok(Some("1".into())));
    assert_eq!(read(&wide(65), "/a"), Err(Trouble::Unreadable));
}

#[test]
fn elements_of_one_name_are_found_with_their_own_bytes() {
    let text = "<e><b>\n<n xmlns='urn:n'><i>1</i></n><x/> <s:n/><n>é</n></b><n>elsewhere</n></e>";
    let found = |name: &str, limit| elements(text.as_bytes(), &pointer(name), limit);
    let ranges = found("/e/b/n", 3).expect("few").expect("elements");
    let parts: Vec<_> = ranges.into_iter().map(|range| &text[range]).collect();
    assert_eq!(parts, ["<n xmlns='urn:n'><i>1</i></n>", "<s:n/>", "<n>é</n>"]);
    assert_eq!(found("/e/b/n", 2), Err(Unsplit::TooMany));
    assert_eq!(found("/e/b/absent", 3), Ok(None));
    assert_eq!(elements(b"{}", &pointer("/e/b/n"), 3), Ok(None));
    assert_eq!(elements(b"<e><b><n/></b><b><n/></b></e>", &pointer("/e/b/n"), 3), Err(Unsplit::Duplicated));
}

#[test]
fn places_within_an_element_start_inside_it() {
    let trie = Trie::new([pointer("/Id"), pointer("/sObject/@type"), pointer("/sObject/Name")].iter());
    let text = b"<n><Id>04l</Id><sObject xsi:type='sf:Lead'><sf:Name>Wile</sf:Name><sf:Id>1</sf:Id></sObject></n>";
    let found = scan_element(&trie, text);
    let read = |place: &str| {
        let value = XmlScan { trie: &trie, found: &found }.get(&pointer(place)).expect("readable");
        value.and_then(|value| value.text.clone())
    };
    assert_eq!(read("/Id").as_deref(), Some("04l"));
    assert_eq!(read("/sObject/@type").as_deref(), Some("Lead"));
    assert_eq!(read("/sObject/Name").as_deref(), Some("Wile"));
}

#[test]
fn a_place_knows_where_its_content_lies() {
    let text = "<a><b x='1'> s&amp;t </b><c/></a>";
    let at = |place: &str| point(text.as_bytes(), &pointer(place)).expect("readable").and_then(|value| value.at);
    assert_eq!(&text[at("/a/b").expect("content")], " s&amp;t ");
    assert_eq!(&text[at("/a/c").expect("content")], "");
    assert_eq!(at("/a/b/@x"), None);
}
