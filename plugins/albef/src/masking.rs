//! Masked language modeling: which words are hidden, and the loss of those that were.

use patchbay::{ops::Stream, plugin::prelude::*};

use crate::contrastive::Distillation;

/// The ids that a tokenizer gives to what is not a word.
#[derive(Clone, Copy, Debug)]
pub struct SpecialTokens {
    /// Padding behind a text; it is never masked.
    pub pad: u32,
    /// `[CLS]`, the first token of a text; it is never masked.
    pub cls: u32,
    /// `[MASK]`, which stands in the place of a hidden word.
    pub mask: u32,
    /// Number of token ids.
    pub vocabulary: u32,
}

/// Stands in labels for tokens that were not chosen.
pub const NOT_CHOSEN: i64 = -100;

/// Ids `[batch, length]` (`u32`) with words hidden, and the labels `[batch, length]` (`i64`): the word where one was chosen,
/// [`NOT_CHOSEN`] elsewhere.
///
/// Each token is chosen with this probability, padding and `[CLS]` never, `[SEP]` like a word, as in the official program. Of those
/// chosen 80 % become `[MASK]`, 10 % a random token, and 10 % stay (Devlin et al. 2019, section 3.1).
///
/// # Errors
///
/// Fails where the ids are not `u32`.
pub fn mask_words(
    ids: &Tensor,
    probability: f64,
    tokens: SpecialTokens,
    stream: Stream,
) -> Result<(Tensor, Tensor)> {
    let mut given: Vec<u32> = ids.flatten_all()?.to_vec1()?;
    let draws = stream.uniform(3 * given.len());
    let mut labels = vec![NOT_CHOSEN; given.len()];
    for ((id, label), draws) in given.iter_mut().zip(&mut labels).zip(draws.chunks_exact(3)) {
        if *id == tokens.pad || *id == tokens.cls || draws[0] >= probability {
            continue;
        }
        *label = i64::from(*id);
        if draws[1] < 0.8 {
            *id = tokens.mask;
        } else if draws[1] < 0.9 {
            *id = (draws[2] * f64::from(tokens.vocabulary)) as u32;
        }
    }
    Ok((
        Tensor::from_vec(given, ids.shape(), ids.device())?,
        Tensor::from_vec(labels, ids.shape(), ids.device())?,
    ))
}

/// Which tokens of `[batch, length]` were chosen.
pub struct Chosen {
    /// Their places in the batch, row after row, `[chosen]`.
    pub rows: Tensor,
    /// The words that were there, `[chosen]`.
    pub words: Tensor,
}

impl Chosen {
    /// Of labels `[batch, length]` (`i64`).
    ///
    /// # Errors
    ///
    /// Fails where the labels have another type.
    pub fn of(labels: &Tensor) -> Result<Self> {
        let all: Vec<i64> = labels.flatten_all()?.to_vec1()?;
        let chosen = || {
            all.iter()
                .enumerate()
                .filter(|&(_, &label)| label != NOT_CHOSEN)
        };
        let rows: Vec<u32> = chosen().map(|(row, _)| row as u32).collect();
        let words: Vec<i64> = chosen().map(|(_, &label)| label).collect();
        Ok(Chosen {
            rows: Tensor::new(rows, labels.device())?,
            words: Tensor::new(words, labels.device())?,
        })
    }

    /// The tokens `[chosen, width]` of `[batch, length, width]`.
    ///
    /// # Errors
    ///
    /// Fails where the tokens are those of another batch.
    pub fn pick(&self, tokens: &Tensor) -> Result<Tensor> {
        tokens.flatten_to(1)?.index_select(&self.rows, 0)
    }
}

/// Logits `[n, classes]` against the classes `[n]` (`i64`), and with the teacher's `log q` `[n, classes]` against
/// `alpha q + (1 - alpha) class`.
///
/// # Errors
///
/// Fails where shapes do not fit.
pub fn soft_cross_entropy(
    loss: &Slot<dyn Loss>,
    logits: &Tensor,
    classes: &Tensor,
    log_q: Option<&Tensor>,
    alpha: f64,
    distillation: Distillation,
) -> Result<Tensor> {
    let Some(log_q) = log_q else {
        return loss.forward(logits, classes);
    };
    let q = log_q.exp()?;
    let entropy = ops::mean_all(&ops::sum(&(&q * log_q)?, 1)?)?.neg()?;
    let hard =
        Tensor::full(1.0 - alpha, (classes.dim(0)?, 1), classes.device())?.to_dtype(q.dtype())?;
    let target = (q * alpha)?.scatter_add(&classes.unsqueeze(1)?, &hard, 1)?;
    let entropy = entropy.to_dtype(DType::F64)?.to_scalar()?;
    loss.forward(logits, &target)? + distillation.correction(alpha, entropy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_paper_and_padding_stays() {
        nn::seed_all(11).unwrap();
        let tokens = SpecialTokens {
            pad: 0,
            cls: 1,
            mask: 3,
            vocabulary: 1000,
        };
        let row: Vec<u32> = (0..60)
            .map(|at| match at {
                0 => 1,
                40.. => 0,
                at => 100 + at,
            })
            .collect();
        let ids = Tensor::new(row.repeat(2000), &Device::Cpu)
            .unwrap()
            .reshape((2000, 60))
            .unwrap();
        let (masked, labels) = mask_words(&ids, 0.15, tokens, Stream::next()).unwrap();
        let masked: Vec<Vec<u32>> = masked.to_vec2().unwrap();
        let labels: Vec<Vec<i64>> = labels.to_vec2().unwrap();
        let (mut chosen, mut hidden, mut replaced, mut kept) = (0.0, 0.0, 0.0, 0.0);
        for (masked, labels) in masked.iter().zip(&labels) {
            for (at, (&id, &label)) in masked.iter().zip(labels).enumerate() {
                let original = row[at];
                if label == NOT_CHOSEN {
                    assert_eq!(id, original);
                    continue;
                }
                assert!(at > 0 && at < 40 && label == i64::from(original));
                chosen += 1.0;
                match id {
                    3 => hidden += 1.0,
                    id if id == original => kept += 1.0,
                    _ => replaced += 1.0,
                }
            }
        }
        let near = |found: f64, of: f64, p: f64| {
            let noise = 4.5 * (p * (1.0 - p) / of).sqrt();
            assert!(
                (found / of - p).abs() < noise,
                "{found} of {of}, expected {p}"
            );
        };
        near(chosen, 2000.0 * 39.0, 0.15);
        near(hidden, chosen, 0.8);
        // One random token in a thousand is the original or [MASK].
        near(replaced, chosen, 0.1);
        near(kept, chosen, 0.1);
    }
}
