//! Markdown cells: CommonMark with tables, strikethrough, task lists, footnotes and formulas.

use std::path::Path;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd, html};
use serde_json::Value;

use super::{code, escape::escape, images};
use crate as notebook;

/// The text as HTML. Pictures from the cell's attachments and from files beside the notebook
/// become part of it.
pub fn to_html(source: &str, attachments: Option<&Value>, folder: &Path) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_MATH;
    let mut rust_block: Option<String> = None;
    let events = Parser::new_ext(source, options).filter_map(|event| match event {
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language)))
            if language.split(',').next() == Some("rust") =>
        {
            rust_block = Some(String::new());
            None
        }
        Event::Text(text) if rust_block.is_some() => {
            rust_block.get_or_insert_default().push_str(&text);
            None
        }
        Event::End(TagEnd::CodeBlock) if rust_block.is_some() => {
            let block = rust_block.take().unwrap_or_default();
            let html = format!(
                "<pre><code>{}</code></pre>\n",
                code::highlight(block.trim_end())
            );
            Some(Event::Html(html.into()))
        }
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let dest_url = picture(&dest_url, attachments, folder).map_or(dest_url, CowStr::from);
            Some(Event::Start(Tag::Image {
                link_type,
                dest_url,
                title,
                id,
            }))
        }
        // There is no typesetter in the page; the source of a formula is readable as it stands.
        Event::InlineMath(formula) => Some(Event::InlineHtml(
            format!("<code class=\"math\">{}</code>", escape(&formula)).into(),
        )),
        Event::DisplayMath(formula) => Some(Event::InlineHtml(
            format!(
                "<code class=\"math display\">{}</code>",
                escape(formula.trim())
            )
            .into(),
        )),
        other => Some(other),
    });
    let mut page = String::new();
    html::push_html(&mut page, events);
    page
}

fn picture(reference: &str, attachments: Option<&Value>, folder: &Path) -> Option<String> {
    let Some(name) = reference.strip_prefix("attachment:") else {
        return images::file_address(reference, folder);
    };
    let bundle = attachments?.get(name)?.as_object()?;
    let (mime, data) = bundle.iter().next()?;
    let data = notebook::text(data);
    let is_type = |mime: &str| {
        mime.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/+.-".contains(&byte))
    };
    match mime.as_str() {
        "image/svg+xml" => Some(images::address(mime, data.as_bytes())),
        mime if is_type(mime) => images::base64_address(mime, &data),
        _ => None,
    }
}
