use super::Model;
use crate::gpu::Target;

/// How much of choosing tokens a decoder does on its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceSelection {
    /// Greedy steps in one submit, at most; with 0, greedy decoding chooses on the CPU.
    pub greedy_steps: usize,
    /// Candidates a row that it finds for beams, at most; with 0, beam search ranks all logits on the CPU.
    pub candidates: usize,
}

impl DeviceSelection {
    /// All logits are read back, all tokens are chosen on the CPU.
    pub const NONE: DeviceSelection = DeviceSelection {
        greedy_steps: 0,
        candidates: 0,
    };
}

impl Model {
    /// What suits this device. A GPU is kept from waiting for its host and for the bus; where the device is the host's CPU
    /// there is nothing to wait for, a step too many costs more, and the host ranks logits faster.
    pub fn device_selection(&self) -> DeviceSelection {
        match self.gpu.target() {
            Target::Hardware { .. } => DeviceSelection {
                greedy_steps: 4,
                // Of sixteen beams, whose best tokens might all be ends of sequence.
                candidates: 32,
            },
            Target::Software { .. } => DeviceSelection {
                greedy_steps: 1,
                candidates: 0,
            },
        }
    }
}
