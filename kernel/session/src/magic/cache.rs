//! `%cache`: the compiled cells on disk.

use std::sync::Arc;

use patchbay_contract::CellError;
use patchbay_engine::magic::{Argument, Magic};

use super::{Call, Entry, Run};

pub(super) const MAGICS: &[Entry] = &[
    Entry {
        magic: Magic {
            names: &["%cache", ":cache"],
            usage: "[clear|MEGABYTES]",
            summary: "the compiled cells on disk: how many, how large; remove them; how large they may grow, 0 for none in this session",
            argument: Argument::Words,
            changes_programs: false,
            is_listed: true,
            evcxr: None,
        },
        prepare: None,
        run: Run::Now(cache),
    },
    Entry {
        magic: Magic {
            names: &[":clear_cache"],
            usage: "",
            summary: "remove the compiled cells on disk",
            argument: Argument::Words,
            changes_programs: false,
            is_listed: true,
            evcxr: None,
        },
        prepare: None,
        run: Run::Now(clear),
    },
];

fn cache(call: &mut Call<'_>) -> Result<(), CellError> {
    match call.argument {
        "" | "stats" => {
            let text = match call.session.builder.cache() {
                None => "there is no cache: every cell is compiled\n".to_owned(),
                Some(cache) => {
                    let (entries, bytes) = cache.size();
                    let megabytes = bytes as f64 / 1e6;
                    let folder = cache.folder().display();
                    format!("{entries} compiled cells, {megabytes:.1} MB in {folder}\n")
                }
            };
            call.print(&text);
            Ok(())
        }
        "clear" => clear(call),
        other => match other.parse::<u64>() {
            Ok(megabytes) => {
                bound(call, megabytes);
                Ok(())
            }
            Err(_) => Err(CellError::plain(
                "MagicError",
                format!(
                    "%cache takes nothing, stats, clear or a number of megabytes, not `{other}`"
                ),
            )),
        },
    }
}

fn clear(call: &mut Call<'_>) -> Result<(), CellError> {
    let Some(cache) = call.session.builder.cache() else {
        call.print("there is no cache: every cell is compiled\n");
        return Ok(());
    };
    cache.clear().map_err(|error| {
        let folder = cache.folder().display();
        CellError::plain("CacheError", format!("{folder}: {error}"))
    })
}

/// Bounds the cache; 0 switches it off for this session.
fn bound(call: &mut Call<'_>, megabytes: u64) {
    let session = &mut *call.session;
    let cache = match megabytes {
        0 => None,
        _ => {
            let cache = session.builder.cache().or(session.config.cache.as_ref());
            cache.map(|cache| cache.bounded(megabytes.saturating_mul(1 << 20)))
        }
    };
    let text = match &cache {
        None => "cache: off for this session; what is in it stays\n".to_owned(),
        Some(cache) => {
            cache.evict();
            format!("cache: at most {} MiB\n", cache.most_bytes() >> 20)
        }
    };
    session.ahead = None;
    session.builder.abandon_all();
    session.builder = Arc::new(session.builder.with_cache(cache));
    call.print(&text);
}
