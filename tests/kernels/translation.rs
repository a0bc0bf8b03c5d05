//! Every variant of every kernel translates to Metal's, DirectX's and Vulkan's languages.

use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn resources(group: u32, count: usize) -> impl Iterator<Item = naga::ResourceBinding> {
    (0..count as u32).map(move |binding| naga::ResourceBinding { group, binding })
}

#[test]
fn every_kernel_translates_to_msl_hlsl_and_spirv() {
    let kernels = t5_gpu::ops::kernels();
    assert!(kernels.len() > 100);
    let capabilities = Capabilities::IMMEDIATES | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    for kernel in kernels {
        let name = format!("{}\n{}", kernel.name, kernel.constants);
        let source = kernel.source();
        let module = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(&source)));
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(&source)));

        let mut metal = msl::EntryPointResources {
            immediates_buffer: Some(20),
            sizes_buffer: Some(21),
            ..Default::default()
        };
        for (slot, binding) in resources(0, kernel.bindings.len()).enumerate() {
            metal.resources.insert(
                binding,
                msl::BindTarget {
                    buffer: Some(slot as u8),
                    mutable: true,
                    ..Default::default()
                },
            );
        }
        let options = msl::Options {
            lang_version: (2, 4),
            per_entry_point_map: [("main".to_string(), metal)].into(),
            ..Default::default()
        };
        let (text, _) = msl::write_string(&module, &info, &options, &Default::default())
            .unwrap_or_else(|error| panic!("{name}: MSL: {error}"));
        assert!(text.contains("kernel void main_"), "{name}: {text}");

        let mut options = hlsl::Options {
            shader_model: hlsl::ShaderModel::V6_0,
            immediates_target: Some(hlsl::BindTarget {
                space: 1,
                ..Default::default()
            }),
            special_constants_binding: Some(hlsl::BindTarget {
                space: 2,
                ..Default::default()
            }),
            ..Default::default()
        };
        for (slot, binding) in resources(0, kernel.bindings.len()).enumerate() {
            options.binding_map.insert(
                binding,
                hlsl::BindTarget {
                    register: slot as u32,
                    ..Default::default()
                },
            );
        }
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &Default::default())
            .write(&module, &info, None)
            .unwrap_or_else(|error| panic!("{name}: HLSL: {error}"));
        assert!(text.contains("numthreads"), "{name}: {text}");

        let words = spv::write_vec(&module, &info, &spv::Options::default(), None)
            .unwrap_or_else(|error| panic!("{name}: SPIR-V: {error}"));
        assert_eq!(words[0], 0x0723_0203, "{name}: SPIR-V's magic number");
    }
}

/// A WGSL file that no kernel uses would go untested.
#[test]
fn every_wgsl_file_is_part_of_a_kernel() {
    let kernels = t5_gpu::ops::kernels();
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            kernels
                .iter()
                .any(|kernel| kernel.parts.contains(&text.as_str())),
            "{} is in no kernel",
            path.display()
        );
        files += 1;
    }
    assert!(files >= 10);
}
