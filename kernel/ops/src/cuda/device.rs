//! The GPU as candle's device: its one stream, and its pool of memory.

use candle_core::{
    CudaDevice, Device, Result,
    cuda_backend::{
        WrapErr,
        cudarc::driver::{CudaContext, result, sys},
    },
};

/// The GPU of this number.
///
/// The work of all threads goes to one stream, in the order of the calls. candle's `Device::new_cuda` takes the stream that
/// CUDA has for each thread instead: then nothing orders what two threads do with one tensor.
///
/// # Errors
///
/// Fails where there is no such GPU or no driver.
pub fn open(ordinal: usize) -> Result<Device> {
    let device = CudaDevice::new_with_stream(ordinal)?;
    // SAFETY: events are for tensors that are used on several streams. Here all tensors of the context are allocated, used
    // and freed on the one stream that was made with it; another handle of the same GPU has a context object of its own.
    unsafe { device.disable_event_tracking() };
    let stream = device.cuda_stream();
    if let Some(pool) = pool(stream.context())? {
        // At the default of 0 the pool gives everything that is free back to the system whenever the processor waits for
        // the GPU, and each step of a training allocates anew.
        let mut threshold = u64::MAX;
        // SAFETY: the pool is the device's own, and this attribute is a 64-bit number.
        unsafe {
            result::mem_pool::set_attribute(
                pool,
                sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
                (&raw mut threshold).cast(),
            )
        }
        .w()?;
    }
    Ok(Device::Cuda(device))
}

/// The memory of a GPU, in bytes.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The card's name.
    pub name: String,
    /// Taken by all processes; what the pool keeps for the next allocation is not.
    pub used: usize,
    pub total: usize,
}

/// The memory of the GPU.
///
/// # Errors
///
/// Fails where the driver does.
pub fn memory(device: &CudaDevice) -> Result<Memory> {
    let stream = device.cuda_stream();
    let context = stream.context();
    let (free, total) = context.mem_get_info().w()?;
    let kept = match pool(context)? {
        Some(pool) => kept(pool)?,
        None => 0,
    };
    Ok(Memory {
        name: context.name().unwrap_or_default(),
        used: total.saturating_sub(free).saturating_sub(kept),
        total,
    })
}

/// The free and all bytes of the GPU whose context is that of the thread.
pub(super) fn free_now() -> Option<(usize, usize)> {
    let (free, total) = result::mem_get_info().ok()?;
    let mut device = 0;
    // SAFETY: the number of the device is written, or the call fails.
    let found = unsafe { sys::cuCtxGetDevice(&raw mut device) }.result();
    let kept = found
        // SAFETY: the device is that of the present context.
        .and_then(|()| unsafe { result::device::get_default_mem_pool(device) })
        .w()
        .and_then(kept);
    Some((free + kept.unwrap_or(0), total))
}

/// Gives what the pool keeps for later allocations back to the system, for other processes.
///
/// # Errors
///
/// Fails where the driver does.
pub fn release_unused(device: &CudaDevice) -> Result<()> {
    let stream = device.cuda_stream();
    // What was freed is free once the work before it is done.
    stream.synchronize().w()?;
    if let Some(pool) = pool(stream.context())? {
        // SAFETY: the pool is the device's own; memory that is in use stays.
        unsafe { result::mem_pool::trim_to(pool, 0) }.w()?;
    }
    Ok(())
}

/// The pool that tensors come from, on cards that have one.
fn pool(context: &CudaContext) -> Result<Option<sys::CUmemoryPool>> {
    if !context.has_async_alloc() {
        return Ok(None);
    }
    context.bind_to_thread().w()?;
    // SAFETY: the device is that of a context that is alive.
    unsafe { result::device::get_default_mem_pool(context.cu_device()) }
        .w()
        .map(Some)
}

/// Bytes that the pool has and no tensor uses.
fn kept(pool: sys::CUmemoryPool) -> Result<usize> {
    let number = |attribute| {
        let mut bytes = 0u64;
        // SAFETY: the pool is the device's own, and both attributes asked for are 64-bit numbers.
        unsafe { result::mem_pool::get_attribute(pool, attribute, (&raw mut bytes).cast()) }
            .w()
            .map(|()| bytes as usize)
    };
    let reserved = number(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
    let used = number(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?;
    Ok(reserved.saturating_sub(used))
}
