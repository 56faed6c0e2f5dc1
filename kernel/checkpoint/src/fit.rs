//! Tensors of a file in the shapes that a component wants.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor, Var, bail};

use super::{Bands, KeyMap, LoadOptions, Report, State, key_map::Found};
use patchbay_nn::{PositionResampling, resample_position_embedding_with};
use patchbay_plugin::NamedVar;

/// Pairs variables with values; what does not fit is in the report.
pub(super) fn fit(
    mut found: BTreeMap<String, Found>,
    variables: &[NamedVar],
    keys: KeyMap,
    options: &LoadOptions,
    report: &mut Report,
) -> Result<Vec<(Var, Tensor)>> {
    let names: BTreeMap<&str, &NamedVar> = variables
        .iter()
        .map(|named| (named.name.as_str(), named))
        .collect();
    let has_registers = names.keys().any(|name| name.ends_with("reg_token"));
    let how = options
        .positions
        .unwrap_or_else(|| keys.position_resampling(has_registers));
    class_positions(&mut found, &names, options)?;
    let mut values = Vec::new();
    for named in variables {
        let (name, shape) = (&named.name, named.var.dims());
        let Some(found) = found.remove(name) else {
            if named.var.dtype().is_int() {
                report.push(
                    State::LeftOut,
                    name,
                    "integers are not read; it stays as it is",
                );
            } else if !report.rows.iter().any(|row| &row.1 == name) {
                report.push(State::Missing, name, format!("{shape:?}"));
            }
            continue;
        };
        let from = found.tensor.shape.clone();
        if keys == KeyMap::Albef && name.ends_with("_queue") && from != shape {
            let why = format!("a queue of {from:?} in the file, {shape:?} here: training fills it");
            report.push(State::LeftOut, name, why);
            continue;
        }
        let value = Tensor::from_vec(found.tensor.values, found.tensor.shape, &Device::Cpu)?;
        let Some((value, note)) = adapted(name, value, shape, &names, options, how)? else {
            let hint = match name.ends_with("pos_embed") && options.grid.is_none() {
                true => {
                    "; where its grid is not square, LoadOptions::grid((rows, columns)) says which"
                }
                false => "",
            };
            report.push(
                State::Mismatch,
                name,
                format!("{from:?} in the file, {shape:?} here{hint}"),
            );
            continue;
        };
        let notes: Vec<String> = [found.note, note].into_iter().flatten().collect();
        match notes.is_empty() {
            true => report.push(State::Loaded, name, ""),
            false => report.push(State::Converted, name, notes.join("; ")),
        }
        let value = value
            .to_dtype(named.var.dtype())?
            .to_device(named.var.device())?;
        values.push((named.var.clone(), value));
    }
    for (name, found) in found {
        let shape = format!("{:?}", found.tensor.shape);
        match no_place(&name, &names, keys) {
            Some(why) => report.push(State::LeftOut, found.source, why),
            None => report.push(State::Unexpected, found.source, shape),
        }
    }
    Ok(values)
}

/// Why a tensor without a place is no surprise.
fn no_place(name: &str, names: &BTreeMap<&str, &NamedVar>, keys: KeyMap) -> Option<&'static str> {
    let has = |prefix: &str| names.keys().any(|name| name.starts_with(prefix));
    // These programs compute their positions, too, and keep them beside their weights.
    let computes_positions = matches!(
        keys,
        KeyMap::Mae | KeyMap::SatMae | KeyMap::ScaleMae | KeyMap::Rvsa
    );
    if name == "pos_embed" && computes_positions && has("patch_embed.") {
        return Some("positions are computed here");
    }
    if name.starts_with("pooler.") && has("embeddings.") {
        return Some("no pooler here");
    }
    // Its layers with cross-attention are another component's.
    if keys != KeyMap::AlbefText {
        return None;
    }
    let layer = name.strip_prefix("encoder.layer.")?.split('.').next()?;
    let is_cut = has("embeddings.") && !has(&format!("encoder.layer.{layer}."));
    let has_fusion = names.keys().any(|name| name.contains(".crossattention."));
    (is_cut && !has_fusion).then_some("a layer above this encoder's")
}

/// Positions for class token and patches, where here only patches have any: the class token takes its own with
/// it. The sum in front of the first block is the same.
fn class_positions(
    found: &mut BTreeMap<String, Found>,
    names: &BTreeMap<&str, &NamedVar>,
    options: &LoadOptions,
) -> Result<()> {
    let Some(target) = names.get("pos_embed") else {
        return Ok(());
    };
    let prefix = prefix_tokens(names, "");
    let entries = target.var.dim(1)?;
    let only_patches =
        prefix > 0 && is_square(entries) && !is_square(entries - prefix.min(entries));
    let (Some(positions), Some(token)) = (found.get("pos_embed"), found.get("cls_token")) else {
        return Ok(());
    };
    let &[1, length, width] = positions.tensor.shape.as_slice() else {
        return Ok(());
    };
    let fits = token.tensor.values.len() == width
        && grid_of(length.saturating_sub(1), options.grid).is_some()
        && grid_of(length, options.grid).is_none();
    if !only_patches || !fits {
        return Ok(());
    }
    if let Some(token_position) = found.get_mut("pos_embed").map(|positions| {
        positions.note = Some("the class token's went into the class token".to_owned());
        positions.tensor.shape[1] -= 1;
        positions.tensor.values.drain(..width).collect::<Vec<f32>>()
    }) && let Some(token) = found.get_mut("cls_token")
    {
        token.note = Some("with its position".to_owned());
        for (value, position) in token.tensor.values.iter_mut().zip(token_position) {
            *value += position;
        }
    }
    Ok(())
}

/// Class token and registers of the encoder whose names begin with `front`.
fn prefix_tokens(names: &BTreeMap<&str, &NamedVar>, front: &str) -> usize {
    ["cls_token", "reg_token"]
        .iter()
        .filter_map(|name| {
            let named = names.get(format!("{front}{name}").as_str())?;
            named.var.dims().get(1).copied()
        })
        .sum()
}

fn is_square(count: usize) -> bool {
    count > 0 && count.isqrt().pow(2) == count
}

/// The value in the shape that is wanted and what was done to it; none where it cannot be.
fn adapted(
    name: &str,
    value: Tensor,
    shape: &[usize],
    names: &BTreeMap<&str, &NamedVar>,
    options: &LoadOptions,
    how: PositionResampling,
) -> Result<Option<(Tensor, Option<String>)>> {
    // The image encoders inside of ALBEF: the network and its momentum copy.
    let front = ["visual_encoder.", "visual_encoder_m."]
        .into_iter()
        .find(|front| name.starts_with(front))
        .unwrap_or("");
    let inner = &name[front.len()..];
    // As many patches may be another grid.
    let is_other_grid = inner == "pos_embed" && options.grid.is_some();
    if value.dims() == shape && !is_other_grid {
        return Ok(Some((value, None)));
    }
    let without_ones =
        |dims: &[usize]| -> Vec<usize> { dims.iter().copied().filter(|&n| n != 1).collect() };
    if without_ones(value.dims()) == without_ones(shape) && !is_other_grid {
        let note = format!("reshaped from {:?}", value.dims());
        return Ok(Some((value.reshape(shape)?, Some(note))));
    }
    match inner {
        "pos_embed" => positions(
            &value,
            shape,
            prefix_tokens(names, front),
            (how, options.grid),
        ),
        "patch_embed.proj.weight" => bands(&value, shape, &options.bands),
        _ => Ok(None),
    }
}

/// Rows and columns of so many patches of the file: those that are told, or a square.
fn grid_of(patches: usize, told: Option<(usize, usize)>) -> Option<(usize, usize)> {
    match told {
        Some((rows, columns)) => {
            (patches > 0 && rows.checked_mul(columns) == Some(patches)).then_some((rows, columns))
        }
        None => is_square(patches).then(|| (patches.isqrt(), patches.isqrt())),
    }
}

fn positions(
    value: &Tensor,
    shape: &[usize],
    prefix: usize,
    (how, told): (PositionResampling, Option<(usize, usize)>),
) -> Result<Option<(Tensor, Option<String>)>> {
    // CLIP's has no dimension for the batch.
    let value = match value.rank() {
        2 => value.unsqueeze(0)?,
        _ => value.clone(),
    };
    let (&[1, from, width], &[1, to, channels]) = (value.dims(), shape) else {
        return Ok(None);
    };
    if width != channels {
        return Ok(None);
    }
    let grids = |prefix: usize| {
        let old = grid_of(from.checked_sub(prefix)?, told)?;
        let new = grid_of(to.checked_sub(prefix)?, None)?;
        Some((prefix, old, new))
    };
    let Some((prefix, old, new)) = [prefix, 0].into_iter().find_map(grids) else {
        return Ok(None);
    };
    if old == new {
        return Ok(Some((value, None)));
    }
    let note = format!(
        "grid {} x {} interpolated to {} x {} (bicubic, PositionResampling::{how:?})",
        old.0, old.1, new.0, new.1
    );
    let value = resample_position_embedding_with(&value, prefix, old, new, how)?;
    Ok(Some((value, Some(note))))
}

fn bands(
    value: &Tensor,
    shape: &[usize],
    rule: &Bands,
) -> Result<Option<(Tensor, Option<String>)>> {
    let (&[width, theirs, height, side], &[channels, ours, rows, columns]) = (value.dims(), shape)
    else {
        return Ok(None);
    };
    if (width, height, side) != (channels, rows, columns) || theirs == 0 {
        return Ok(None);
    }
    let picked: Vec<usize> = match rule {
        Bands::Exact => return Ok(None),
        Bands::Repeat if ours == 1 => {
            let note = format!("the sum of {theirs} bands");
            return Ok(Some((patchbay_ops::sum_keepdim(value, 1)?, Some(note))));
        }
        Bands::Repeat => (0..ours).map(|band| band % theirs).collect(),
        Bands::Pick(picked) => picked.clone(),
    };
    if picked.len() != ours || picked.iter().any(|&band| band >= theirs) {
        bail!(
            "Bands::Pick({picked:?}) must have one band of the file, 0 to {}, for each of {ours} bands",
            theirs - 1
        )
    }
    let parts: Vec<Tensor> = picked
        .iter()
        .map(|&band| value.narrow(1, band, 1))
        .collect::<Result<_>>()?;
    let value = Tensor::cat(&parts, 1)?;
    Ok(Some(match rule {
        Bands::Repeat => {
            let scale = theirs as f64 / ours as f64;
            let note = format!("{theirs} bands repeated to {ours}, times {theirs}/{ours}");
            ((value * scale)?, Some(note))
        }
        _ => (value, Some(format!("from bands {picked:?}"))),
    }))
}
