//! How a value becomes something that a front end draws.
//!
//! A type shows itself through [`Show`]. The last expression of a cell is shown by the best means
//! its type has: `Show`, an `evcxr_display` method, `Debug`, or else its type's name.

use std::{any::TypeId, fmt, rc::Rc, sync::Arc};

use patchbay_protocol::Output;
use serde_json::{Value, json};

pub use patchbay_protocol::MimeBundle;

/// A value with a rich form of its own.
pub trait Show {
    /// The value by MIME type. There is always a `text/plain`, for terminals and for reading diffs.
    fn show(&self) -> MimeBundle;
}

/// A bundle with one text representation beside the plain one.
pub fn bundle(plain: impl Into<String>, mime: &str, content: impl Into<Value>) -> MimeBundle {
    let mut bundle = plain_text(plain);
    bundle.data.insert(mime.to_owned(), content.into());
    bundle
}

/// A bundle that is text only.
pub fn plain_text(text: impl Into<String>) -> MimeBundle {
    let mut bundle = MimeBundle::default();
    bundle
        .data
        .insert("text/plain".to_owned(), json!(text.into()));
    bundle
}

impl Show for MimeBundle {
    fn show(&self) -> MimeBundle {
        self.clone()
    }
}

macro_rules! show_through_pointer {
    ($($pointer:ty),*) => {$(
        impl<T: Show + ?Sized> Show for $pointer {
            fn show(&self) -> MimeBundle {
                (**self).show()
            }
        }
    )*};
}

show_through_pointer!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

macro_rules! show_as_debug {
    ($($plain:ty),*) => {$(
        /// As the last expression of a cell shows it.
        impl Show for $plain {
            fn show(&self) -> MimeBundle {
                plain_text(debug_text(self))
            }
        }
    )*};
}

show_as_debug!(
    str, String, char, bool, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32,
    f64
);

/// The widest `Debug` text that stays on one line.
const LINE_WIDTH: usize = 100;

/// The most lines that a `Debug` text is spread over.
const MOST_LINES: usize = 40;

/// `Debug` on one line, or on several where one would be long and several are few.
pub fn debug_text(value: &(impl fmt::Debug + ?Sized)) -> String {
    let line = format!("{value:?}");
    if line.chars().count() <= LINE_WIDTH {
        return line;
    }
    let lines = format!("{value:#?}");
    if lines.lines().count() <= MOST_LINES {
        lines
    } else {
        line
    }
}

/// The choice of the best means, by autoref specialization. The engine writes the calls.
///
/// All that is not the choice itself is in functions that are not generic: what a cell instantiates
/// makes its compile slower.
pub mod probe {
    use super::*;

    /// A value whose means of display are being looked for.
    pub struct Probe<'a, T: ?Sized>(pub &'a T);

    /// `()` is never shown, nor is the handle of what has been shown.
    pub trait ViaUnit {
        /// Shows nothing.
        fn emit(&self) {}
    }

    impl ViaUnit for &&&Probe<'_, ()> {}

    impl ViaUnit for &&&Probe<'_, crate::DisplayHandle> {}

    /// By the value's own [`Show`].
    pub trait ViaShow {
        /// Shows the value.
        fn emit(&self);
    }

    impl<T: Show + ?Sized> ViaShow for &&Probe<'_, T> {
        fn emit(&self) {
            emit_show(&self.0);
        }
    }

    /// By `Debug`.
    pub trait ViaDebug {
        /// Shows the value.
        fn emit(&self);
    }

    impl<T: fmt::Debug + ?Sized> ViaDebug for &Probe<'_, T> {
        fn emit(&self) {
            emit_debug(&self.0);
        }
    }

    /// By the name of its type, where nothing else is known.
    pub trait ViaTypeName {
        /// Shows the name.
        fn emit(&self);
    }

    impl<T: ?Sized> ViaTypeName for Probe<'_, T> {
        fn emit(&self) {
            emit_type_name(std::any::type_name::<T>());
        }
    }

    /// Result of `evcxr_display` for a type that has no such method. The trait that returns it is
    /// the cell's own: found in the SDK, evcxr's compiler would advise to import it.
    pub struct NoEvcxrDisplay;

    /// Whether a value has no method `evcxr_display` of its own; `_call` calls the method that it has.
    pub fn has_none<R: 'static>(_call: &impl Fn() -> R) -> bool {
        TypeId::of::<R>() == TypeId::of::<NoEvcxrDisplay>()
    }

    /// Tells the host that what the value prints between evcxr's marks is the cell's result.
    #[inline(never)]
    pub fn prints_itself() {
        emit(MimeBundle::default());
    }

    #[inline(never)]
    fn emit_show(value: &dyn Show) {
        emit(value.show());
    }

    #[inline(never)]
    fn emit_debug(value: &dyn fmt::Debug) {
        emit(plain_text(debug_text(value)));
    }

    #[inline(never)]
    fn emit_type_name(name: &str) {
        let name = patchbay_cell::names::shown(name);
        emit(plain_text(format!(
            "a value of type {name} (derive Debug to see it)"
        )));
    }

    fn emit(bundle: MimeBundle) {
        patchbay_cell::channel::output(Output::Result { bundle });
    }
}

/// Shows the value of an expression as the cell's result. The engine writes the calls.
#[doc(hidden)]
#[macro_export]
macro_rules! __show_result {
    ($expression:expr) => {
        match &($expression) {
            value => {
                #[allow(unused_imports)]
                use $crate::show::probe::{
                    NoEvcxrDisplay, ViaDebug as _, ViaShow as _, ViaTypeName as _, ViaUnit as _,
                };
                /// Found by method lookup only where the type has no `evcxr_display` of its own.
                trait EvcxrDisplayFallback {
                    fn evcxr_display(&self) -> NoEvcxrDisplay {
                        NoEvcxrDisplay
                    }
                }
                impl<T: ?Sized> EvcxrDisplayFallback for &T {}
                let show = || value.evcxr_display();
                if $crate::show::probe::has_none(&show) {
                    (&&&&$crate::show::probe::Probe(value)).emit()
                } else {
                    $crate::show::probe::prints_itself();
                    show();
                }
            }
        }
    };
}
