//! Retrieval of images by texts and of texts by images: recall, and ranking the best again.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor, bail};

use patchbay_plugin::{Batch, Objective};
use patchbay_show::{Result, Table};

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
/// Fails where the similarities are not square, or one is NaN.
pub fn recall(similarity: &Tensor, best: &[usize]) -> Result<Recall> {
    let own: Vec<usize> = (0..square(similarity)?.len()).collect();
    recall_of(similarity, &own, best)
}

/// Recall where images have several texts each (COCO has five): similarities `[images, texts]`, text j belonging to image
/// `image_of_text[j]`. An image has found its text where any of them is among the best, as in ALBEF's evaluation.
///
/// # Errors
///
/// Fails where there is not one image for each text, an image has no text, or a similarity is NaN.
pub fn recall_of(similarity: &Tensor, image_of_text: &[usize], best: &[usize]) -> Result<Recall> {
    let scores = matrix(similarity)?;
    let (images, texts) = (scores.len(), scores[0].len());
    if image_of_text.len() != texts || image_of_text.iter().any(|&image| image >= images) {
        bail!(
            "expected the image 0..{images} of each of the {texts} texts of similarities [{images}, {texts}], got {} of them, \
             the largest {:?}",
            image_of_text.len(),
            image_of_text.iter().max()
        );
    }
    let mut texts_of = vec![Vec::new(); images];
    for (text, &image) in image_of_text.iter().enumerate() {
        texts_of[image].push(text);
    }
    if let Some(image) = texts_of.iter().position(Vec::is_empty) {
        bail!(
            "image {image} has no text in `image_of_text`: leave its row out of the similarities"
        );
    }
    let of_texts = scores.iter().zip(&texts_of).map(|(row, own)| {
        let highest = own
            .iter()
            .map(|&text| row[text])
            .fold(f32::NEG_INFINITY, f32::max);
        (0..texts)
            .filter(|text| !own.contains(text) && row[*text] >= highest)
            .count()
    });
    let of_images = image_of_text.iter().enumerate().map(|(text, &own)| {
        (0..images)
            .filter(|&image| image != own && scores[image][text] >= scores[own][text])
            .count()
    });
    let shares = |ranks: Vec<usize>| {
        let within = |&best: &usize| {
            ranks.iter().filter(|&&rank| rank < best).count() as f64 / ranks.len() as f64
        };
        best.iter().map(within).collect()
    };
    Ok(Recall {
        best: best.to_vec(),
        text: shares(of_texts.collect()),
        image: shares(of_images.collect()),
    })
}

fn square(similarity: &Tensor) -> Result<Vec<Vec<f32>>> {
    let dims = similarity.dims();
    if dims.len() != 2 || dims[0] != dims[1] || dims[0] == 0 {
        bail!("recall wants similarities [n, n] of as many images as texts, got {dims:?}");
    }
    matrix(similarity)
}

fn matrix(similarity: &Tensor) -> Result<Vec<Vec<f32>>> {
    let dims = similarity.dims();
    if dims.len() != 2 || similarity.elem_count() == 0 {
        bail!("recall wants similarities [images, texts], got {dims:?}");
    }
    let scores: Vec<Vec<f32>> = similarity.detach().to_dtype(DType::F32)?.to_vec2()?;
    for (image, row) in scores.iter().enumerate() {
        if let Some(text) = row.iter().position(|score| score.is_nan()) {
            bail!(
                "similarities contain NaN, the first of image {image} and text {text}: the features diverged"
            );
        }
    }
    Ok(scores)
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

/// Ranks each image's `best` texts, and each text's `best` images, by how well they match (the evaluation `match_scores` of [`Objective::evaluate`]), in front
/// of all others (Li et al. 2021, arXiv 2107.07651, section 4.1). Each image and each text is encoded once
/// (its evaluation `tokens`), however many pairs it is in.
///
/// In the result an entry that was judged is its score, and all others are their similarity, moved below the lowest score.
///
/// # Errors
///
/// Fails where the similarities are not those of the batch or contain NaN, or the objective judges no pairs.
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
    let texts_first = |image: usize| {
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| scores[image][b].total_cmp(&scores[image][a]));
        order.truncate(best);
        order
    };
    let images_first = |text: usize| {
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| scores[b][text].total_cmp(&scores[a][text]));
        order.truncate(best);
        order
    };
    // Pairs (image, text) of one direction and of the other.
    let for_images: Vec<(usize, usize)> = (0..count)
        .flat_map(|image| {
            texts_first(image)
                .into_iter()
                .map(move |text| (image, text))
        })
        .collect();
    let for_texts: Vec<(usize, usize)> = (0..count)
        .flat_map(|text| {
            images_first(text)
                .into_iter()
                .map(move |image| (image, text))
        })
        .collect();
    let mut wanted = [for_images.as_slice(), &for_texts].concat();
    wanted.sort_unstable();
    wanted.dedup();

    // A logit tells pairs apart whose probabilities are both 1 in f32.
    let judgment = match objective.evaluations().contains(&"match_scores") {
        true => "match_scores",
        false => "pairs",
    };
    let encoded = match objective.evaluations().contains(&"tokens") {
        true => objective.evaluate("tokens", batch)?,
        false => batch.clone(),
    };
    let mut judged: BTreeMap<(usize, usize), f32> = BTreeMap::new();
    for pairs in wanted.chunks(PAIRS) {
        let index = |of: fn(&(usize, usize)) -> usize| {
            let rows: Vec<u32> = pairs.iter().map(|pair| of(pair) as u32).collect();
            Tensor::new(rows, similarity.device())
        };
        let (images, texts) = (index(|pair| pair.0)?, index(|pair| pair.1)?);
        let mut chosen = Batch::new();
        for (name, tensor) in &encoded {
            let rows = match name.as_str() {
                "image" | "image_tokens" => &images,
                _ => &texts,
            };
            chosen.insert(name.clone(), tensor.index_select(rows, 0)?);
        }
        let Some(found) = objective.evaluate(judgment, &chosen)?.remove("match") else {
            bail!(
                "the objective judges no pairs: its evaluation `{judgment}` has no tensor `match`"
            );
        };
        let found: Vec<f32> = found.detach().to_dtype(DType::F32)?.to_vec1()?;
        if found.len() != pairs.len() || found.iter().any(|score| score.is_nan()) {
            bail!(
                "the objective gave {} scores for {} pairs, NaN among them: {}",
                found.len(),
                pairs.len(),
                found.iter().any(|score| score.is_nan())
            );
        }
        judged.extend(pairs.iter().copied().zip(found));
    }
    let lowest = judged.values().copied().fold(f32::INFINITY, f32::min);
    let highest = scores
        .iter()
        .flatten()
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    let below = match judged.is_empty() {
        true => 0.0,
        false => lowest - highest - 1.0,
    };
    let in_front = |pairs: &[(usize, usize)]| {
        let mut scores: Vec<Vec<f32>> = scores
            .iter()
            .map(|row| row.iter().map(|score| score + below).collect())
            .collect();
        for &(image, text) in pairs {
            if let Some(&score) = judged.get(&(image, text)) {
                scores[image][text] = score;
            }
        }
        Tensor::new(scores, similarity.device())
    };
    Ok(Reranked {
        image_to_text: in_front(&for_images)?,
        text_to_image: in_front(&for_texts)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use patchbay_plugin::Component;

    /// Judges the pair of image i and text j by 1 - |i - j| / 10.
    struct Judge;

    impl Component for Judge {}

    impl Objective for Judge {
        fn losses(&self, _: &Batch, _: f64) -> Result<Vec<(String, Tensor)>> {
            Ok(Vec::new())
        }

        fn evaluations(&self) -> Vec<&'static str> {
            vec!["pairs"]
        }

        fn evaluate(&self, _: &str, batch: &Batch) -> Result<Batch> {
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
    #[test]
    fn features_that_diverged_are_no_perfect_retrieval() {
        let nan = Tensor::full(f32::NAN, (4, 4), &Device::Cpu).unwrap();
        let text = recall(&nan, &[1]).unwrap_err().to_string();
        assert!(text.contains("similarities contain NaN"), "{text}");
        let one = Tensor::new(&[[1f32, 0.0], [f32::NAN, 1.0]], &Device::Cpu).unwrap();
        let text = recall(&one, &[1]).unwrap_err().to_string();
        assert!(text.contains("image 1 and text 0"), "{text}");
    }

    #[test]
    fn an_image_may_have_several_texts() {
        // Texts 0 and 1 are of image 0, text 2 is of image 1.
        let similarity = Tensor::new(&[[0.1f32, 0.9, 0.8], [0.2, 0.3, 0.7]], &Device::Cpu).unwrap();
        let found = recall_of(&similarity, &[0, 0, 1], &[1, 2]).unwrap();
        assert_eq!(found.text, [1.0, 1.0]);
        assert_eq!(found.image, [1.0 / 3.0, 1.0]);
        let text = recall_of(&similarity, &[0, 0, 2], &[1]).unwrap_err();
        assert!(text.to_string().contains("image 0..2"), "{text}");
        let text = recall_of(&similarity, &[0, 0, 0], &[1]).unwrap_err();
        assert!(text.to_string().contains("image 1 has no text"), "{text}");
    }

    /// As sure of all pairs as f32 can say, and right in the last place.
    struct Sure;

    impl Component for Sure {}

    impl Objective for Sure {
        fn losses(&self, _: &Batch, _: f64) -> Result<Vec<(String, Tensor)>> {
            Ok(Vec::new())
        }

        fn evaluations(&self) -> Vec<&'static str> {
            vec!["tokens", "match_scores"]
        }

        fn evaluate(&self, what: &str, batch: &Batch) -> Result<Batch> {
            if what == "tokens" {
                return Ok(Batch::from([
                    ("image_tokens".to_owned(), batch["image"].clone()),
                    ("text_tokens".to_owned(), batch["text"].clone()),
                ]));
            }
            let distance = (&batch["image_tokens"] - &batch["text_tokens"])?.abs()?;
            Ok(Batch::from([(
                "match".to_owned(),
                distance.affine(-1e-3, 20.0)?,
            )]))
        }
    }

    #[test]
    fn sure_scores_do_not_tie() {
        let similarity = Tensor::new(&[[0.1f32, 0.2], [0.2, 0.1]], &Device::Cpu).unwrap();
        let places = Tensor::new(&[0f32, 1.0], &Device::Cpu).unwrap();
        let batch = Batch::from([
            ("image".to_owned(), places.clone()),
            ("text".to_owned(), places),
        ]);
        let ranked = rerank(&Sure, &batch, &similarity, 2).unwrap();
        assert_eq!(ranked.recall(&[1]).unwrap().text, [1.0]);
        // Without candidates the similarities are what they were.
        let none = rerank(&Sure, &batch, &similarity, 0).unwrap();
        assert_eq!(
            none.image_to_text.to_vec2::<f32>().unwrap(),
            similarity.to_vec2::<f32>().unwrap()
        );
    }
}
