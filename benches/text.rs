//! What it costs to look at text before a model sees it: ten megabytes cut into sentences, and searched for what has to stay.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use t5_gpu::text::{Newlines, Piece, pieces, protected};

const BYTES: usize = 10_000_000;

/// One sentence a line, several a line, letters with accents, and much that has to stay.
const TEXTS: [(&str, &str, &str); 4] = [
    ("lines", "en", "She has been learning German for a year.\n"),
    (
        "paragraphs",
        "en",
        "Dear Dr. Smith, thank you for your letter. I have read it twice! Shall we meet, e.g. on Monday? I would like that.\n\n",
    ),
    (
        "accents",
        "fr",
        "Où étiez-vous hier à midi ? Nous avons déjeuné près du château, c’était très agréable.\n",
    ),
    (
        "placeholders",
        "en",
        "Copied %d of {total} files to /home/me/a-b.pdf (see https://example.org/a?b=1), 12.5 % are left.\n",
    ),
];

fn text(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("10 MB of text");
    group.throughput(Throughput::Bytes(BYTES as u64));
    for (name, language, line) in TEXTS {
        let text = line.repeat(BYTES / line.len());
        group.bench_function(name, |b| {
            b.iter(|| {
                for piece in pieces(&text, language, Newlines::End) {
                    if let Piece::Sentence(sentence) = piece {
                        black_box(protected(sentence, None));
                    }
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5));
    targets = text
}
criterion_main!(benches);
