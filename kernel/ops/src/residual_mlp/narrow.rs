//! The kernels for few inputs and outputs: neighboring rows are worked on together.

use rayon::prelude::*;

use crate::{
    drop_mask::Mask,
    functions::{Function, Relu},
    gemm::{Before, Matrix, on_this_thread},
    random::BLOCK,
    real::Real,
    rows::sum,
    simd::{LANES, rows_of_a_piece, simd_kernel},
};

/// The widest inputs and outputs for which hidden values are made twice.
pub(super) const INPUTS: usize = 64;

pub(super) const OUTPUTS: usize = 16;

/// Rows that are worked on together: [`GROUPS`] times [`LANES`], and [`UNITS`] hidden units at once for them, so that what
/// is loaded is used several times and the units' values fill the registers.
const BLOCK_ROWS: usize = GROUPS * LANES;
const GROUPS: usize = 4;
const UNITS: usize = 2;

/// The values of some hidden units for a block of rows.
type Units<T> = [[[T; LANES]; GROUPS]; UNITS];

/// The weights with biases as further columns, and with units of zeros up to a multiple of [`UNITS`].
pub(super) struct Weights<T> {
    inputs: usize,
    units: usize,
    outputs: usize,
    /// [units, inputs + 1].
    hidden: Vec<T>,
    /// [outputs, units].
    output: Vec<T>,
    /// [outputs].
    output_bias: Vec<T>,
    /// [outputs, inputs + 1].
    skip: Vec<T>,
}

impl<T: Real> Weights<T> {
    fn zeros(inputs: usize, units: usize, outputs: usize) -> Weights<T> {
        let units = units.next_multiple_of(UNITS);
        Weights {
            inputs,
            units,
            outputs,
            hidden: vec![T::ZERO; units * (inputs + 1)],
            output: vec![T::ZERO; outputs * units],
            output_bias: vec![T::ZERO; outputs],
            skip: vec![T::ZERO; outputs * (inputs + 1)],
        }
    }

    /// From the operands of the op, for so many hidden units and outputs.
    pub(super) fn new(first: &[T], second: &[T], units: usize, outputs: usize) -> Weights<T> {
        let inputs = first.len() / units - 1;
        let mut weights = Weights::zeros(inputs, units, outputs);
        weights.hidden[..first.len()].copy_from_slice(first);
        for (output, row) in second.chunks_exact(units + inputs + 2).enumerate() {
            weights.output[output * weights.units..][..units].copy_from_slice(&row[..units]);
            weights.output_bias[output] = row[units];
            weights.skip[output * (inputs + 1)..][..inputs + 1].copy_from_slice(&row[units + 1..]);
        }
        weights
    }

    /// The reverse of [`Weights::new`].
    pub(super) fn operands(mut self, units: usize) -> (Vec<T>, Vec<T>) {
        let second = self
            .output
            .chunks_exact(self.units)
            .zip(&self.output_bias)
            .zip(self.skip.chunks_exact(self.inputs + 1))
            .flat_map(|((weight, bias), skip)| {
                weight[..units].iter().chain([bias]).chain(skip).copied()
            })
            .collect();
        self.hidden.truncate(units * (self.inputs + 1));
        (self.hidden, second)
    }

    fn piece(&self, rows: usize) -> usize {
        // Dropout draws its numbers in blocks, which begin where pieces do.
        const { assert!(BLOCK_ROWS.is_multiple_of(BLOCK)) };
        rows_of_a_piece(rows, self.units).next_multiple_of(BLOCK_ROWS)
    }

    pub(super) fn forward(&self, x: &[T], mask: Mask) -> Vec<T> {
        let rows = x.len() / self.inputs;
        let piece = self.piece(rows);
        let mut y = vec![T::ZERO; rows * self.outputs];
        y.par_chunks_mut(piece * self.outputs)
            .zip(x.par_chunks(piece * self.inputs))
            .enumerate()
            .for_each_init(Piece::default, |piece_of, (index, (y, x))| {
                piece_of.load(self, x);
                mask.fill(index * piece * self.outputs, y.len(), &mut piece_of.kept);
                forward_piece(self, piece_of, y);
            });
        y
    }

    /// The gradients of the input, which is empty unless `x_tracked`, and of the weights.
    pub(super) fn backward(
        &self,
        x: &[T],
        grad: &[T],
        mask: Mask,
        x_tracked: bool,
    ) -> (Vec<T>, Weights<T>) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let rows = x.len() / inputs;
        let piece = self.piece(rows);
        // Each part has sums of its own, so there are few, and they are added up in their order.
        let part = rows
            .div_ceil(4 * rayon::current_num_threads())
            .next_multiple_of(piece);
        let parts: Vec<(Vec<T>, Weights<f64>)> = x
            .par_chunks(part * inputs)
            .zip(grad.par_chunks(part * outputs))
            .enumerate()
            .map(|(index, (x, grad))| {
                let mut x_grad = vec![T::ZERO; if x_tracked { x.len() } else { 0 }];
                let mut x_grads = x_grad.chunks_mut(piece * inputs);
                // The sums of a piece are in T, those of all pieces in f64.
                let mut sums = Weights::<f64>::zeros(inputs, self.units, outputs);
                let mut piece_of = Piece::default();
                let pieces = x.chunks(piece * inputs).zip(grad.chunks(piece * outputs));
                for (number, (x, grad)) in pieces.enumerate() {
                    piece_of.load(self, x);
                    let first = index * part + number * piece;
                    mask.fill(first * outputs, grad.len(), &mut piece_of.kept);
                    let mut of_piece = Weights::zeros(inputs, self.units, outputs);
                    piece_of.backward(self, grad, x_grads.next(), &mut of_piece);
                    sums.add(&of_piece);
                }
                (x_grad, sums)
            })
            .collect();
        let mut total = Weights::<f64>::zeros(inputs, self.units, outputs);
        let mut x_grad = Vec::with_capacity(if x_tracked { x.len() } else { 0 });
        for (part_of_x_grad, part) in &parts {
            x_grad.extend_from_slice(part_of_x_grad);
            total.add(part);
        }
        (x_grad, total.narrowed())
    }
}

impl Weights<f64> {
    fn add<T: Real>(&mut self, other: &Weights<T>) {
        let add = |sums: &mut [f64], values: &[T]| {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value.as_f64();
            }
        };
        add(&mut self.hidden, &other.hidden);
        add(&mut self.output, &other.output);
        add(&mut self.output_bias, &other.output_bias);
        add(&mut self.skip, &other.skip);
    }

    fn narrowed<T: Real>(&self) -> Weights<T> {
        let narrowed = |values: &[f64]| values.iter().map(|&value| T::of(value)).collect();
        Weights {
            inputs: self.inputs,
            units: self.units,
            outputs: self.outputs,
            hidden: narrowed(&self.hidden),
            output: narrowed(&self.output),
            output_bias: narrowed(&self.output_bias),
            skip: narrowed(&self.skip),
        }
    }
}

/// Some rows, turned round: what belongs to neighboring rows lies side by side.
#[derive(Default)]
struct Piece<T> {
    rows: usize,
    /// How far apart rows of the turned matrices are: not a power of two, whose rows would share a part of the cache.
    stride: usize,
    /// [inputs + 1, stride]; the last row is ones, the input that the bias is multiplied with.
    x: Vec<T>,
    /// What inner values are multiplied with: [rows, outputs].
    kept: Vec<T>,
    /// The gradient of inner values, [outputs, stride].
    inner_grad: Vec<T>,
    /// The gradient of hidden values before relu, [units, stride].
    hidden_grad: Vec<T>,
}

impl<T: Real> Piece<T> {
    fn load(&mut self, weights: &Weights<T>, x: &[T]) {
        let inputs = weights.inputs;
        self.rows = x.len() / inputs;
        self.stride = self.rows.next_multiple_of(BLOCK_ROWS) + LANES;
        self.x.clear();
        self.x.resize((inputs + 1) * self.stride, T::ZERO);
        for (row, values) in x.chunks_exact(inputs).enumerate() {
            for (input, &value) in values.iter().enumerate() {
                self.x[input * self.stride + row] = value;
            }
        }
        self.x[inputs * self.stride..][..self.rows].fill(T::ONE);
    }

    fn backward(
        &mut self,
        weights: &Weights<T>,
        grad: &[T],
        x_grad: Option<&mut [T]>,
        sums: &mut Weights<T>,
    ) {
        let (inputs, units, outputs) = (weights.inputs, weights.units, weights.outputs);
        self.inner_grad.clear();
        self.inner_grad.resize(outputs * self.stride, T::ZERO);
        let rows = grad
            .chunks_exact(outputs)
            .zip(self.kept.chunks_exact(outputs));
        for (row, (grad, kept)) in rows.enumerate() {
            for output in 0..outputs {
                self.inner_grad[output * self.stride + row] = grad[output] * kept[output];
            }
        }
        let lines = self.inner_grad.chunks_exact(self.stride);
        for (bias, line) in sums.output_bias.iter_mut().zip(lines) {
            *bias = sum(&line[..self.rows]);
        }
        self.hidden_grad.resize(units * self.stride, T::ZERO);
        backward_piece(weights, self, &mut sums.output);

        // The kernels of products want many columns, so these are the gradients turned round.
        let (width, rows, stride) = (inputs + 1, self.rows, self.stride);
        let turned = |values| Matrix::new(values, stride);
        let (x, hidden_grad) = (turned(&self.x), turned(&self.hidden_grad));
        let (grad, hidden) = (
            Matrix::new(grad, outputs),
            Matrix::new(&weights.hidden, width),
        );
        let mut scratch = vec![T::ZERO; (width * units).max(inputs * rows)];
        let right = hidden_grad.transposed();
        on_this_thread(
            (width, rows, units),
            x,
            right,
            Before::Overwrite,
            &mut scratch,
        );
        add_turned(&scratch, units, &mut sums.hidden, width);
        let (left, right) = (grad.transposed(), x.transposed());
        on_this_thread(
            (outputs, rows, width),
            left,
            right,
            Before::Add,
            &mut sums.skip,
        );

        let Some(x_grad) = x_grad else { return };
        let left = hidden.transposed();
        on_this_thread(
            (inputs, units, rows),
            left,
            hidden_grad,
            Before::Overwrite,
            &mut scratch,
        );
        let left = Matrix::new(&weights.skip, width).transposed();
        on_this_thread(
            (inputs, outputs, rows),
            left,
            grad.transposed(),
            Before::Add,
            &mut scratch,
        );
        add_turned(&scratch, rows, x_grad, inputs);
    }
}

/// Adds the transpose of a matrix with rows of `columns` to one with rows of `width`.
fn add_turned<T: Real>(matrix: &[T], columns: usize, sums: &mut [T], width: usize) {
    for (column, sums) in sums.chunks_exact_mut(width).enumerate() {
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum += matrix[row * columns + column];
        }
    }
}

#[inline(always)]
fn lanes<T: Real>(values: &[T], from: usize) -> [T; LANES] {
    let mut lanes = [T::ZERO; LANES];
    lanes.copy_from_slice(&values[from..from + LANES]);
    lanes
}

/// `sum += factor * x`.
#[inline(always)]
fn add_scaled<T: Real>(sum: &mut [T], factor: T, x: &[T; LANES]) {
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum = x.mul_add(factor, *sum);
    }
}

/// The hidden units from `unit` on before relu, for the block of rows from `row` on.
#[inline(always)]
fn units_of_block<T: Real>(
    weights: &Weights<T>,
    piece: &Piece<T>,
    unit: usize,
    row: usize,
) -> Units<T> {
    let width = weights.inputs + 1;
    let mut values = [[[T::ZERO; LANES]; GROUPS]; UNITS];
    let weight = &weights.hidden[unit * width..][..UNITS * width];
    for input in 0..width {
        for group in 0..GROUPS {
            let x = lanes(&piece.x, input * piece.stride + row + group * LANES);
            for unit in 0..UNITS {
                add_scaled(&mut values[unit][group], weight[unit * width + input], &x);
            }
        }
    }
    values
}

simd_kernel! {
    fn forward_piece['a, T: Real](weights: &'a Weights<T>, piece: &'a Piece<T>, y: &'a mut [T]) -> () {
        let (inputs, units, outputs) = (weights.inputs, weights.units, weights.outputs);
        let mut inner = [[T::ZERO; BLOCK_ROWS]; OUTPUTS];
        let blocks = y.chunks_mut(BLOCK_ROWS * outputs).zip(piece.kept.chunks(BLOCK_ROWS * outputs));
        for (block, (y, kept)) in blocks.enumerate() {
            let first = block * BLOCK_ROWS;
            for output in 0..outputs {
                inner[output] = [weights.output_bias[output]; BLOCK_ROWS];
            }
            for unit in (0..units).step_by(UNITS) {
                let mut values = units_of_block(weights, piece, unit, first);
                for unit in 0..UNITS {
                    for group in 0..GROUPS {
                        for lane in 0..LANES {
                            values[unit][group][lane] = Relu::value(values[unit][group][lane]);
                        }
                    }
                }
                for output in 0..outputs {
                    for group in 0..GROUPS {
                        let sums = &mut inner[output][group * LANES..][..LANES];
                        for of in 0..UNITS {
                            let weight = weights.output[output * units + unit + of];
                            add_scaled(sums, weight, &values[of][group]);
                        }
                    }
                }
            }
            for output in 0..outputs {
                let mut skip = [T::ZERO; BLOCK_ROWS];
                for input in 0..=inputs {
                    let weight = weights.skip[output * (inputs + 1) + input];
                    for group in 0..GROUPS {
                        let x = lanes(&piece.x, input * piece.stride + first + group * LANES);
                        add_scaled(&mut skip[group * LANES..][..LANES], weight, &x);
                    }
                }
                let rows = y.chunks_exact_mut(outputs).zip(kept.chunks_exact(outputs));
                for (row, (y, kept)) in rows.enumerate() {
                    y[output] = kept[output] * inner[output][row] + skip[row];
                }
            }
        }
    }
}

simd_kernel! {
    /// Writes the gradient of hidden values before relu, and adds that of the output's weight.
    fn backward_piece['a, T: Real](
        weights: &'a Weights<T>, piece: &'a mut Piece<T>, output_sums: &'a mut [T],
    ) -> () {
        let (units, outputs, stride) = (weights.units, weights.outputs, piece.stride);
        let mut hidden_grad = std::mem::take(&mut piece.hidden_grad);
        let mut values = [T::ZERO; BLOCK_ROWS];
        let mut sums = vec![[T::ZERO; LANES]; output_sums.len()];
        for first in (0..piece.rows).step_by(BLOCK_ROWS) {
            for unit in (0..units).step_by(UNITS) {
                let block = units_of_block(weights, piece, unit, first);
                for of in 0..UNITS {
                    for group in 0..GROUPS {
                        values[group * LANES..][..LANES].copy_from_slice(&block[of][group]);
                    }
                    let grad = &mut hidden_grad[(unit + of) * stride + first..][..BLOCK_ROWS];
                    grad.fill(T::ZERO);
                    for output in 0..outputs {
                        let weight = weights.output[output * units + unit + of];
                        let inner = &piece.inner_grad[output * stride + first..][..BLOCK_ROWS];
                        for row in 0..BLOCK_ROWS {
                            grad[row] = inner[row].mul_add(weight, grad[row]);
                        }
                        let mut products = [T::ZERO; LANES];
                        for group in 0..GROUPS {
                            for lane in 0..LANES {
                                let row = group * LANES + lane;
                                products[lane] =
                                    Relu::value(values[row]).mul_add(inner[row], products[lane]);
                            }
                        }
                        let sums = &mut sums[output * units + unit + of];
                        for lane in 0..LANES {
                            sums[lane] += products[lane];
                        }
                    }
                    for row in 0..BLOCK_ROWS {
                        grad[row] = if values[row] > T::ZERO { grad[row] } else { T::ZERO };
                    }
                }
            }
        }
        for (total, sums) in output_sums.iter_mut().zip(&sums) {
            *total += sum(sums);
        }
        piece.hidden_grad = hidden_grad;
    }
}
