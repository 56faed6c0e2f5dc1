//! Keys and values of earlier tokens, for generation.
//!
//! [`ConcatKvCache`] has gradients, which candle's of this name cuts. The others write into tensors that they keep, through
//! which no gradient goes: they refuse what is tracked.

use std::ops::{Deref, DerefMut};

use candle_core::{Result, Tensor};

/// Keys and values one behind the other, put together anew for each token.
#[derive(Clone, Debug)]
pub struct ConcatKvCache {
    both: Option<(Tensor, Tensor)>,
    dim: usize,
}

impl ConcatKvCache {
    /// Along this dimension.
    pub fn new(dim: usize) -> ConcatKvCache {
        ConcatKvCache { both: None, dim }
    }

    /// How long what is kept is.
    pub fn current_seq_len(&self) -> usize {
        self.k()
            .and_then(|k| k.dims().get(self.dim).copied())
            .unwrap_or(0)
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.both.is_none()
    }

    /// The dimension along which steps are appended.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Puts keys and values behind those that there are; returns what there is then.
    ///
    /// # Errors
    ///
    /// Fails where they do not fit to those that there are.
    pub fn append(&mut self, k: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
        let both = match &self.both {
            None => (k.contiguous()?, v.contiguous()?),
            Some((keys, values)) => (
                Tensor::cat(&[keys, k], self.dim)?,
                Tensor::cat(&[values, v], self.dim)?,
            ),
        };
        Ok(self.both.insert(both).clone())
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        self.both = None;
    }

    /// The keys so far.
    pub fn k(&self) -> Option<&Tensor> {
        self.both.as_ref().map(|(k, _)| k)
    }

    /// The values so far.
    pub fn v(&self) -> Option<&Tensor> {
        self.both.as_ref().map(|(_, v)| v)
    }

    /// The keys so far, to change.
    pub fn k_mut(&mut self) -> Option<&mut Tensor> {
        self.both.as_mut().map(|(k, _)| k)
    }

    /// The values so far, to change.
    pub fn v_mut(&mut self) -> Option<&mut Tensor> {
        self.both.as_mut().map(|(_, v)| v)
    }

    /// Keys and values.
    pub fn into_inner(self) -> Option<(Tensor, Tensor)> {
        self.both
    }
}

fn untracked(cache: &str, tensors: &[&Tensor]) -> Result<()> {
    if tensors.iter().any(|tensor| tensor.track_op()) {
        candle_core::bail!(
            "{cache} writes into its own memory, through which no gradient goes, and was given a tensor that is tracked: give \
             it `x.detach()` for generation, or take ConcatKvCache, which has gradients"
        )
    }
    Ok(())
}

macro_rules! cache {
    ($name:ident: $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug)]
        pub struct $name(candle_nn::kv_cache::$name);

        impl $name {
            /// Along this dimension, at most so many.
            pub fn new(dim: usize, max_seq_len: usize) -> $name {
                $name(candle_nn::kv_cache::$name::new(dim, max_seq_len))
            }
        }

        impl Deref for $name {
            type Target = candle_nn::kv_cache::$name;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }
    };
}

cache!(Cache: "Tensors one behind the other.");
cache!(RotatingCache: "The last tensors; the oldest make room.");
cache!(KvCache: "Keys and values one behind the other.");
cache!(RotatingKvCache: "The last keys and values; the oldest make room.");

impl Cache {
    /// Puts a tensor behind those that there are.
    ///
    /// # Errors
    ///
    /// Fails where it is tracked, does not fit, or there is no more room.
    pub fn append(&mut self, src: &Tensor) -> Result<()> {
        untracked("Cache", &[src])?;
        self.0.append(src)
    }
}

impl RotatingCache {
    /// Puts a tensor behind those that there are; returns what there is then.
    ///
    /// # Errors
    ///
    /// Fails where it is tracked or does not fit.
    pub fn append(&mut self, src: &Tensor) -> Result<Tensor> {
        untracked("RotatingCache", &[src])?;
        self.0.append(src)
    }
}

impl KvCache {
    /// Puts keys and values behind those that there are; returns what there is then.
    ///
    /// # Errors
    ///
    /// Fails where they are tracked, do not fit, or there is no more room.
    pub fn append(&mut self, k: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
        untracked("KvCache", &[k, v])?;
        self.0.append(k, v)
    }
}

impl RotatingKvCache {
    /// Puts keys and values behind those that there are; returns what there is then.
    ///
    /// # Errors
    ///
    /// Fails where they are tracked or do not fit.
    pub fn append(&mut self, k: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
        untracked("RotatingKvCache", &[k, v])?;
        self.0.append(k, v)
    }
}
