//! A queue of the features of earlier batches.

use patchbay::{candle_nn::Init, plugin::prelude::*};

/// Features `[width, size]` as columns, the oldest of which is overwritten first.
///
/// Any number of features may come at once, and the size need not be a multiple of it (the official program wants that).
pub struct FeatureQueue {
    features: Var,
    /// `[1]`: the column that is written next.
    pointer: Var,
}

impl FeatureQueue {
    /// A queue of random directions, as in the official program, named `name`; `pointer` may be shared by queues that
    /// move together.
    ///
    /// # Errors
    ///
    /// Fails where the name is taken by a tensor of another shape.
    pub fn new(
        context: &Context,
        name: &str,
        pointer: &str,
        width: usize,
        size: usize,
    ) -> Result<Self> {
        let normal = Init::Randn {
            mean: 0.0,
            stdev: 1.0,
        };
        let fresh = !context.carries(name);
        let features = context.buffer(name, (width, size), context.dtype(), normal)?;
        if fresh && size > 0 {
            let directions = ops::l2_normalize(&features.as_detached_tensor(), 0, 1e-12)?;
            features.set(&directions)?;
        }
        Ok(FeatureQueue {
            features,
            pointer: context.buffer(pointer, 1, DType::I64, Init::Const(0.0))?,
        })
    }

    /// `[width, size]`, without a gradient.
    pub fn features(&self) -> Tensor {
        self.features.as_detached_tensor()
    }

    /// Where the next feature is written.
    ///
    /// # Errors
    ///
    /// Fails where the tensor cannot be read.
    pub fn next(&self) -> Result<usize> {
        Ok(self.pointer.to_vec1::<i64>()?[0] as usize)
    }

    /// Returns how many features there is room for.
    pub fn size(&self) -> usize {
        self.features.dims()[1]
    }

    /// Writes features `[batch, width]` from the pointer on, around the end where they reach it. Of more features than
    /// there are places the last ones stay. Returns where the next ones go; the pointer itself is moved by
    /// [`FeatureQueue::advance`], so that two queues can share it.
    ///
    /// # Errors
    ///
    /// Fails where the width is not the queue's.
    pub fn push(&self, features: &Tensor) -> Result<usize> {
        let (width, size) = self.features.dims2()?;
        if size == 0 {
            return Ok(0);
        }
        let batch = features.dim(0)?;
        let surplus = batch.saturating_sub(size);
        let kept = features
            .narrow(0, surplus, batch - surplus)?
            .to_dtype(self.features.dtype())?
            .t()?
            .contiguous()?;
        let count = batch - surplus;
        let at = (self.next()? + surplus) % size;
        let first = count.min(size - at);
        let mut all = self
            .features()
            .slice_assign(&[0..width, at..at + first], &kept.narrow(1, 0, first)?)?;
        if first < count {
            let rest = kept.narrow(1, first, count - first)?;
            all = all.slice_assign(&[0..width, 0..count - first], &rest)?;
        }
        self.features.set(&all)?;
        Ok((at + count) % size)
    }

    /// Moves the pointer.
    ///
    /// # Errors
    ///
    /// Fails where the tensor cannot be written.
    pub fn advance(&self, to: usize) -> Result<()> {
        self.pointer
            .set(&Tensor::new(&[to as i64], self.pointer.device())?)
    }
}

/// The id of a place that no pair has been written to.
const NONE: i64 = i64::MIN;

/// The ids of the pairs whose features are in the queues: `[1, size]`, of i64.
pub struct IdQueue(Var);

impl IdQueue {
    /// A queue of places without an id, named as the official program's for fine-tuning.
    ///
    /// # Errors
    ///
    /// Fails where the name is taken by a tensor of another shape.
    pub fn new(context: &Context, size: usize) -> Result<Self> {
        let fresh = !context.carries("idx_queue");
        let ids = context.buffer("idx_queue", (1, size), DType::I64, Init::Const(0.0))?;
        if fresh {
            ids.set(&Tensor::full(NONE, (1, size), ids.device())?)?;
        }
        Ok(IdQueue(ids))
    }

    /// # Errors
    ///
    /// Fails where the tensor cannot be read.
    pub fn ids(&self) -> Result<Vec<i64>> {
        self.0.flatten_all()?.to_vec1()
    }

    /// Writes the ids of the pairs whose features [`FeatureQueue::push`] writes, from the same place on.
    ///
    /// # Errors
    ///
    /// Fails where the tensor cannot be written.
    pub fn push(&self, ids: &[i64], at: usize) -> Result<()> {
        let mut all = self.ids()?;
        let size = all.len();
        if size == 0 {
            return Ok(());
        }
        for (offset, &id) in ids.iter().enumerate() {
            all[(at + offset) % size] = id;
        }
        self.0
            .set(&Tensor::from_vec(all, (1, size), self.0.device())?)
    }
}
