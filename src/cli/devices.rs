//! `t5-gpu devices`

use std::io::{self, Write};

use clap::Args;
use serde_json::json;
use t5_gpu::{DeviceInfo, Error};

use super::Outcome;

/// List the GPUs there are, the best first
#[derive(Args)]
pub struct Devices {
    /// An object a line
    #[arg(long)]
    jsonl: bool,
    /// Accepted for uniformity: this command tells nothing on stderr
    #[arg(long, short)]
    quiet: bool,
}

impl Devices {
    pub fn run(self) -> Outcome {
        let devices = t5_gpu::devices();
        if devices.is_empty() {
            return Err(Error::NoAdapter.into());
        }
        let mut out = io::stdout().lock();
        for device in &devices {
            if self.jsonl {
                writeln!(out, "{}", to_json(device))?;
            } else {
                write!(out, "{}", describe(device))?;
            }
        }
        Ok(())
    }
}

/// For people to read.
pub fn describe(device: &DeviceInfo) -> String {
    let mark = if device.default { " (default)" } else { "" };
    let features = if device.features.is_empty() {
        "none".into()
    } else {
        device.features.join(", ")
    };
    format!(
        "{}: {}{mark}\n   {}, {}; driver {}\n   buffer {} MiB, binding {} MiB, workgroup {} threads and {} KiB, subgroup {} to {}\n   features: {features}\n",
        device.index,
        device.name,
        device.backend,
        device.device_type,
        device.driver,
        device.max_buffer_bytes >> 20,
        device.max_binding_bytes >> 20,
        device.max_workgroup_size,
        device.max_workgroup_memory >> 10,
        device.subgroup_size.0,
        device.subgroup_size.1,
    )
}

fn to_json(device: &DeviceInfo) -> serde_json::Value {
    json!({
        "index": device.index,
        "name": device.name,
        "backend": device.backend,
        "device_type": device.device_type,
        "driver": device.driver,
        "max_buffer_bytes": device.max_buffer_bytes,
        "max_binding_bytes": device.max_binding_bytes,
        "max_workgroup_memory": device.max_workgroup_memory,
        "max_workgroup_size": device.max_workgroup_size,
        "subgroup_size": [device.subgroup_size.0, device.subgroup_size.1],
        "features": device.features,
        "default": device.default,
    })
}
