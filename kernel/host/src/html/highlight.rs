//! Colours for Rust source, by the kind of each token.

use proc_macro2::{TokenStream, TokenTree};

use super::escape;

const KEYWORDS: [&str; 37] = [
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern",
    "false", "fn", "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub",
    "ref", "return", "self", "Self", "static", "struct", "super", "trait", "true", "type",
    "unsafe", "use", "where",
];

/// The source as HTML. Text that is not made of Rust's tokens stays plain.
pub fn rust(source: &str) -> String {
    let Ok(tokens) = source.parse::<TokenStream>() else {
        return escape(source);
    };
    let mut marks = Vec::new();
    collect(tokens, &mut marks);
    marks.sort_by_key(|mark| mark.0);
    let mut html = String::with_capacity(source.len() * 2);
    let mut position = 0;
    for (start, end, class) in marks {
        if start < position || end > source.len() {
            continue;
        }
        html.push_str(&comments(&source[position..start]));
        html.push_str(&format!(
            "<span class=\"{class}\">{}</span>",
            escape(&source[start..end])
        ));
        position = end;
    }
    html.push_str(&comments(&source[position..]));
    proc_macro2::extra::invalidate_current_thread_spans();
    html
}

fn collect(tokens: TokenStream, marks: &mut Vec<(usize, usize, &'static str)>) {
    for tree in tokens {
        let range = tree.span().byte_range();
        match tree {
            TokenTree::Group(group) => collect(group.stream(), marks),
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                if KEYWORDS.contains(&name.as_str()) {
                    marks.push((range.start, range.end, "keyword"));
                } else if name.starts_with(char::is_uppercase) {
                    marks.push((range.start, range.end, "type"));
                }
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let class = if text.starts_with(|first: char| first.is_ascii_digit()) {
                    "number"
                } else {
                    "string"
                };
                marks.push((range.start, range.end, class));
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// Comments lie between the tokens.
fn comments(between: &str) -> String {
    let mut html = String::new();
    for line in between.split_inclusive('\n') {
        match line.find("//") {
            Some(start) => {
                let text = line[start..].trim_end_matches('\n');
                html.push_str(&escape(&line[..start]));
                html.push_str(&format!("<span class=\"comment\">{}</span>", escape(text)));
                html.push_str(&line[start + text.len()..]);
            }
            None => html.push_str(&escape(line)),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_marked_and_nothing_is_lost() {
        let html = rust("let x = \"<a>\"; // why\nf(1.5)");
        assert_eq!(
            html,
            "<span class=\"keyword\">let</span> x = <span class=\"string\">&quot;&lt;a&gt;&quot;</span>; \
             <span class=\"comment\">// why</span>\nf(<span class=\"number\">1.5</span>)"
        );
        assert_eq!(rust("let ("), "let (");
    }
}
