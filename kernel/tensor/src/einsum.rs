//! Sums of products by letters: `torch.einsum`.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, bail};
use patchbay_ops::sum_keepdim;

/// A dimension: a letter, or one of those that `...` stands for, counted from the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// A tensor with a label for each dimension.
struct Operand {
    tensor: Tensor,
    labels: Vec<Label>,
}

/// Sums products of elements as the letters of the equation say: `torch::einsum("bhid,bhjd->bhij", &[&q, &k])?`.
///
/// Each letter is a dimension. What is not behind the arrow is summed; without an arrow those letters are, in alphabetical order,
/// that stand once. `...` stands for any dimensions, which are broadcast. A letter that one tensor has twice is its diagonal. The
/// operands are multiplied from left to right, as matrices.
///
/// # Errors
///
/// Fails where the letters are not as many as the dimensions, a letter has two lengths, or the dtype has no product of matrices (whole
/// numbers).
///
/// ```
/// # use patchbay::prelude::*;
/// let (q, k) = (torch::randn((2, 4, 5, 8))?, torch::randn((2, 4, 7, 8))?);
/// assert_eq!(torch::einsum("bhid,bhjd->bhij", &[&q, &k])?.dims(), [2, 4, 5, 7]);
/// assert_eq!(torch::einsum("ii", &[&torch::eye(3)?])?.item()?, 3.0);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn einsum(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
    let text: String = equation.split_whitespace().collect();
    let (inputs, output) = match text.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (text.as_str(), None),
    };
    let inputs: Vec<&str> = inputs.split(',').collect();
    if inputs.len() != operands.len() || operands.is_empty() {
        bail!(
            "einsum: {equation:?} is for {} tensors, and there are {}: einsum(\"ij,jk->ik\", &[&a, &b])",
            inputs.len(),
            operands.len()
        )
    }
    let mut found = Vec::with_capacity(operands.len());
    for (letters, tensor) in inputs.iter().zip(operands) {
        let labels = labels_of(equation, letters, Some(tensor.rank()))?;
        found.push(diagonal(equation, (*tensor).clone(), labels)?);
    }
    let most = found.iter().flat_map(|operand| &operand.labels);
    let ellipsis = most
        .filter_map(|label| match label {
            Label::Ellipsis(index) => Some(index + 1),
            Label::Letter(_) => None,
        })
        .max()
        .unwrap_or(0);
    let output = match output {
        Some(letters) => {
            let count = letters.replace("...", "").chars().count();
            let has_ellipsis = letters.contains("...");
            labels_of(
                equation,
                letters,
                Some(count + if has_ellipsis { ellipsis } else { 0 }),
            )?
        }
        None => {
            let mut counts: BTreeMap<char, usize> = BTreeMap::new();
            for letter in inputs
                .iter()
                .flat_map(|letters| letters.chars())
                .filter(|c| *c != '.')
            {
                *counts.entry(letter).or_default() += 1;
            }
            let once = counts.into_iter().filter(|(_, count)| *count == 1);
            let dots = (0..ellipsis).rev().map(Label::Ellipsis);
            dots.chain(once.map(|(letter, _)| Label::Letter(letter)))
                .collect()
        }
    };
    let sizes = sizes_of(equation, &found)?;
    for (index, label) in output.iter().enumerate() {
        if output[..index].contains(label) || !sizes.contains_key(label) {
            bail!(
                "einsum: {equation:?}: each letter behind the arrow must stand there once and be one of the tensors'"
            )
        }
    }
    let mut rest = found.into_iter();
    let Some(mut product) = rest.next() else {
        bail!("einsum: there is no tensor")
    };
    let rest: Vec<Operand> = rest.collect();
    for (index, next) in rest.iter().enumerate() {
        let is_needed = |label: &Label| {
            output.contains(label)
                || rest[index + 1..]
                    .iter()
                    .any(|later| later.labels.contains(label))
        };
        product = contracted(product, next, &sizes, is_needed)?;
    }
    let product = product.summed(|label| output.contains(label))?;
    let order: Vec<usize> = output
        .iter()
        .filter_map(|label| product.labels.iter().position(|own| own == label))
        .collect();
    product.tensor.permute(order)
}

/// The labels of a tensor's letters; `rank` is the number of its dimensions.
fn labels_of(equation: &str, letters: &str, rank: Option<usize>) -> Result<Vec<Label>> {
    let (before, after) = match letters.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (letters, None),
    };
    let named = before.chars().count() + after.map_or(0, |after| after.chars().count());
    let rank = rank.unwrap_or(named);
    if let Some(wrong) = before
        .chars()
        .chain(after.unwrap_or_default().chars())
        .find(|letter| !letter.is_alphabetic())
    {
        bail!(
            "einsum: {equation:?} has a {wrong:?}: must be letters, commas, \"...\" and one \"->\""
        )
    }
    if named > rank || (after.is_none() && named != rank) {
        bail!(
            "einsum: {equation:?}: {letters:?} has {named} letters, and the tensor {rank} dimensions"
        )
    }
    let dots = (0..rank - named).rev().map(Label::Ellipsis);
    let before = before.chars().map(Label::Letter);
    let after = after.unwrap_or_default().chars().map(Label::Letter);
    Ok(before.chain(dots).chain(after).collect())
}

/// A letter that stands twice becomes one dimension, the diagonal.
fn diagonal(equation: &str, mut tensor: Tensor, mut labels: Vec<Label>) -> Result<Operand> {
    while let Some((first, second)) = twice(&labels) {
        let size = tensor.dims()[first];
        if size != tensor.dims()[second] {
            bail!(
                "einsum: {equation:?}: a letter stands twice for dimensions of {size} and {}: must be equal for a diagonal",
                tensor.dims()[second]
            )
        }
        let mut order: Vec<usize> = (0..labels.len())
            .filter(|&at| at != first && at != second)
            .collect();
        let kept: Vec<Label> = order.iter().map(|&at| labels[at]).collect();
        let mut shape: Vec<usize> = order.iter().map(|&at| tensor.dims()[at]).collect();
        shape.push(size * size);
        order.extend([first, second]);
        let places: Vec<u32> = (0..size as u32).map(|at| at * (size as u32 + 1)).collect();
        let places = Tensor::from_vec(places, size, tensor.device())?;
        let flat = tensor.permute(order)?.contiguous()?.reshape(shape)?;
        tensor = flat.index_select(&places, flat.rank() - 1)?;
        let label = labels[first];
        labels = [kept, vec![label]].concat();
    }
    Ok(Operand { tensor, labels })
}

fn twice(labels: &[Label]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|second| {
        let first = labels[..second]
            .iter()
            .position(|label| *label == labels[second])?;
        Some((first, second))
    })
}

/// The length of each label; those of `...` are broadcast.
fn sizes_of(equation: &str, operands: &[Operand]) -> Result<BTreeMap<Label, usize>> {
    let mut sizes: BTreeMap<Label, usize> = BTreeMap::new();
    for operand in operands {
        for (label, &size) in operand.labels.iter().zip(operand.tensor.dims()) {
            let known = sizes.entry(*label).or_insert(size);
            if *known == 1 {
                *known = size;
            }
            if size != *known && size != 1 {
                let name = match label {
                    Label::Letter(letter) => letter.to_string(),
                    Label::Ellipsis(_) => "...".to_owned(),
                };
                bail!("einsum: {equation:?}: {name} is {known} in one tensor and {size} in another")
            }
        }
    }
    Ok(sizes)
}

impl Operand {
    /// Sums over the dimensions whose label is not kept.
    fn summed(self, is_kept: impl Fn(&Label) -> bool) -> Result<Operand> {
        let mut tensor = self.tensor;
        for (dim, label) in self.labels.iter().enumerate() {
            if !is_kept(label) {
                tensor = sum_keepdim(&tensor, dim)?;
            }
        }
        let labels: Vec<Label> = self
            .labels
            .iter()
            .copied()
            .filter(|label| is_kept(label))
            .collect();
        let shape: Vec<usize> = self
            .labels
            .iter()
            .zip(tensor.dims())
            .filter(|(label, _)| is_kept(label))
            .map(|(_, &size)| size)
            .collect();
        Ok(Operand {
            tensor: tensor.reshape(shape)?,
            labels,
        })
    }

    /// Three dimensions: all of the labels of each group.
    fn grouped(&self, groups: [&[Label]; 3], sizes: &BTreeMap<Label, usize>) -> Result<Tensor> {
        let order: Vec<usize> = groups
            .concat()
            .iter()
            .filter_map(|label| self.labels.iter().position(|own| own == label))
            .collect();
        let size = |labels: &[Label]| labels.iter().map(|label| sizes[label]).product::<usize>();
        let whole: Vec<usize> = groups.concat().iter().map(|label| sizes[label]).collect();
        self.tensor
            .permute(order)?
            .broadcast_as(whole)?
            .contiguous()?
            .reshape(groups.map(size).to_vec())
    }
}

/// The product of two, summed over what neither the output nor a later tensor needs.
fn contracted(
    one: Operand,
    other: &Operand,
    sizes: &BTreeMap<Label, usize>,
    is_needed: impl Fn(&Label) -> bool,
) -> Result<Operand> {
    let one = one.summed(|label| is_needed(label) || other.labels.contains(label))?;
    let other = Operand {
        tensor: other.tensor.clone(),
        labels: other.labels.clone(),
    };
    let other = other.summed(|label| is_needed(label) || one.labels.contains(label))?;
    let both = |kept: bool| -> Vec<Label> {
        let labels = one.labels.iter().copied();
        labels
            .filter(|label| other.labels.contains(label) && is_needed(label) == kept)
            .collect()
    };
    let (batch, inner) = (both(true), both(false));
    let alone = |own: &Operand, there: &Operand| -> Vec<Label> {
        own.labels
            .iter()
            .copied()
            .filter(|label| !there.labels.contains(label))
            .collect()
    };
    let (rows, columns) = (alone(&one, &other), alone(&other, &one));
    let left = one.grouped([&batch, &rows, &inner], sizes)?;
    let right = other.grouped([&batch, &inner, &columns], sizes)?;
    let labels = [batch, rows, columns].concat();
    let shape: Vec<usize> = labels.iter().map(|label| sizes[label]).collect();
    Ok(Operand {
        tensor: left.matmul(&right)?.reshape(shape)?,
        labels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Var};

    /// Numbers that differ, of a shape.
    fn tensor(shape: &[usize], seed: f64) -> Tensor {
        let count = shape.iter().product::<usize>();
        let values: Vec<f64> = (0..count)
            .map(|at| ((at as f64 + seed) * 0.7).sin())
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// The sum over all values of all letters, without any product of matrices.
    fn brute_force(letters: &[&str], output: &str, operands: &[&Tensor]) -> Vec<f64> {
        let mut sizes = BTreeMap::new();
        for (letters, operand) in letters.iter().zip(operands) {
            sizes.extend(letters.chars().zip(operand.dims().iter().copied()));
        }
        let all: Vec<(char, usize)> = sizes.clone().into_iter().collect();
        let total: usize = all.iter().map(|(_, size)| size).product();
        let flat: Vec<Vec<f64>> = operands
            .iter()
            .map(|x| x.flatten_all().unwrap().to_vec1().unwrap())
            .collect();
        let mut result = vec![0.0; output.chars().map(|letter| sizes[&letter]).product()];
        for mut index in 0..total {
            let mut at = BTreeMap::new();
            for (letter, size) in &all {
                at.insert(*letter, index % size);
                index /= size;
            }
            let place = |letters: &str| {
                letters
                    .chars()
                    .fold(0, |place, letter| place * sizes[&letter] + at[&letter])
            };
            let product: f64 = letters
                .iter()
                .zip(&flat)
                .map(|(letters, flat)| flat[place(letters)])
                .product();
            result[place(output)] += product;
        }
        result
    }

    #[test]
    fn sums_of_products_are_those_of_all_letters() {
        let sizes = BTreeMap::from([('a', 2), ('b', 3), ('c', 4), ('d', 5), ('i', 3), ('j', 3)]);
        for equation in [
            "ab,bc->ac",
            "ab,bc->ca",
            "ab->ba",
            "ab->",
            "ab->b",
            "a,b->ab",
            "a,a->",
            "a,a->a",
            "ii->i",
            "ii->",
            "iij->ji",
            "ab,cd->dacb",
            "abc,abd->abcd",
            "abc,cd,db->a",
            "ab,ab,ab->b",
            "abcd,abdc->acb",
            "ia,ij,ja->a",
            "a,b,c->",
            "iii->i",
        ] {
            let (inputs, output) = equation.split_once("->").unwrap();
            let letters: Vec<&str> = inputs.split(',').collect();
            let operands: Vec<Tensor> = letters
                .iter()
                .enumerate()
                .map(|(index, letters)| {
                    let shape: Vec<usize> = letters.chars().map(|letter| sizes[&letter]).collect();
                    tensor(&shape, index as f64)
                })
                .collect();
            let operands: Vec<&Tensor> = operands.iter().collect();
            let found = einsum(equation, &operands).unwrap();
            let expected = brute_force(&letters, output, &operands);
            let shape: Vec<usize> = output.chars().map(|letter| sizes[&letter]).collect();
            assert_eq!(found.dims(), shape, "{equation}");
            let found: Vec<f64> = found.flatten_all().unwrap().to_vec1().unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{equation}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn dots_stand_for_dimensions_that_are_broadcast_and_no_arrow_for_letters_that_stand_once()
    -> Result<()> {
        let (a, b) = (tensor(&[2, 1, 3, 4], 0.0), tensor(&[5, 4, 6], 1.0));
        let found = einsum("...ij, ...jk -> ...ik", &[&a, &b])?;
        let expected = a.broadcast_matmul(&b)?;
        assert_eq!(found.dims(), [2, 5, 3, 6]);
        let far = (found - expected)?
            .abs()?
            .flatten_all()?
            .max(0)?
            .to_scalar::<f64>()?;
        assert!(far < 1e-12);
        assert_eq!(einsum("ba", &[&tensor(&[2, 3], 0.0)])?.dims(), [3, 2]);
        assert_eq!(
            einsum("ij,jk", &[&tensor(&[2, 3], 0.0), &tensor(&[3, 4], 0.0)])?.dims(),
            [2, 4]
        );
        assert_eq!(
            einsum("...a->a...", &[&tensor(&[2, 3, 4], 0.0)])?.dims(),
            [4, 2, 3]
        );
        Ok(())
    }

    #[test]
    fn gradients_go_to_all_operands() -> Result<()> {
        let (a, b) = (
            Var::from_tensor(&tensor(&[3, 4], 0.0))?,
            Var::from_tensor(&tensor(&[4, 2], 1.0))?,
        );
        let grads = einsum("ij,jk->", &[&a, &b])?.backward()?;
        // The derivative by a_ij is the sum of row j of b.
        let expected = sum_keepdim(b.as_tensor(), 1)?.t()?.broadcast_as((3, 4))?;
        let found = grads.get(&a).unwrap();
        let far = (found - expected)?
            .abs()?
            .flatten_all()?
            .max(0)?
            .to_scalar::<f64>()?;
        assert!(far < 1e-12 && grads.get(&b).is_some());
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let (a, b) = (tensor(&[2, 3], 0.0), tensor(&[4, 5], 0.0));
        let told = |equation: &str, operands: &[&Tensor]| {
            einsum(equation, operands).unwrap_err().to_string()
        };
        assert!(told("ij,jk->ik", &[&a, &b]).contains("j is 3 in one tensor and 4 in another"));
        assert!(told("ij->i", &[&a, &b]).contains("for 1 tensors, and there are 2"));
        assert!(told("ijk->i", &[&a]).contains("3 letters, and the tensor 2 dimensions"));
        assert!(told("i1->i", &[&a]).contains("'1'"));
        assert!(told("ij->ik", &[&a]).contains("behind the arrow"));
        assert!(told("ij->ii", &[&a]).contains("behind the arrow"));
        assert!(told("ii->i", &[&a]).contains("diagonal"));
        assert_eq!(
            einsum("ij->", &[&tensor(&[0, 3], 0.0)]).unwrap().dtype(),
            DType::F64
        );
    }
}
