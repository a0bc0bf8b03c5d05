//! How a linear layer is laid over workgroups: which kernel, and the sizes of its blocks, by kind of adapter and numbers of
//! rows and outputs.

use super::matrix::{LANE_COLUMNS, RUN};
use super::{Epilogue, WeightDType};
use crate::gpu::Target;

/// How a linear layer is laid over workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tiling {
    /// Groups of [`LANES`] threads take blocks of `m_tile` rows and `n_tile` outputs, and a workgroup of `threads` all rows.
    Matvec {
        m_tile: usize,
        n_tile: usize,
        threads: usize,
        /// Loads of each row of weights that a thread reads at a time.
        ahead: usize,
    },
    /// Blocks in workgroup memory, for `groups_m` x `groups_n` such groups.
    Matmul {
        m_tile: usize,
        n_tile: usize,
        groups_m: usize,
        groups_n: usize,
    },
    /// Blocks in registers alone, of `tm` rows and `tn` columns a thread.
    Direct { tm: usize, tn: usize },
}

/// What a layer's tiling depends on besides rows.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub dtype: WeightDType,
    pub epilogue: Epilogue,
    /// Rows of the weights.
    pub outputs: usize,
    /// 16-byte loads a row of the weights.
    pub loads: usize,
}

/// Threads that split the sum of each product on GPUs. A row gives the same bits in every kernel because they split it in the
/// same way.
const LANES: usize = 8;

/// The most rows that a workgroup takes at a time, so that weights are read once.
const FEW_ROWS: usize = 64;

/// Rows of a block of several.
const M_TILE: usize = 4;

/// Threads of a workgroup that makes a single row ready, for its own product or for others' ([`super::Staged`]).
const ROW_THREADS: usize = 64;

/// Threads that keep a large GPU busy: where blocks of many outputs leave it fewer, blocks of few are faster.
const BUSY: usize = 8192;

/// 16-byte loads of weights that a thread of a single row waits for at a time.
const READ_AT_ONCE: usize = 4;

/// Layouts by the most rows that each takes.
type Tilings = &'static [(usize, Tiling)];

/// Software adapters run the threads of a workgroup a vector at a time, one after the other, and every barrier, like every
/// trip through workgroup memory, costs without gaining anything. What a thread computes is written out, and takes that long
/// to compile: sentences and beams, which are waited for, get small blocks.
fn software(lanes: usize) -> Tilings {
    const NARROW: Tilings = &[
        (1, direct(1, 16)),
        (2, direct(2, 16)),
        (16, direct(4, 8)),
        (usize::MAX, direct(4, 16)),
    ];
    const WIDE: Tilings = &[
        (1, direct(1, 16)),
        (2, direct(2, 16)),
        (16, direct(4, 16)),
        (usize::MAX, direct(8, 16)),
    ];
    if lanes > 8 { WIDE } else { NARROW }
}

const fn direct(tm: usize, tn: usize) -> Tiling {
    assert!(tn <= LANE_COLUMNS && tn.is_multiple_of(RUN));
    Tiling::Direct { tm, tn }
}

/// For a single row.
const fn single(n_tile: usize, ahead: usize) -> Tiling {
    Tiling::Matvec {
        m_tile: 1,
        n_tile,
        threads: ROW_THREADS,
        ahead,
    }
}

/// For up to [`FEW_ROWS`].
const fn few(n_tile: usize, threads: usize) -> Tiling {
    Tiling::Matvec {
        m_tile: M_TILE,
        n_tile,
        threads,
        ahead: 1,
    }
}

/// For more rows. Where a product of int8 takes many instructions, and so many registers, blocks are small.
fn many(spells_out: bool) -> Tiling {
    let (n_tile, groups_m) = if spells_out { (4, 4) } else { (8, 8) };
    Tiling::Matmul {
        m_tile: M_TILE,
        n_tile,
        groups_m,
        groups_n: 4,
    }
}

/// Whether products of this type are not instructions of the adapter.
fn spells_out(target: Target, dtype: WeightDType) -> bool {
    dtype == WeightDType::Int8 && target == Target::Hardware { int8_dot: false }
}

/// What a layer of a GPU does with a load of weights: how many loads of input it meets, and how many terms its sums get of it.
fn loaded_and_terms(target: Target, dtype: WeightDType) -> (usize, usize) {
    match dtype {
        WeightDType::F32 => (1, 1),
        WeightDType::F16 => (2, 2),
        WeightDType::Int8 if spells_out(target, dtype) => (1, 4),
        WeightDType::Int8 => (1, 1),
    }
}

impl Tiling {
    /// Every tiling for layers of this type on adapters of this kind.
    pub fn all(target: Target, dtype: WeightDType) -> Vec<Tiling> {
        match target {
            Target::Software { lanes } => software(lanes).iter().map(|tiling| tiling.1).collect(),
            Target::Hardware { .. } => {
                let mut all = vec![many(spells_out(target, dtype))];
                for n_tile in SINGLE_OUTPUTS {
                    let ahead = (0..).map(|power| 1 << power);
                    let ahead = ahead.take_while(|ahead| ahead * n_tile <= READ_AT_ONCE);
                    all.extend(ahead.map(|ahead| single(n_tile, ahead)));
                }
                for &n_tile in few_outputs(target, dtype) {
                    all.extend(FEW_THREADS.map(|threads| few(n_tile, threads)));
                }
                all
            }
        }
    }

    /// The tiling for so many rows of a layer.
    pub fn choose(target: Target, rows: usize, shape: Shape) -> Tiling {
        let Shape { dtype, loads, .. } = shape;
        match target {
            Target::Software { lanes } => {
                let fitting = software(lanes).iter().find(|(most, _)| rows <= *most);
                fitting.expect("the last takes all rows that come here").1
            }
            Target::Hardware { .. } if rows == 1 => {
                let n_tile = shape.outputs_a_block(1, &SINGLE_OUTPUTS);
                // Half of a lane's loads at most, so that reading ahead pays.
                let each = (loads / LANES / 2).clamp(1, READ_AT_ONCE / n_tile);
                single(n_tile, 1 << each.ilog2())
            }
            Target::Hardware { .. } if rows <= FEW_ROWS => {
                let blocks = rows.div_ceil(M_TILE);
                let n_tile = shape.outputs_a_block(blocks, few_outputs(target, dtype));
                let [small, large] = FEW_THREADS;
                // Two blocks of columns a workgroup at least.
                few(
                    n_tile,
                    if 2 * blocks * LANES <= small {
                        small
                    } else {
                        large
                    },
                )
            }
            Target::Hardware { .. } => many(spells_out(target, dtype)),
        }
    }

    /// Whether layers that end so can be laid out so.
    pub fn takes(self, epilogue: Epilogue) -> bool {
        match (self, epilogue) {
            (Tiling::Matvec { n_tile, .. }, Epilogue::Gate(_)) => n_tile >= 2,
            _ => true,
        }
    }

    /// The most shares that a row of some of a layer's outputs has, over any number of rows: see [`Tiling::shares`].
    pub fn most_shares(target: Target, shape: Shape, outputs: usize) -> usize {
        // Where the choice changes, but for those that do not matter here.
        [1, 2, 16, FEW_ROWS, usize::MAX]
            .map(|rows| Tiling::choose(target, rows, shape).shares(target, outputs))
            .into_iter()
            .max()
            .unwrap_or(0)
    }

    /// Threads that make a row ready.
    pub fn row_threads(target: Target) -> usize {
        match target {
            Target::Hardware { .. } => ROW_THREADS,
            Target::Software { lanes } => lanes,
        }
    }

    /// Whether a workgroup takes a single row.
    pub fn is_single(self) -> bool {
        matches!(
            self,
            Tiling::Matvec { m_tile: 1, .. } | Tiling::Direct { tm: 1, .. }
        )
    }

    /// Blocks of rows that a workgroup takes of so many.
    pub fn row_groups(self, rows: usize) -> usize {
        match self {
            Tiling::Matvec { m_tile, .. } => rows.div_ceil(m_tile),
            Tiling::Matmul { .. } | Tiling::Direct { .. } => 1,
        }
    }

    /// How many times it reads the weights for so many rows, once by each workgroup that does not take them all.
    pub fn passes(self, rows: usize) -> usize {
        match self {
            Tiling::Matvec { m_tile: 1, .. } => rows,
            Tiling::Matvec { .. } => 1,
            Tiling::Matmul {
                m_tile, groups_m, ..
            } => rows.div_ceil(m_tile * groups_m),
            Tiling::Direct { tm, .. } => rows.div_ceil(tm),
        }
    }

    /// Workgroups over so many rows and outputs.
    pub fn workgroups(self, target: Target, rows: usize, outputs: usize) -> [u32; 3] {
        let [x, y] = match self {
            Tiling::Matvec {
                n_tile, threads, ..
            } => {
                let columns = threads / LANES / self.row_groups(rows) * n_tile;
                [outputs.div_ceil(columns), 1]
            }
            // Neighbours share blocks of x.
            Tiling::Matmul {
                m_tile,
                n_tile,
                groups_m,
                groups_n,
            } => [
                outputs.div_ceil(n_tile * groups_n),
                rows.div_ceil(m_tile * groups_m),
            ],
            // Neighbours share weights.
            Tiling::Direct { tm, tn } => [rows.div_ceil(tm), outputs.div_ceil(tn * target.lanes())],
        };
        [x as u32, y as u32, 1]
    }

    /// Shares of a row of so many outputs, of each of which one thread finds [`Epilogue::Best`].
    pub fn shares(self, target: Target, outputs: usize) -> usize {
        let (share, block) = match self {
            Tiling::Matvec { n_tile, .. } => (n_tile, n_tile),
            Tiling::Matmul {
                n_tile, groups_n, ..
            } => (n_tile, n_tile * groups_n),
            Tiling::Direct { tn, .. } => (tn, tn * target.lanes()),
        };
        outputs.next_multiple_of(block) / share
    }

    /// The constants that the WGSL is written in terms of.
    pub fn constants(self, target: Target, dtype: WeightDType) -> String {
        let (loaded, terms) = loaded_and_terms(target, dtype);
        let of_groups = |m_tile: usize, n_tile: usize, threads: usize, round: usize| {
            let round = round.min(m_tile * n_tile);
            vec![
                ("LANES", LANES),
                ("THREADS", threads),
                ("M_TILE", m_tile),
                ("N_TILE", n_tile),
                ("ROUND", round),
                ("ROUNDS", m_tile * n_tile / round),
                ("LOADED", loaded),
                ("TERMS", terms),
                ("TERMS_A_PIECE", terms / loaded),
            ]
        };
        let constants = match self {
            Tiling::Matvec {
                m_tile,
                n_tile,
                threads,
                ahead,
            } => {
                let mut constants = of_groups(m_tile, n_tile, threads, LANES);
                constants.push(("AHEAD", ahead));
                constants
            }
            Tiling::Matmul {
                m_tile,
                n_tile,
                groups_m,
                groups_n,
            } => {
                // Half as many products at a time: the blocks take workgroup memory too.
                let threads = LANES * groups_m * groups_n;
                let mut constants = of_groups(m_tile, n_tile, threads, LANES / 2);
                constants.extend([
                    ("GROUPS_M", groups_m),
                    ("GROUPS_N", groups_n),
                    ("X_LOADS", m_tile / groups_n),
                    ("W_LOADS", n_tile / groups_m),
                ]);
                constants
            }
            Tiling::Direct { tm, tn } => vec![("TM", tm), ("TN", tn)],
        };
        let declared = constants
            .into_iter()
            .map(|(name, value)| format!("const {name}: u32 = {value}u;\n"));
        let reads_ahead = match self {
            Tiling::Matvec { m_tile, .. } => {
                format!("const READS_AHEAD: bool = {};\n", m_tile == 1)
            }
            Tiling::Matmul { .. } | Tiling::Direct { .. } => String::new(),
        };
        declared.collect::<String>() + &reads_ahead
    }

    /// The WGSL file's name.
    pub fn name(self) -> &'static str {
        match self {
            Tiling::Matvec { .. } => "matvec",
            Tiling::Matmul { .. } => "matmul",
            Tiling::Direct { .. } => "matmul_direct",
        }
    }

    /// The WGSL files.
    pub fn wgsl(self) -> Vec<&'static str> {
        let lanes = include_str!("../../shaders/lanes.wgsl");
        match self {
            Tiling::Matvec { .. } => vec![lanes, include_str!("../../shaders/matvec.wgsl")],
            Tiling::Matmul { .. } => vec![lanes, include_str!("../../shaders/matmul.wgsl")],
            Tiling::Direct { .. } => vec![include_str!("../../shaders/matmul_direct.wgsl")],
        }
    }
}

/// Outputs a block of a single row.
const SINGLE_OUTPUTS: [usize; 3] = [4, 2, 1];

/// Outputs a block of several rows.
fn few_outputs(target: Target, dtype: WeightDType) -> &'static [usize] {
    if spells_out(target, dtype) {
        &[2]
    } else {
        &[4, 2]
    }
}

/// Threads of a workgroup for few rows.
const FEW_THREADS: [usize; 2] = [64, 128];

impl Shape {
    /// Outputs a block, of so many blocks of rows: the largest choice that keeps a GPU busy. Where the best of each block is
    /// sought, fewer blocks are better, and a gate's two outputs stay together.
    fn outputs_a_block(self, row_blocks: usize, choices: &[usize]) -> usize {
        let threads = |n_tile: usize| row_blocks * self.outputs.div_ceil(n_tile) * LANES;
        let least = match self.epilogue {
            Epilogue::Best => choices[0],
            Epilogue::Gate(_) => 2,
            _ => 1,
        };
        let allowed = || choices.iter().copied().filter(|n_tile| *n_tile >= least);
        allowed()
            .find(|n_tile| threads(*n_tile) >= BUSY)
            .or(allowed().next_back())
            .expect("the largest is always allowed")
    }
}
