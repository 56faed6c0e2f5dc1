//! Documented shapes against those of tensors: `logits [batch, classes] or [batch, classes, height, width]; result []`.

use std::collections::BTreeMap;

use candle_core::Tensor;

/// A shape in the documentation and the words before it.
struct Documented<'a> {
    words: Vec<&'a str>,
    dims: Vec<&'a str>,
}

/// Checks each tensor whose name is documented with a shape. Equal names of axes stand for equal sizes.
pub(super) fn check<'a>(
    documentation: &str,
    tensors: impl Iterator<Item = &'a (String, Tensor)>,
) -> Result<(), String> {
    let documented = read(documentation);
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut found = 0;
    for (name, tensor) in tensors {
        let of = |documented: &&Documented<'_>| {
            name.split(' ').all(|part| documented.words.contains(&part))
        };
        let shapes: Vec<&Documented<'_>> = documented.iter().filter(of).collect();
        found += usize::from(mentions(documentation, name));
        if shapes.is_empty() || says_more(documentation, name) {
            continue;
        }
        let fitting = shapes
            .iter()
            .find_map(|shape| fit(&shape.dims, tensor.dims(), &sizes));
        match fitting {
            Some(bound) => sizes = bound,
            None => {
                return Err(format!(
                    "{name} has shape {:?}, which is none of those that the description gives it ({documentation}); the axes so far \
                     are {sizes:?}",
                    tensor.dims()
                ));
            }
        }
    }
    match found {
        0 => Err(format!(
            "no name of an input or output is in the documented shapes, `{documentation}`: name them there, each with its shape"
        )),
        _ => Ok(()),
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn mentions(documentation: &str, name: &str) -> bool {
    let words: Vec<&str> = documentation
        .split(|character| !is_word(character))
        .collect();
    name.split(' ').all(|part| words.contains(&part))
}

/// Whether the part of the documentation that a name is in refers to another tensor's shape in words.
fn says_more(documentation: &str, name: &str) -> bool {
    let parts = documentation.split(';').filter(|part| mentions(part, name));
    parts
        .into_iter()
        .any(|part| part.contains("shape") || part.contains("alike") || part.contains("any number"))
}

/// The shapes, each with the words in front of it; behind `or` those of the one before, too.
fn read(documentation: &str) -> Vec<Documented<'_>> {
    let mut found: Vec<Documented<'_>> = Vec::new();
    let mut rest = documentation;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((dims, behind)) = after.split_once(']') else {
            break;
        };
        let phrase = before
            .rsplit([',', ';', ':', '(', ')'])
            .next()
            .unwrap_or(before);
        let mut words: Vec<&str> = phrase.split(|character| !is_word(character)).collect();
        words.retain(|word| !word.is_empty());
        if let (["or"], Some(last)) = (words.as_slice(), found.last()) {
            words = last.words.clone();
        }
        let dims = match dims.trim() {
            "" => Vec::new(),
            dims => dims.split(',').map(str::trim).collect(),
        };
        found.push(Documented { words, dims });
        rest = behind;
    }
    found
}

/// The sizes of axes, if a shape fits.
fn fit<'a>(
    documented: &[&'a str],
    dims: &[usize],
    sizes: &BTreeMap<&'a str, usize>,
) -> Option<BTreeMap<&'a str, usize>> {
    let mut sizes = sizes.clone();
    // `...` stands for any axes.
    if let Some(at) = documented.iter().position(|axis| *axis == "...") {
        let behind = documented.len() - at - 1;
        let fixed = dims.len().checked_sub(behind)?;
        return fit(&documented[at + 1..], &dims[fixed..], &sizes);
    }
    if documented.len() != dims.len() {
        return None;
    }
    for (axis, &size) in documented.iter().zip(dims) {
        let axis = *axis;
        let numbers: Vec<usize> = axis
            .split(" to ")
            .filter_map(|part| part.parse().ok())
            .collect();
        let fits = match numbers.as_slice() {
            [number] => *number == size,
            [least, most] => (*least..=*most).contains(&size),
            _ if axis.chars().all(is_word) => *sizes.entry(axis).or_insert(size) == size,
            _ => match sum(axis, &sizes) {
                Some(sum) => sum == size,
                None => true,
            },
        };
        if !fits {
            return None;
        }
    }
    Some(sizes)
}

/// The value of `lookback + horizon`, where all of its parts are known.
fn sum(axis: &str, sizes: &BTreeMap<&str, usize>) -> Option<usize> {
    axis.split('+')
        .map(|part| sizes.get(part.trim()).copied())
        .sum()
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    fn told(documentation: &str, tensors: &[(&str, &[usize])]) -> Result<(), String> {
        let tensors: Vec<(String, Tensor)> = tensors
            .iter()
            .map(|(name, dims)| {
                let tensor = Tensor::zeros(*dims, DType::F32, &Device::Cpu).unwrap();
                ((*name).to_owned(), tensor)
            })
            .collect();
        check(documentation, tensors.iter())
    }

    #[test]
    fn shapes_are_compared_with_their_documentation() {
        let text = "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width]; result []";
        told(
            text,
            &[("logits", &[2, 3]), ("target", &[2]), ("result", &[])],
        )
        .unwrap();
        told(text, &[("logits", &[2, 3, 4, 5]), ("target", &[2, 4, 5])]).unwrap();
        assert!(told(text, &[("logits", &[2, 3]), ("target", &[3])]).is_err());
        assert!(told(text, &[("result", &[1])]).is_err());
        assert!(
            told(text, &[("features", &[1])])
                .unwrap_err()
                .contains("no name of an input")
        );
        let text = "past [batch, lookback]; forecast [batch, horizon, 1]; known [batch, lookback + horizon, n]";
        let past = ("past", &[2usize, 4][..]);
        told(
            text,
            &[past, ("forecast", &[2, 3, 1]), ("known", &[2, 7, 5])],
        )
        .unwrap();
        assert!(told(text, &[past, ("forecast", &[2, 3, 2])]).is_err());
        assert!(
            told(
                text,
                &[past, ("forecast", &[2, 3, 1]), ("known", &[2, 6, 5])]
            )
            .is_err()
        );
        told(
            "prediction [..., levels]; images [batch, 1 to 4]",
            &[("prediction", &[2, 3, 5]), ("images", &[1, 4])],
        )
        .unwrap();
        assert!(told("images [batch, 1 to 4]", &[("images", &[1, 5])]).is_err());
    }
}
