//! What of a source counts for the build id.

#[path = "../tokens.rs"]
mod tokens;

#[test]
fn comments_and_layout_do_not_count_and_all_else_does() {
    let source =
        "//! A module.\n\n/// Adds.\n#[inline]\npub fn add(a: u8) -> u8 {\n    a + 1 // one\n}\n";
    let same = "#![doc = \"Another.\"]\n#[inline] pub fn add(a: u8) -> u8 { /* text */ a + 1 }";
    assert_eq!(tokens::of(source), tokens::of(same));
    for (from, to) in [
        ("a + 1", "a + 2"),
        ("#[inline]\n", ""),
        ("-> u8", "-> u16"),
        ("a + 1", "a +(1)"),
        ("pub fn", "fn"),
    ] {
        let other = source.replacen(from, to, 1);
        assert_ne!(tokens::of(source), tokens::of(&other), "{from}, {to}");
    }
    let joint = |text: &str| tokens::of(&format!("fn f() -> bool {{ {text} }}"));
    assert_ne!(joint("a < - b"), joint("a <- b"));
    assert_ne!(joint("\"a  b\""), joint("\"a b\""));
    assert_ne!(
        tokens::of("#[doc(hidden)] fn f() {}"),
        tokens::of("fn f() {}")
    );
}
