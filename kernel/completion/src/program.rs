//! The program that rust-analyzer sees for a cell.

use std::fmt::Write;

use patchbay_engine::{
    Engine,
    directive::{Part, Timing, names_of, split},
    magic::Magics,
};

/// A program with the cell in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub text: String,
    /// Where the cell begins in it.
    pub offset: usize,
}

/// The program: the earlier items, the earlier variables as parameters, the cell as the body. Lines that
/// are not Rust are blank, so that all positions stay.
pub fn view(engine: &Engine, magics: Magics, code: &str) -> View {
    let mut text = String::from("#![allow(unused)]\nuse ::patchbay::prelude::*;\n");
    for item in engine.sound_items() {
        text.push_str(item.text());
        text.push('\n');
    }
    text.push_str("async fn __cell(");
    for (name, variable) in &engine.variables {
        let mutable = if variable.mutable { "mut " } else { "" };
        let _ = write!(text, "{mutable}{name}: {}, ", variable.type_text);
    }
    text.push_str(") -> ::std::result::Result<(), ::std::boxed::Box<dyn ::std::error::Error>> {\n");
    let offset = text.len();
    text.push_str(&without_magics(engine, magics, code));
    text.push_str("\n;::std::result::Result::Ok(())\n}\n");
    View { text, offset }
}

/// A cell with its magics made blank, byte by byte.
fn without_magics(engine: &Engine, magics: Magics, code: &str) -> String {
    let (magic, parts) = split(code, magics, &names_of(engine));
    let mut lines: Vec<String> = code.split_inclusive('\n').map(str::to_owned).collect();
    let blank = |line: &mut String| {
        *line = line
            .bytes()
            .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
            .collect();
    };
    if magic.is_some() {
        lines.first_mut().into_iter().for_each(blank);
    }
    for part in &parts {
        match part {
            Part::Directive(directive) => {
                let further = directive.argument.matches('\n').count();
                lines
                    .iter_mut()
                    .skip(directive.line as usize)
                    .take(1 + further)
                    .for_each(blank);
            }
            Part::Rust {
                text,
                first_line,
                timing,
            } if *timing != Timing::No => {
                // `%time STATEMENT`: the statement has its columns already.
                if let Some(line) = lines.get_mut(*first_line as usize) {
                    let rest = line.len().saturating_sub(text.trim_end_matches('\n').len());
                    *line = text.trim_end_matches('\n').to_owned();
                    line.push_str(&if rest > 0 { "\n" } else { "" }.repeat(usize::from(rest > 0)));
                }
            }
            Part::Rust { .. } => {}
        }
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use patchbay_engine::magic::{Argument, Magic};

    use super::*;

    const MAGICS: Magics = Magics(|| {
        &[&Magic {
            names: &["%time"],
            usage: "",
            summary: "",
            argument: Argument::Statement(Timing::Once),
            changes_programs: false,
            is_listed: true,
            evcxr: None,
        }]
    });

    #[test]
    fn magics_are_blank_and_positions_stay() {
        let code = "%who\nlet a = 1;\n:vars\n%time f(a)\na.";
        let blank = without_magics(&Engine::default(), MAGICS, code);
        assert_eq!(blank, "    \nlet a = 1;\n     \n      f(a)\na.");
        assert_eq!(blank.len(), code.len());
        assert_eq!(
            without_magics(&Engine::default(), MAGICS, "%%time\nx"),
            "      \nx"
        );
    }

    #[test]
    fn the_cell_stands_behind_what_it_can_use() {
        let view = view(&Engine::default(), MAGICS, "x.");
        assert_eq!(&view.text[view.offset..view.offset + 2], "x.");
    }
}
