use std::path::Path;

use serde_json::json;

use super::*;

fn highlighted(source: &str) -> String {
    code::highlight(source)
}

#[test]
fn what_could_be_markup_is_escaped() {
    assert_eq!(
        escape("<a href='x'>&\"\0</a>\n"),
        "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd}&lt;/a&gt;\n"
    );
    assert_eq!(
        ansi::to_html("<b>&\x1b[1m<i>"),
        "&lt;b&gt;&amp;<span class=\"ansi-bold\">&lt;i&gt;</span>"
    );
}

#[test]
fn colors_become_spans() {
    assert_eq!(
        ansi::to_html("\x1b[31merr\x1b[0m ok"),
        "<span class=\"ansi-fg-1\">err</span> ok"
    );
    assert_eq!(
        ansi::to_html("\x1b[1;4;38;5;208mx"),
        "<span class=\"ansi-bold ansi-underlined\" style=\"color:rgb(255,135,0);\">x</span>"
    );
    assert_eq!(
        ansi::to_html("\x1b[48;2;1;2;3mx"),
        "<span style=\"background-color:rgb(1,2,3);\">x</span>"
    );
    assert_eq!(
        ansi::to_html("\x1b[38:5:9mx\x1b[39my"),
        "<span class=\"ansi-fg-9\">x</span>y"
    );
    assert_eq!(
        ansi::to_html("\x1b[7;32mx"),
        "<span class=\"ansi-inverse-fg ansi-bg-2\">x</span>"
    );
    // A style goes on in the next line, in a span of its own.
    assert_eq!(
        ansi::to_html("\x1b[32ma\nb\x1b[m"),
        "<span class=\"ansi-fg-2\">a</span>\n<span class=\"ansi-fg-2\">b</span>"
    );
}

#[test]
fn other_sequences_leave_nothing() {
    assert_eq!(
        ansi::to_html("\x1b]8;;http://x\x07link\x1b]8;;\x07\x1b[2J\x1b[?25l!"),
        "link!"
    );
    assert_eq!(ansi::to_html("long\rab"), "abng");
    assert_eq!(ansi::to_html("long\r\x1b[Kab"), "ab");
    assert_eq!(ansi::to_html("\x1b[38;5mx\x1b["), "x");
}

#[test]
fn rust_is_colored_by_kind() {
    assert_eq!(
        highlighted("let x: f32 = 1.5e-3;"),
        "<span class=\"keyword\">let</span> x: <span class=\"type\">f32</span> = <span class=\"number\">1.5e-3</span>;"
    );
    assert_eq!(
        highlighted("println!(\"a \\\" {}\", 0..10)"),
        "<span class=\"macro\">println!</span>(<span class=\"string\">&quot;a \\&quot; {}&quot;</span>, \
         <span class=\"number\">0</span>..<span class=\"number\">10</span>)"
    );
    assert_eq!(
        highlighted("&'a 'x' '\\n' b'q'")
            .matches("class=\"string\"")
            .count(),
        3
    );
    assert!(highlighted("&'static str").contains("<span class=\"lifetime\">&#39;static</span>"));
    assert_eq!(
        highlighted("r#\"a \" b\"# c"),
        "<span class=\"string\">r#&quot;a &quot; b&quot;#</span> c"
    );
    assert_eq!(
        highlighted("/* a /* b */ c */ d"),
        "<span class=\"comment\">/* a /* b */ c */</span> d"
    );
    assert_eq!(highlighted("x != y"), "x != y");
}

#[test]
fn magics_are_known_at_the_start_of_a_line_only() {
    assert_eq!(
        highlighted("%time a % b"),
        "<span class=\"magic\">%time a % b</span>"
    );
    assert!(highlighted("1;\n  :vars").ends_with("<span class=\"magic\">:vars</span>"));
    assert_eq!(highlighted("a\n% b"), "a\n% b");
    assert_eq!(highlighted("!ls"), "<span class=\"magic\">!ls</span>");
}

#[test]
fn highlighting_loses_no_text() {
    let odd = "\"open\n'\\ r#\"x\n#[a(\n/* open é 🦀 1.e 'é' b\"";
    let html = highlighted(odd);
    let mut text = String::new();
    let mut rest = html.as_str();
    while let Some((before, after)) = rest.split_once("<span class=") {
        text.push_str(before);
        rest = after.split_once('>').unwrap().1;
    }
    text.push_str(rest);
    assert_eq!(text.replace("</span>", ""), escape(odd));
}

#[test]
fn markdown_takes_pictures_into_the_page() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dot.svg"), "<svg/>").unwrap();
    let attachments = json!({"a.png": {"image/png": "iVBO\nRw0="}});
    let html = markdown::to_html(
        "![](dot.svg) ![](attachment:a.png) ![](https://example.org/x.png) ![](gone.png)\n\n|a|\n|-|\n|b|\n\n$x<y$",
        Some(&attachments),
        folder.path(),
    );
    assert!(
        html.contains("src=\"data:image/svg+xml;base64,PHN2Zy8+\""),
        "{html}"
    );
    assert!(
        html.contains("src=\"data:image/png;base64,iVBORw0=\""),
        "{html}"
    );
    assert!(html.contains("src=\"https://example.org/x.png\""), "{html}");
    assert!(html.contains("src=\"gone.png\""), "{html}");
    assert!(html.contains("<table>"), "{html}");
    assert!(
        html.contains("<code class=\"math\">x&lt;y</code>"),
        "{html}"
    );
}

#[test]
fn what_is_no_base64_is_no_picture() {
    let hostile = "AAAA\" onerror=\"alert(1)";
    let root = json!({
        "cells": [
            {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": "x", "outputs": [
                {"output_type": "display_data", "data": {"image/png": hostile}, "metadata": {}},
                {"output_type": "display_data", "data": {"image/jpeg": ["AA\n", "AA=\n"]}, "metadata": {}},
            ]},
            {"cell_type": "markdown", "metadata": {}, "source": "![a](attachment:a) ![b](attachment:b)",
             "attachments": {"a": {"image/png": hostile}, "b": {"x\" onerror=\"alert(2)": "AAAA"}}},
        ],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
    });
    let notebook = Notebook::parse(&root.to_string(), Path::new("nb.ipynb")).unwrap();
    let page = page(&notebook, Path::new("."), "title");
    assert!(!page.contains("onerror"), "{page}");
    assert!(page.contains("image/png that is not base64"), "{page}");
    assert!(
        page.contains("src=\"data:image/jpeg;base64,AAAA=\""),
        "{page}"
    );
}

#[test]
fn pictures_outside_of_the_folder_stay_where_they_are() {
    let outside = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.png");
    std::fs::write(&secret, b"secret").unwrap();
    std::fs::create_dir(folder.path().join("figures")).unwrap();
    std::fs::write(folder.path().join("figures/own.png"), b"own").unwrap();
    std::os::unix::fs::symlink(&secret, folder.path().join("link.png")).unwrap();
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    let own = folder.path().join("figures/own.png");
    for (reference, is_embedded) in [
        (secret.to_str().unwrap(), false),
        (&format!("../{name}/secret.png"), false),
        ("figures/../link.png", false),
        ("figures/own.png", true),
        ("./figures/../figures/own.png", true),
        (own.to_str().unwrap(), true),
    ] {
        let html = markdown::to_html(&format!("![x]({reference})"), None, folder.path());
        assert_eq!(
            html.contains("data:image/png"),
            is_embedded,
            "{reference}: {html}"
        );
    }
}

#[test]
fn a_line_of_any_length_is_written_as_it_is() {
    let long = "a<".repeat(300_000);
    let html = ansi::to_html(&format!("{long}\rX\nnext"));
    assert!(html.ends_with("\nnext"));
    assert_eq!(html.matches("&lt;").count(), 300_000);
    let code = code::highlight(&"1+".repeat(300_000));
    assert_eq!(code.matches("number").count(), 300_000);
}

#[test]
fn a_page_shows_the_best_representation_of_each_output() {
    let root = json!({
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["intro\n", "# A & B\n", "```rust\nlet x = 1;\n```"]},
            {"cell_type": "code", "execution_count": 4, "metadata": {}, "source": "x", "outputs": [
                {"output_type": "execute_result", "data": {"text/plain": "1", "text/html": ["<b>1", "</b>"]}, "metadata": {}},
                {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "a \"plot\""},
                 "metadata": {"image/png": {"width": 320}}},
                {"output_type": "display_data", "data": {"application/x-own": {}}, "metadata": {}},
                {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\u{1b}[31mred\u{1b}[0m"]},
            ]},
        ],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
    });
    let notebook = Notebook::parse(&root.to_string(), Path::new("nb.ipynb")).unwrap();
    let page = page(&notebook, Path::new("."), "fallback");
    for expected in [
        "<title>A &amp; B</title>",
        "<span class=\"keyword\">let</span> x = <span class=\"number\">1</span>;",
        "<span class=\"prompt\">[4]</span>",
        "<div class=\"rich\"><b>1</b></div>",
        "<img src=\"data:image/png;base64,AAAA\" alt=\"a &quot;plot&quot;\" width=\"320\">",
        "an output of type application/x-own, which this page cannot show",
        "<pre class=\"error\"><span class=\"ansi-fg-1\">red</span></pre>",
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    assert!(
        !page.contains("<script"),
        "the page has no scripts of its own"
    );
}
