//! The SPIR-V that Vulkan drivers are given is valid: they are free to refuse or to miscompile what is not. Judged by
//! Khronos' spirv-val (Debian: spirv-tools).

use std::io::Write;
use std::process::{Command, Stdio};

use naga::back::spv::{self, Capability, WriterFlags, ZeroInitializeWorkgroupMemoryMode};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use rayon::prelude::*;

/// What wgpu's Vulkan backend asks of naga for a device of some age, with shaders checked or not.
fn options(version: (u8, u8), is_checked: bool) -> spv::Options<'static> {
    let is_recent = version >= (1, 6);
    let mut capabilities = vec![
        Capability::Shader,
        Capability::Matrix,
        Capability::Sampled1D,
        Capability::Image1D,
        Capability::ImageQuery,
        Capability::DerivativeControl,
        Capability::StorageImageExtendedFormats,
    ];
    if is_recent {
        capabilities.extend([
            Capability::DotProductInputAllKHR,
            Capability::DotProductInput4x8BitKHR,
            Capability::DotProductInput4x8BitPackedKHR,
            Capability::DotProductKHR,
            Capability::Int8,
        ]);
    }
    let policy = match is_checked {
        true => BoundsCheckPolicy::Restrict,
        false => BoundsCheckPolicy::Unchecked,
    };
    spv::Options {
        lang_version: version,
        flags: WriterFlags::LABEL_VARYINGS | WriterFlags::FORCE_POINT_SIZE,
        capabilities: Some(capabilities.into_iter().collect()),
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: match (is_checked, is_recent) {
            (false, _) => ZeroInitializeWorkgroupMemoryMode::None,
            (true, true) => ZeroInitializeWorkgroupMemoryMode::Native,
            (true, false) => ZeroInitializeWorkgroupMemoryMode::Polyfill,
        },
        force_loop_bounding: is_checked,
        emit_int_div_checks: is_checked,
        ..spv::Options::default()
    }
}

/// What spirv-val finds wrong with a module; empty where it is valid.
fn validate(words: &[u32], environment: &str) -> String {
    let mut validator = Command::new("spirv-val")
        .args(["--target-env", environment])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("spirv-val is needed: install Khronos' SPIRV-Tools (Debian: apt-get install spirv-tools)");
    let bytes = bytemuck::cast_slice(words);
    validator.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = validator.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    match output.status.success() {
        true => String::new(),
        false => format!("{} {said}", output.status),
    }
}

#[test]
fn spirv_val_tells_what_is_not_valid() {
    assert_ne!(validate(&[0x0723_0203, 0x0001_0300], "vulkan1.1"), "");
}

#[test]
fn every_kernel_is_valid_spirv() {
    let kernels = t5_gpu::ops::kernels();
    assert!(kernels.len() > 100);
    let capabilities = Capabilities::IMMEDIATES | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let wrong: Vec<String> = kernels
        .par_iter()
        .flat_map_iter(|kernel| {
            let module = naga::front::wgsl::parse_str(&kernel.source()).unwrap();
            let info = Validator::new(ValidationFlags::all(), capabilities)
                .validate(&module)
                .unwrap();
            let devices = [((1, 3), "vulkan1.1", true), ((1, 6), "vulkan1.3", false)];
            let mut wrong = Vec::new();
            for (version, environment, is_checked) in devices {
                let options = options(version, is_checked);
                let words = spv::write_vec(&module, &info, &options, None).unwrap();
                let said = validate(&words, environment);
                if !said.is_empty() {
                    let name = format!("{}\n{}", kernel.name, kernel.constants);
                    wrong.push(format!("{environment}: {said}\n{name}"));
                }
            }
            wrong
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} modules are not valid: {}",
        wrong.len(),
        wrong[0]
    );
}
