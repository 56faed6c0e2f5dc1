//! A network as text, in the form of PyTorch's `print(model)`.

use patchbay_show::{MimeBundle, show};

use super::{Network, Part};

/// A line of the text.
#[derive(Clone, PartialEq)]
struct Line {
    depth: usize,
    text: String,
    /// The number of values in the parameters of a layer.
    count: Option<usize>,
}

/// Shows a network as text: its layers with their settings, and the number of parameters of each.
pub fn show_network(network: &dyn Network) -> MimeBundle {
    show::plain_text(text(network))
}

fn text(network: &dyn Network) -> String {
    let lines = lines_of(network);
    let total = grouped(network.num_parameters());
    let [only] = &lines[..] else {
        let width = |line: &Line| 2 * line.depth + line.text.chars().count();
        let widest = lines
            .iter()
            .filter(|line| line.count.is_some())
            .map(width)
            .max();
        let digits = lines
            .iter()
            .filter_map(|line| line.count)
            .map(|n| grouped(n).len())
            .max();
        let mut text = String::new();
        for line in &lines {
            text += &" ".repeat(2 * line.depth);
            text += &line.text;
            if let (Some(count), Some(widest), Some(digits)) = (line.count, widest, digits) {
                text += &" ".repeat(widest - width(line));
                text += &format!("  {:>digits$}", grouped(count));
            }
            text.push('\n');
        }
        return text + &total + " parameters";
    };
    match only.count {
        Some(0) | None => only.text.clone(),
        Some(_) => format!("{}  {total} parameters", only.text),
    }
}

fn lines_of(network: &dyn Network) -> Vec<Line> {
    let (name, settings) = (network.type_name(), network.settings());
    let mut blocks: Vec<(String, Vec<Line>)> = Vec::new();
    for part in network.parts() {
        match part {
            Part::Network { name, network } => blocks.push((name, lines_of(network))),
            // The tensors of a layer with settings follow from these.
            Part::Tensor { .. } if !settings.is_empty() => {}
            Part::Tensor {
                name,
                tensor,
                is_parameter,
            } => {
                let kind = if is_parameter { "Parameter" } else { "Buffer" };
                let text = format!("{kind}({:?}, {})", tensor.dims(), tensor.dtype().as_str());
                let count = is_parameter.then(|| tensor.elem_count());
                blocks.push((
                    name,
                    vec![Line {
                        depth: 0,
                        text,
                        count,
                    }],
                ));
            }
        }
    }
    let line = |text: String, count| Line {
        depth: 0,
        text,
        count,
    };
    if blocks.is_empty() {
        let count = network.num_parameters();
        return vec![line(format!("{name}({settings})"), Some(count))];
    }
    let mut lines = vec![line(format!("{name}({settings}"), None)];
    let mut index = 0;
    while index < blocks.len() {
        // Equal ones in a row of a list are one line: (0-3): 4 x Linear(...).
        let same = blocks[index..]
            .iter()
            .take_while(|block| block.1 == blocks[index].1);
        let times = if network.is_list() { same.count() } else { 1 };
        let (label, block) = &blocks[index];
        let head = match times {
            1 => format!("({label}): "),
            _ => format!("({label}-{}): {times} x ", blocks[index + times - 1].0),
        };
        lines.extend(block.iter().enumerate().map(|(row, inner)| Line {
            depth: inner.depth + 1,
            text: if row == 0 {
                head.clone() + &inner.text
            } else {
                inner.text.clone()
            },
            count: inner.count.map(|count| count * times),
        }));
        index += times;
    }
    lines.push(line(")".to_owned(), None));
    lines
}

/// A number with its thousands set off: 1,234.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
