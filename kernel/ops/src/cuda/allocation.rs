//! How much memory was asked for where the GPU had not enough.
//!
//! candle's error says that memory is out and not how much was asked for. So the driver's two functions that give memory are
//! here under their own names: cudarc, which is linked into the same library, calls these, and they call the driver's.

use std::{
    cell::Cell,
    ffi::{CStr, c_char, c_int, c_void},
    sync::OnceLock,
};

/// The driver's CUDA_ERROR_NOT_FOUND, for a driver without the function.
const NOT_FOUND: c_int = 500;

/// The handle by which the dynamic loader looks in the libraries after the one that asks.
const NEXT: *mut c_void = -1isize as *mut c_void;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// An allocation that the driver refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub bytes: usize,
    /// What was free at that moment, and all that the GPU has.
    pub free_of: Option<(usize, usize)>,
}

thread_local! {
    static REFUSED: Cell<Option<Refused>> = const { Cell::new(None) };
}

/// The last allocation of this thread, if it was refused.
pub fn refused() -> Option<Refused> {
    REFUSED.get()
}

/// The driver's own function of this name.
fn driver(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name ends with a zero, and the handle is the loader's own constant.
    let found = unsafe { dlsym(NEXT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

fn noted(bytes: usize, status: c_int) -> c_int {
    REFUSED.set((status != 0).then(|| Refused {
        bytes,
        free_of: super::device::free_now(),
    }));
    status
}

type AllocAsync = unsafe extern "C" fn(*mut u64, usize, *mut c_void) -> c_int;
type Alloc = unsafe extern "C" fn(*mut u64, usize) -> c_int;

/// The driver's function of this name, which notes what it refuses.
///
/// # Safety
///
/// As of the driver's: `pointer` is where an address may be written, `stream` is a stream.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn cuMemAllocAsync(
    pointer: *mut u64,
    bytes: usize,
    stream: *mut c_void,
) -> c_int {
    static DRIVER: OnceLock<Option<AllocAsync>> = OnceLock::new();
    let found = DRIVER.get_or_init(|| {
        // SAFETY: the driver's function of this name has these arguments.
        driver(c"cuMemAllocAsync").map(|found| unsafe { std::mem::transmute(found) })
    });
    let Some(allocate) = found else {
        return NOT_FOUND;
    };
    // SAFETY: the caller's promise is what the driver's function asks for.
    noted(bytes, unsafe { allocate(pointer, bytes, stream) })
}

/// The driver's function of this name, which notes what it refuses.
///
/// # Safety
///
/// As of the driver's: `pointer` is where an address may be written.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn cuMemAlloc_v2(pointer: *mut u64, bytes: usize) -> c_int {
    static DRIVER: OnceLock<Option<Alloc>> = OnceLock::new();
    let found = DRIVER.get_or_init(|| {
        // SAFETY: the driver's function of this name has these arguments.
        driver(c"cuMemAlloc_v2").map(|found| unsafe { std::mem::transmute(found) })
    });
    let Some(allocate) = found else {
        return NOT_FOUND;
    };
    // SAFETY: the caller's promise is what the driver's function asks for.
    noted(bytes, unsafe { allocate(pointer, bytes) })
}

#[cfg(test)]
mod tests {
    use candle_core::cuda_backend::cudarc::driver::result;

    use super::*;

    #[test]
    fn what_the_driver_refuses_is_known_by_its_size() {
        assert_eq!(refused(), None);
        // Without a context, and with the library that stands for a driver where there is none, nothing is given.
        // SAFETY: no memory is given, so none is used.
        let error = unsafe { result::malloc_async(std::ptr::null_mut(), 12_345) }.unwrap_err();
        assert_eq!(refused().map(|refused| refused.bytes), Some(12_345));
        assert_ne!(
            error.0 as c_int, NOT_FOUND,
            "the driver's function was not found"
        );
        // SAFETY: as above.
        unsafe { result::malloc_sync(54_321) }.unwrap_err();
        assert_eq!(refused().map(|refused| refused.bytes), Some(54_321));
    }
}
