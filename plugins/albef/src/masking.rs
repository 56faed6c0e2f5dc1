//! Masked language modelling: which words are hidden.

use patchbay::{ops::Stream, plugin::prelude::*};

/// The ids that a tokenizer gives to what is not a word.
#[derive(Clone, Copy, Debug)]
pub struct SpecialTokens {
    pub pad: u32,
    pub cls: u32,
    pub mask: u32,
    /// Number of token ids.
    pub vocabulary: u32,
}

/// Stands in labels for tokens that were not chosen.
pub const NOT_CHOSEN: i64 = -100;

/// Ids `[batch, length]` (`u32`) with words hidden, and the labels `[batch, length]` (`i64`): the word where one was chosen,
/// [`NOT_CHOSEN`] elsewhere.
///
/// Each token is chosen with this probability, padding and [CLS] never, [SEP] like a word, as in the official program. Of those
/// chosen 80 % become [MASK], 10 % a random token, and 10 % stay (Devlin et al. 2019, section 3.1).
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
