//! How a linear layer is laid over workgroups: which kernel, and the sizes of its blocks, by kind of adapter and numbers of
//! rows and outputs.

use super::matrix::{LANE_COLUMNS, RUN};
use crate::gpu::Target;

/// How a linear layer is laid over workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tiling {
    /// `lanes` threads split K for [`N_TILE`] outputs of `m_tile` rows; `groups` such groups a workgroup.
    Matvec {
        m_tile: usize,
        lanes: usize,
        groups: usize,
    },
    /// Blocks in workgroup memory.
    Matmul {
        tm: usize,
        tn: usize,
        threads_m: usize,
        threads_n: usize,
    },
    /// Blocks in registers alone, of `tm` rows and `tn` columns a thread.
    Direct { tm: usize, tn: usize },
}

const N_TILE: usize = 4;

/// Layouts by the most rows that each takes.
type Tilings = &'static [(usize, Tiling)];

/// For few rows, where reading the weights is what costs.
const HARDWARE: Tilings = &[(1, matvec(1)), (2, matvec(2)), (MATVEC_ROWS, matvec(4))];
const MATVEC_ROWS: usize = 8;

/// For more rows, the largest first: of these, the first one that keeps a GPU busy.
const HARDWARE_BLOCKS: [Tiling; 3] = [matmul(8, 8, 8, 8), matmul(4, 8, 8, 8), SMALL_BLOCK];
const SMALL_BLOCK: Tiling = matmul(4, 4, 4, 16);

/// Workgroups that a large GPU can run at a time.
const BUSY: usize = 128;

/// Where no block gives that many workgroups, up to so many rows do better by [`matvec`], which reads the weights again and
/// again, but out of a cache.
const FEW_ROWS: usize = 64;

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

const fn matvec(m_tile: usize) -> Tiling {
    Tiling::Matvec {
        m_tile,
        lanes: 32,
        groups: 4,
    }
}

const fn matmul(tm: usize, tn: usize, threads_m: usize, threads_n: usize) -> Tiling {
    Tiling::Matmul {
        tm,
        tn,
        threads_m,
        threads_n,
    }
}

impl Tiling {
    /// Every tiling for adapters of this kind.
    pub fn all(target: Target) -> impl Iterator<Item = Tiling> {
        let (by_rows, blocks) = match target {
            Target::Hardware => (HARDWARE, &HARDWARE_BLOCKS[..]),
            Target::Software { lanes } => (software(lanes), &[][..]),
        };
        let by_rows = by_rows.iter().map(|(_, tiling)| *tiling);
        by_rows.chain(blocks.iter().copied())
    }

    /// The tiling for so many rows and outputs.
    pub fn choose(target: Target, rows: usize, outputs: usize) -> Tiling {
        let by_rows = |tilings: Tilings| {
            let fitting = tilings.iter().find(|(most, _)| rows <= *most);
            fitting.expect("the last takes all rows that come here").1
        };
        match target {
            Target::Software { lanes } => by_rows(software(lanes)),
            Target::Hardware if rows <= MATVEC_ROWS => by_rows(HARDWARE),
            Target::Hardware => {
                let keeps_busy = |tiling: &Tiling| {
                    let (block_m, block_n) = tiling.block(target);
                    block_m < 2 * rows && rows.div_ceil(block_m) * outputs.div_ceil(block_n) >= BUSY
                };
                let small = if rows <= FEW_ROWS {
                    matvec(4)
                } else {
                    SMALL_BLOCK
                };
                HARDWARE_BLOCKS
                    .into_iter()
                    .find(keeps_busy)
                    .unwrap_or(small)
            }
        }
    }

    /// Input rows and weight rows a workgroup covers.
    pub fn block(self, target: Target) -> (usize, usize) {
        match self {
            Tiling::Matvec { m_tile, groups, .. } => (m_tile, N_TILE * groups),
            Tiling::Matmul {
                tm,
                tn,
                threads_m,
                threads_n,
            } => (tm * threads_m, tn * threads_n),
            Tiling::Direct { tm, tn } => (tm, tn * target.lanes()),
        }
    }

    /// Threads of a workgroup.
    pub fn threads(self, target: Target) -> usize {
        match self {
            Tiling::Matvec { lanes, groups, .. } => lanes * groups,
            Tiling::Matmul {
                threads_m,
                threads_n,
                ..
            } => threads_m * threads_n,
            Tiling::Direct { .. } => target.lanes(),
        }
    }

    /// Shares of a row of so many outputs, of each of which one thread finds [`super::Epilogue::Best`]; those of whole
    /// workgroups.
    pub fn shares(self, target: Target, outputs: usize) -> usize {
        let share = match self {
            Tiling::Matvec { .. } => N_TILE,
            Tiling::Matmul { tn, .. } | Tiling::Direct { tn, .. } => tn,
        };
        outputs.next_multiple_of(self.block(target).1) / share
    }

    /// The constants that the WGSL is written in terms of.
    pub fn constants(self) -> String {
        let declare = |constants: &[(&str, usize)]| {
            constants
                .iter()
                .map(|(name, value)| format!("const {name}: u32 = {value}u;\n"))
                .collect()
        };
        match self {
            Tiling::Matvec {
                m_tile,
                lanes,
                groups,
            } => declare(&[
                ("M_TILE", m_tile),
                ("N_TILE", N_TILE),
                ("LANES", lanes),
                ("GROUPS", groups),
            ]),
            Tiling::Matmul {
                tm,
                tn,
                threads_m,
                threads_n,
            } => declare(&[
                ("TM", tm),
                ("TN", tn),
                ("THREADS_M", threads_m),
                ("THREADS_N", threads_n),
            ]),
            Tiling::Direct { tm, tn } => declare(&[("TM", tm), ("TN", tn)]),
        }
    }

    /// The WGSL file's name.
    pub fn name(self) -> &'static str {
        match self {
            Tiling::Matvec { .. } => "matvec",
            Tiling::Matmul { .. } => "matmul",
            Tiling::Direct { .. } => "matmul_direct",
        }
    }

    /// The WGSL file.
    pub fn wgsl(self) -> &'static str {
        match self {
            Tiling::Matvec { .. } => include_str!("../../shaders/matvec.wgsl"),
            Tiling::Matmul { .. } => include_str!("../../shaders/matmul.wgsl"),
            Tiling::Direct { .. } => include_str!("../../shaders/matmul_direct.wgsl"),
        }
    }
}
