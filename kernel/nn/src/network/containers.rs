//! Lists and maps of networks: `torch.nn.ModuleList` and `ModuleDict`.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use candle_core::Result;

use super::{Field, Network, Part, TensorMap};

impl<N: Network + ?Sized> Network for Box<N> {
    fn type_name(&self) -> Cow<'_, str> {
        (**self).type_name()
    }

    fn settings(&self) -> String {
        (**self).settings()
    }

    fn parts(&self) -> Vec<Part<'_>> {
        (**self).parts()
    }

    fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
        (**self).map_tensors(map)
    }

    fn is_list(&self) -> bool {
        (**self).is_list()
    }
}

macro_rules! lists {
    ($([$($generic:tt)*] $list:ty),*) => {$(
        /// Parts by their indices.
        impl<F: Field, $($generic)*> Network for $list {
            fn type_name(&self) -> Cow<'_, str> {
                "ModuleList".into()
            }

            fn parts(&self) -> Vec<Part<'_>> {
                let mut parts = Vec::new();
                for (index, field) in self.iter().enumerate() {
                    field.add_to(&index.to_string(), &mut parts);
                }
                parts
            }

            fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
                self.iter_mut().try_for_each(|field| field.map_tensors(map))
            }

            fn is_list(&self) -> bool {
                true
            }
        }
    )*};
}

lists!([] Vec<F>, [const N: usize] [F; N]);

macro_rules! maps {
    ($($map:ident),*) => {$(
        /// Parts by their keys, in the order of these.
        impl<F: Field> Network for $map<String, F> {
            fn type_name(&self) -> Cow<'_, str> {
                "ModuleDict".into()
            }

            fn parts(&self) -> Vec<Part<'_>> {
                let sorted: BTreeMap<&String, &F> = self.iter().collect();
                let mut parts = Vec::new();
                for (key, field) in sorted {
                    field.add_to(key, &mut parts);
                }
                parts
            }

            fn map_tensors(&mut self, map: &mut TensorMap<'_>) -> Result<()> {
                self.values_mut().try_for_each(|field| field.map_tensors(map))
            }

            fn is_list(&self) -> bool {
                true
            }
        }
    )*};
}

maps!(BTreeMap, HashMap);
