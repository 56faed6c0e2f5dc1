//! Retrieval of images by texts and of texts by images: recall, and ranking the best again.

use candle_core::{DType, Tensor, bail};

use crate::{
    Result, Table,
    plugin::{Batch, Objective},
};

/// The share of queries whose own partner is among the best, for several counts of the best.
#[derive(Clone, Debug)]
pub struct Recall {
    /// How many of the best are looked at.
    pub best: Vec<usize>,
    /// Images that find their text, as shares, one for each entry of `best`.
    pub text: Vec<f64>,
    /// Texts that find their image.
    pub image: Vec<f64>,
}

impl Recall {
    /// In per cent.
    pub fn table(&self) -> Table {
        let head = self.best.iter().map(|best| format!("R@{best}"));
        let mut table = Table::new(std::iter::once("retrieval of".to_owned()).chain(head));
        for (name, shares) in [("text", &self.text), ("image", &self.image)] {
            let cells = shares.iter().map(|share| format!("{:.1} %", 100.0 * share));
            table.push(std::iter::once(name.to_owned()).chain(cells));
        }
        table
    }
}

/// Recall of similarities `[n, n]` of images (rows) and texts (columns), image i belonging to text i. Of equal similarities
/// the own one comes last, so that a network which gives the same to all finds nothing.
///
/// # Errors
///
/// Fails where the similarities are not square.
pub fn recall(similarity: &Tensor, best: &[usize]) -> Result<Recall> {
    let rows = square(similarity)?;
    let columns = square(&similarity.t()?)?;
    let shares = |scores: &[Vec<f32>]| {
        let ranks: Vec<usize> = scores
            .iter()
            .enumerate()
            .map(|(own, row)| {
                (0..row.len())
                    .filter(|&at| at != own && row[at] >= row[own])
                    .count()
            })
            .collect();
        best.iter()
            .map(|&best| {
                ranks.iter().filter(|&&rank| rank < best).count() as f64 / ranks.len() as f64
            })
            .collect()
    };
    Ok(Recall {
        best: best.to_vec(),
        text: shares(&rows),
        image: shares(&columns),
    })
}

fn square(similarity: &Tensor) -> Result<Vec<Vec<f32>>> {
    let dims = similarity.dims();
    if dims.len() != 2 || dims[0] != dims[1] || dims[0] == 0 {
        bail!("recall wants similarities [n, n] of as many images as texts, got {dims:?}");
    }
    similarity.detach().to_dtype(DType::F32)?.to_vec2()
}

/// Similarities of which each row's, and each column's, best were ranked again.
#[derive(Clone, Debug)]
pub struct Reranked {
    /// `[n, n]`, for images that look for texts.
    pub image_to_text: Tensor,
    /// `[n, n]`, texts that look for images, images in rows here, too.
    pub text_to_image: Tensor,
}

impl Reranked {
    /// # Errors
    ///
    /// As [`recall`].
    pub fn recall(&self, best: &[usize]) -> Result<Recall> {
        Ok(Recall {
            best: best.to_vec(),
            text: recall(&self.image_to_text, best)?.text,
            image: recall(&self.text_to_image, best)?.image,
        })
    }
}

/// How many pairs are judged at once.
const PAIRS: usize = 64;

/// Ranks each image's `best` texts, and each text's `best` images, by the probability that they match
/// ([`Objective::pairs`]), in front of all others (Li et al. 2021, arXiv 2107.07651, section 4.1).
///
/// # Errors
///
/// Fails where the similarities are not those of the batch, or the objective judges no pairs.
pub fn rerank(
    objective: &dyn Objective,
    batch: &Batch,
    similarity: &Tensor,
    best: usize,
) -> Result<Reranked> {
    let scores = square(similarity)?;
    let count = scores.len();
    if let Some((name, tensor)) = batch
        .iter()
        .find(|(_, tensor)| tensor.dims().first() != Some(&count))
    {
        bail!(
            "the similarities are of {count} pairs, and {name} in the batch is {:?}",
            tensor.dims()
        );
    }
    let mut wanted: Vec<(usize, usize)> = Vec::new();
    for (own, to_texts) in scores.iter().enumerate() {
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| to_texts[b].total_cmp(&to_texts[a]));
        wanted.extend(order.iter().take(best).map(|&text| (own, text)));
        order.sort_by(|&a, &b| scores[b][own].total_cmp(&scores[a][own]));
        wanted.extend(order.iter().take(best).map(|&image| (image, own)));
    }
    wanted.sort_unstable();
    wanted.dedup();
    let mut judged = scores.clone();
    for pairs in wanted.chunks(PAIRS) {
        let index = |of: fn(&(usize, usize)) -> usize| {
            let rows: Vec<u32> = pairs.iter().map(|pair| of(pair) as u32).collect();
            Tensor::new(rows, similarity.device())
        };
        let (images, texts) = (index(|pair| pair.0)?, index(|pair| pair.1)?);
        let mut chosen = Batch::new();
        for (name, tensor) in batch {
            let rows = if name == "image" { &images } else { &texts };
            chosen.insert(name.clone(), tensor.index_select(rows, 0)?);
        }
        let outputs = objective.pairs(&chosen)?;
        let Some(probabilities) = outputs.get("match") else {
            bail!("this objective judges no pairs: its `pairs` has no tensor `match`");
        };
        for (&(image, text), probability) in pairs
            .iter()
            .zip(probabilities.to_dtype(DType::F32)?.to_vec1::<f32>()?)
        {
            // In front of everything that was not judged, cosines being at most 1.
            judged[image][text] = 2.0 + probability;
        }
    }
    // What only the other direction has judged keeps its similarity.
    let mut of_images = scores.clone();
    let mut of_texts = scores.clone();
    for own in 0..count {
        let cut = |mut values: Vec<f32>| {
            values.sort_by(|a, b| b.total_cmp(a));
            values
                .get(best.saturating_sub(1))
                .copied()
                .unwrap_or(f32::NEG_INFINITY)
        };
        let least = cut(scores[own].clone());
        for text in 0..count {
            if scores[own][text] >= least && judged[own][text] >= 2.0 {
                of_images[own][text] = judged[own][text];
            }
        }
        let least = cut(scores.iter().map(|row| row[own]).collect());
        for image in 0..count {
            if scores[image][own] >= least && judged[image][own] >= 2.0 {
                of_texts[image][own] = judged[image][own];
            }
        }
    }
    let tensor = |scores: Vec<Vec<f32>>| Tensor::new(scores, similarity.device());
    Ok(Reranked {
        image_to_text: tensor(of_images)?,
        text_to_image: tensor(of_texts)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Component;
    use candle_core::Device;

    /// Judges the pair of image i and text j by 1 - |i - j| / 10.
    struct Judge;

    impl Component for Judge {}

    impl Objective for Judge {
        fn losses(&self, _: &Batch, _: f64) -> Result<Vec<(String, Tensor)>> {
            Ok(Vec::new())
        }

        fn pairs(&self, batch: &Batch) -> Result<Batch> {
            let distance = (&batch["image"] - &batch["text"])?.abs()?;
            Ok(Batch::from([(
                "match".to_owned(),
                distance.affine(-0.1, 1.0)?,
            )]))
        }
    }

    #[test]
    fn recall_counts_ranks_and_gives_nothing_for_ties() {
        let similarity = Tensor::new(
            &[[0.9f32, 0.1, 0.2], [0.8, 0.5, 0.4], [0.1, 0.6, 0.3]],
            &Device::Cpu,
        )
        .unwrap();
        let found = recall(&similarity, &[1, 2, 3]).unwrap();
        assert_eq!(found.text, [1.0 / 3.0, 1.0, 1.0]);
        assert_eq!(found.image, [1.0 / 3.0, 1.0, 1.0]);
        let same = Tensor::ones((4, 4), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(recall(&same, &[1, 3, 4]).unwrap().text, [0.0, 0.0, 1.0]);
        let text = recall(&same.narrow(0, 0, 2).unwrap(), &[1])
            .unwrap_err()
            .to_string();
        assert!(text.contains("[2, 4]"), "{text}");
    }

    #[test]
    fn the_best_are_ranked_again_and_no_others() {
        let similarity = Tensor::new(
            &[[0.1f32, 0.9, 0.8], [0.9, 0.8, 0.1], [0.9, 0.8, 0.1]],
            &Device::Cpu,
        )
        .unwrap();
        let places = Tensor::new(&[0f32, 1.0, 2.0], &Device::Cpu).unwrap();
        let batch = Batch::from([
            ("image".to_owned(), places.clone()),
            ("text".to_owned(), places),
        ]);
        let ranked = rerank(&Judge, &batch, &similarity, 2).unwrap();
        // Image 0 never sees its own text among its two best; image 1 does, image 2 does not.
        assert_eq!(ranked.recall(&[1]).unwrap().text, [1.0 / 3.0]);
        let all = rerank(&Judge, &batch, &similarity, 3).unwrap();
        assert_eq!(all.recall(&[1]).unwrap().text, [1.0]);
        assert_eq!(all.recall(&[1]).unwrap().image, [1.0]);
    }
}
