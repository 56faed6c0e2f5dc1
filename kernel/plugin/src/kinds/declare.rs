//! Expansion of a kind's trait: `kind!`, and the list of kinds, `kinds!`.

/// Declares a kind: the trait as it stands, [`Kind`](super::Kind) for its trait object, and the trait for the
/// [`Slot`](crate::Slot), which forwards each method to its present component.
///
/// ```ignore
/// kind! {
///     #[name = "metric"]                 // the first half of the ids
///     #[memory = Seen]                   // what a slot remembers across swaps; left out where nothing
///     #[measured = measured]             // what `describe` measures: fn(&dyn Metric) -> Vec<(String, String)>; may be left out
///     #[tried = tried]                   // how tests call a component on its sample: fn(&Slot<dyn Metric>, &Inputs) -> Result<Outputs>
///     /// A measure of predictions.
///     pub trait Metric: Component {
///         /// A call that may fail is forwarded through `Slot::call`.
///         fn value(&self, prediction: &Tensor) -> Result<Tensor>;
///
///         /// The same, by a function that gets the slot in place of `self`, to check what comes back.
///         #[slot = checked]
///         fn values(&self, prediction: &Tensor) -> Result<Tensor>;
///
///         /// What cannot fail is read once, when the component is made; the slot keeps it.
///         #[constant]
///         fn larger_is_better(&self) -> bool {
///             true
///         }
///     }
/// }
/// ```
macro_rules! kind {
    (
        #[name = $name:literal]
        $(#[memory = $Memory:ty])?
        $(#[measured = $measured:path])?
        #[tried = $tried:path]
        $(#[doc = $doc:literal])*
        pub trait $Trait:ident: Component { $($methods:tt)* }
    ) => {
        $crate::kinds::declare::kind_methods! {
            { $name [$($Memory)?] [$($measured)?] $tried [$($doc)*] $Trait }
            {} {} {}
            $($methods)*
        }
    };
    (#[name = $name:literal] $(#[memory = $Memory:ty])? $(#[measured = $measured:path])? $(#[doc = $doc:literal])* pub trait $($rest:tt)*) => {
        ::std::compile_error!(
            "a kind says how tests try its components: write `#[tried = function]` before the documentation of the trait, the \
             function being fn(&Slot<dyn Trait>, &Inputs) -> Result<Outputs>; see kinds/loss.rs"
        );
    };
    ($($rest:tt)*) => {
        ::std::compile_error!(
            "a kind is declared as: #[name = \"...\"], perhaps #[memory = Type] and #[measured = function], #[tried = function], \
             documentation, `pub trait Name: Component { ... }`; in this order. kinds/tool.rs is the shortest"
        );
    };
}
pub(crate) use kind;

/// Takes the methods of a kind one by one: `{head} {methods of the trait} {methods of the slot} {constants} methods`.
macro_rules! kind_methods {
    // What is read once.
    (
        $head:tt { $($item:tt)* } { $($slot:tt)* } { $($constant:tt)* }
        $(#[doc = $doc:literal])* #[constant] fn $method:ident(&$this:ident) -> $type:ty; $($rest:tt)*
    ) => {
        $crate::kinds::declare::kind_methods! {
            $head
            { $($item)* $(#[doc = $doc])* fn $method(&$this) -> $type; }
            { $($slot)* fn $method(&$this) -> $type { ::std::clone::Clone::clone(&$this.constants().$method) } }
            { $($constant)* $method: $type, }
            $($rest)*
        }
    };
    (
        $head:tt { $($item:tt)* } { $($slot:tt)* } { $($constant:tt)* }
        $(#[doc = $doc:literal])* #[constant] fn $method:ident(&$this:ident) -> $type:ty $body:block $($rest:tt)*
    ) => {
        $crate::kinds::declare::kind_methods! {
            $head
            { $($item)* $(#[doc = $doc])* fn $method(&$this) -> $type $body }
            { $($slot)* fn $method(&$this) -> $type { ::std::clone::Clone::clone(&$this.constants().$method) } }
            { $($constant)* $method: $type, }
            $($rest)*
        }
    };
    // What the slot does by a function of the kind's.
    (
        $head:tt { $($item:tt)* } { $($slot:tt)* } $constants:tt
        $(#[doc = $doc:literal])* #[slot = $by:path]
        fn $method:ident(&$this:ident $(, $argument:ident: $type:ty)* $(,)?) -> Result<$result:ty>; $($rest:tt)*
    ) => {
        $crate::kinds::declare::kind_methods! {
            $head
            { $($item)* $(#[doc = $doc])* fn $method(&$this $(, $argument: $type)*) -> Result<$result>; }
            { $($slot)* fn $method(&$this $(, $argument: $type)*) -> Result<$result> { $by($this $(, $argument)*) } }
            $constants
            $($rest)*
        }
    };
    (
        $head:tt { $($item:tt)* } { $($slot:tt)* } $constants:tt
        $(#[doc = $doc:literal])* #[slot = $by:path]
        fn $method:ident(&$this:ident $(, $argument:ident: $type:ty)* $(,)?) -> Result<$result:ty> $body:block $($rest:tt)*
    ) => {
        $crate::kinds::declare::kind_methods! {
            $head
            { $($item)* $(#[doc = $doc])* fn $method(&$this $(, $argument: $type)*) -> Result<$result> $body }
            { $($slot)* fn $method(&$this $(, $argument: $type)*) -> Result<$result> { $by($this $(, $argument)*) } }
            $constants
            $($rest)*
        }
    };
    // What is forwarded.
    (
        $head:tt { $($item:tt)* } { $($slot:tt)* } $constants:tt
        $(#[doc = $doc:literal])*
        fn $method:ident(&$this:ident $(, $argument:ident: $type:ty)* $(,)?) -> Result<$result:ty>; $($rest:tt)*
    ) => {
        $crate::kinds::declare::kind_methods! {
            $head
            { $($item)* $(#[doc = $doc])* fn $method(&$this $(, $argument: $type)*) -> Result<$result>; }
            {
                $($slot)*
                fn $method(&$this $(, $argument: $type)*) -> Result<$result> {
                    $this.call(|component| component.$method($($argument),*))
                }
            }
            $constants
            $($rest)*
        }
    };
    (
        $head:tt { $($item:tt)* } { $($slot:tt)* } $constants:tt
        $(#[doc = $doc:literal])*
        fn $method:ident(&$this:ident $(, $argument:ident: $type:ty)* $(,)?) -> Result<$result:ty> $body:block $($rest:tt)*
    ) => {
        $crate::kinds::declare::kind_methods! {
            $head
            { $($item)* $(#[doc = $doc])* fn $method(&$this $(, $argument: $type)*) -> Result<$result> $body }
            {
                $($slot)*
                fn $method(&$this $(, $argument: $type)*) -> Result<$result> {
                    $this.call(|component| component.$method($($argument),*))
                }
            }
            $constants
            $($rest)*
        }
    };
    // All are taken.
    (
        { $name:literal [$($Memory:ty)?] [$($measured:path)?] $tried:path [$($doc:literal)*] $Trait:ident }
        { $($item:tt)* } { $($slot:tt)* } { $($constant:ident: $type:ty,)* }
    ) => {
        $(#[doc = $doc])*
        pub trait $Trait: $crate::Component { $($item)* }

        const _: () = {
            /// Values that are read of a component when it is made.
            pub struct Constants { $($constant: $type,)* }

            impl $crate::Kind for dyn $Trait {
                const NAME: &'static str = $name;
                type Memory = $crate::kinds::declare::or_unit!($($Memory)?);
                type Constants = Constants;

                fn as_component(&self) -> &dyn $crate::Component {
                    self
                }

                fn constants(&self) -> Constants {
                    Constants { $($constant: self.$constant(),)* }
                }

                $(fn facts(&self) -> ::std::vec::Vec<(::std::string::String, ::std::string::String)> {
                    $measured(self)
                })?
            }

            impl $crate::Tried for dyn $Trait {
                fn try_out(
                    slot: &$crate::Slot<Self>,
                    inputs: &$crate::Inputs,
                ) -> ::patchbay_show::Result<$crate::Outputs> {
                    $tried(slot, inputs)
                }
            }

            impl $crate::Component for $crate::Slot<dyn $Trait> {
                fn begin_epoch(&self, epoch: usize) {
                    // The error is kept in the slot's history; this form has no way to return it.
                    let _ = $crate::Slot::begin_epoch(self, epoch);
                }
            }

            impl $Trait for $crate::Slot<dyn $Trait> { $($slot)* }
        };
    };
    // What is none of these.
    (
        $head:tt $items:tt $slot:tt $constants:tt
        $(#[$attribute:meta])* fn $method:ident(&$this:ident $($arguments:tt)*) -> $type:ty; $($rest:tt)*
    ) => {
        $crate::kinds::declare::cannot_fail!($method);
    };
    (
        $head:tt $items:tt $slot:tt $constants:tt
        $(#[$attribute:meta])* fn $method:ident(&$this:ident $($arguments:tt)*) -> $type:ty $body:block $($rest:tt)*
    ) => {
        $crate::kinds::declare::cannot_fail!($method);
    };
    ($head:tt $items:tt $slot:tt $constants:tt $($rest:tt)*) => {
        ::std::compile_error!(::std::concat!(
            "a kind's methods are `fn name(&self, argument: Type) -> Result<Type>`, where need be after #[slot = function], or \
             `#[constant] fn name(&self) -> Type`; arguments are names, attributes stand behind the documentation. This is none of \
             them: ",
            ::std::stringify!($($rest)*)
        ));
    };
}
pub(crate) use kind_methods;

/// Words for a method that returns no `Result`.
#[allow(unused_macros)] // No kind has one.
macro_rules! cannot_fail {
    ($method:ident) => {
        ::std::compile_error!(::std::concat!(
            "`",
            ::std::stringify!($method),
            "` returns no Result, so a slot could not say that its component has failed. Let it return `Result<...>`; or, if it \
             takes nothing but &self and its answer never changes, write #[constant] before `fn`: then it is read once, when the \
             component is made"
        ));
    };
}
#[allow(unused_imports)]
pub(crate) use cannot_fail;

/// A type, or `()` where there is none.
macro_rules! or_unit {
    () => {
        ()
    };
    ($type:ty) => {
        $type
    };
}
pub(crate) use or_unit;

/// Declares the kinds that there are: for each a module, its names, and its turn in [`each`](super::each).
macro_rules! kinds {
    ($($module:ident::$Trait:ident),+ $(,)?) => {
        $(mod $module;)+

        /// All names of the kinds' modules.
        pub mod names {
            $(pub use super::$module::*;)+
        }

        /// The kinds' traits.
        pub mod traits {
            $(pub use super::$module::$Trait;)+
        }

        pub use names::*;

        /// Shows a visitor each kind.
        pub fn each(visitor: &mut impl $crate::kinds::Visitor) {
            $(visitor.visit::<dyn $module::$Trait>();)+
        }
    };
}
pub(crate) use kinds;

#[cfg(test)]
mod tests;
