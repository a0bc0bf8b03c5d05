//! GPU time per kernel, from timestamp queries around every dispatch.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Gpu;
use super::plan::Dispatch;
use super::readback::Mapping;
use crate::{Error, Result};

/// What one kernel cost while profiling was on.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelTime {
    /// The WGSL file's name.
    pub kernel: &'static str,
    /// Dispatches.
    pub calls: usize,
    /// GPU time of all of them.
    pub total: Duration,
}

/// Dispatches whose timestamps one query set holds: two queries each, of at most 4096; and Metal has 4096 command buffers
/// at a time, of which a pass takes two.
const DISPATCHES_A_SET: usize = 1024;

/// Times by kernel.
pub(super) type Profile = BTreeMap<&'static str, (usize, Duration)>;

impl Gpu {
    /// From now on, runs measure each dispatch; every dispatch then is a pass of its own, so wall-clock times mean little.
    ///
    /// # Errors
    /// [`Error::Gpu`] where the adapter has no timestamp queries.
    pub fn start_profile(&self) -> Result<()> {
        if !self
            .device
            .features()
            .contains(wgpu::Features::TIMESTAMP_QUERY)
        {
            return Err(Error::Gpu(format!(
                "{} has no timestamp queries to profile with",
                self.info.name
            )));
        }
        *self.profile.lock().unwrap() = Some(Profile::new());
        Ok(())
    }

    /// Ends profiling; what each kernel cost, dearest first.
    pub fn take_profile(&self) -> Vec<KernelTime> {
        let profile = self.profile.lock().unwrap().take().unwrap_or_default();
        let mut times: Vec<_> = profile
            .into_iter()
            .map(|(kernel, (calls, total))| KernelTime {
                kernel,
                calls,
                total,
            })
            .collect();
        times.sort_by_key(|time| std::cmp::Reverse(time.total));
        times
    }

    /// Runs dispatches one pass each and adds their times to the profile.
    pub(super) fn run_profiled(
        &self,
        dispatches: &[&Dispatch],
        profile: &mut Profile,
    ) -> Result<()> {
        for dispatches in dispatches.chunks(DISPATCHES_A_SET) {
            let count = 2 * dispatches.len() as u32;
            let bytes = u64::from(count) * 8;
            let queries = self.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("profile"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let buffer = |usage| {
                self.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("profile"),
                    size: bytes,
                    usage,
                    mapped_at_creation: false,
                })
            };
            let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
            let mapped = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
            let mut encoder = self.device.create_command_encoder(&Default::default());
            for (begin, dispatch) in (0..).step_by(2).zip(dispatches) {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: Some(dispatch.pipeline.name),
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set: &queries,
                        beginning_of_pass_write_index: Some(begin),
                        end_of_pass_write_index: Some(begin + 1),
                    }),
                });
                dispatch.encode(&mut pass, &mut None);
            }
            encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &mapped, 0, bytes);
            let submission = self.queue.submit([encoder.finish()]);
            let mut stamps: Vec<u64> = Vec::new();
            Mapping::begin(&mapped, bytes, submission).read(&self.device, |bytes| {
                stamps.extend(
                    bytes
                        .as_chunks()
                        .0
                        .iter()
                        .map(|word| u64::from_le_bytes(*word)),
                );
            })?;
            let period = f64::from(self.queue.get_timestamp_period()) * 1e-9;
            for (dispatch, stamps) in dispatches.iter().zip(stamps.chunks_exact(2)) {
                let time =
                    Duration::from_secs_f64(stamps[1].saturating_sub(stamps[0]) as f64 * period);
                let (calls, total) = profile.entry(dispatch.pipeline.name).or_default();
                *calls += 1;
                *total += time;
            }
        }
        Ok(())
    }
}
