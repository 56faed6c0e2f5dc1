//! The op beside PyTorch's, and at its edges.

use candle_core::{DType, Device, Tensor, Var};

use crate::{
    self as ops,
    reference::{Checks, some, values},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("index_select/first", |x| ops::index_select(&x[0], 0, &x[1])),
        ("index_select/middle", |x| {
            ops::index_select(&x[0], -2, &x[1])
        }),
        ("gather/last", |x| ops::gather(&x[0], -1, &x[1])),
        ("gather/first", |x| ops::gather(&x[0], 0, &x[1])),
        ("scatter/last", |x| ops::scatter(&x[0], 2, &x[1], &x[2])),
        ("scatter_add/last", |x| {
            ops::scatter_add(&x[0], 2, &x[1], &x[2])
        }),
        ("scatter_add/first", |x| {
            ops::scatter_add(&x[0], 0, &x[1], &x[2])
        }),
        ("embedding/plain", |x| ops::embedding(&x[1], &x[0], None)),
        ("embedding/padding", |x| {
            ops::embedding(&x[1], &x[0], Some(2))
        }),
    ],
    edges: &[
        ("index_select", &[0, 4], |x| {
            ops::index_select(x, 1, &Tensor::new(&[3u32, 0], x.device())?)
        }),
        ("gather", &[0, 1], |x| {
            ops::gather(
                x,
                1,
                &Tensor::zeros((x.dim(0)?, 1), DType::I64, x.device())?,
            )
        }),
        ("scatter_add", &[0, 1], |x| {
            ops::scatter_add(
                x,
                1,
                &Tensor::zeros((x.dim(0)?, 1), DType::I64, x.device())?,
                &x.detach(),
            )
        }),
    ],
    errors: &[(
        || ops::embedding(&indices(), &some(&[2, 3])?, None),
        "must be from 0 to 1",
    )],
    otherwise: &[],
};

fn indices() -> Tensor {
    Tensor::new(&[1i64, 7], &Device::Cpu).unwrap()
}

#[test]
fn no_ids_give_no_rows_and_a_gradient_of_zeros() {
    let table = Var::from_tensor(&some(&[3, 4]).unwrap()).unwrap();
    let ids = Tensor::zeros((0, 2), DType::I64, &Device::Cpu).unwrap();
    let y = ops::embedding(&ids, &table, None).unwrap();
    assert_eq!(y.dims(), [0, 2, 4]);
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert_eq!(values(grads.get(&table).unwrap()), [0.0; 12]);
}
