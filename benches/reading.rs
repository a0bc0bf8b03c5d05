//! From files to numbers: checkpoints opened and converted, texts tokenized. No GPU.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use t5_gpu::checkpoint::{Checkpoint, DType, write_safetensors};
use t5_gpu::{ModelFiles, Parameters, T5Config, parameters};

/// Two layers of t5-small's widths, with a tenth of its vocabulary.
fn config() -> T5Config {
    T5Config {
        vocab_size: 3200,
        num_layers: 2,
        num_decoder_layers: 2,
        ..T5Config::preset("t5-small").expect("a preset")
    }
}

fn checkpoint(criterion: &mut Criterion) {
    let config = config();
    let mut group = criterion.benchmark_group("checkpoint");
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors");
        let weights = parameters::random(&config, 1, dtype);
        write_safetensors(&weights, &path, &mut |_, _| ()).unwrap();

        group.bench_function(format!("{dtype:?}, open"), |b| {
            b.iter(|| {
                let checkpoint = Checkpoint::open(directory.path()).unwrap();
                Parameters::load(&checkpoint, &config)
                    .unwrap()
                    .parameter_count()
            });
        });
        let checkpoint = Checkpoint::open(directory.path()).unwrap();
        let parameters = Parameters::load(&checkpoint, &config).unwrap();
        let mut row = vec![0f32; 1 << 20];
        group.throughput(Throughput::Bytes(parameters.byte_size()));
        group.bench_function(format!("{dtype:?}, to f32"), |b| {
            b.iter(|| {
                for tensor in parameters.tensors() {
                    for start in (0..tensor.len()).step_by(row.len()) {
                        let end = tensor.len().min(start + row.len());
                        tensor.read_f32(start..end, &mut row[..end - start]);
                    }
                }
                row[0]
            });
        });
    }
    group.finish();
}

fn tokenizer(criterion: &mut Criterion) {
    let Ok(files) = ModelFiles::embedded() else {
        return;
    };
    let tokenizer = files.tokenizer().unwrap().expect("it has one");
    let text = "translate English to German: The house at the end of the street is old, but it is wonderful.";
    let ids = tokenizer.encode(text).unwrap();
    let mut group = criterion.benchmark_group("tokenizer");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("encode", |b| b.iter(|| tokenizer.encode(text).unwrap()));
    group.bench_function("decode", |b| {
        b.iter(|| tokenizer.decode(&ids, true).unwrap())
    });
    group.finish();
}

criterion_group! {
    name = reading;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = checkpoint, tokenizer
}
criterion_main!(reading);
