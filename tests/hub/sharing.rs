//! A cache that several use at once: threads, processes, other tools, and those that were killed.

use std::fs::File;

use super::*;

/// The small files of [`published`] that are fetched, needed and optional ones, and the weights.
const FETCHED: [&str; 5] = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
];

/// Holds the lock of a blob, as a process does that fetches it.
fn hold(fixture: &Fixture, etag: &str) -> File {
    let directory = fixture.home.path().join("hub/.locks/models--org--model");
    std::fs::create_dir_all(&directory).unwrap();
    let lock = File::create(directory.join(format!("{etag}.lock"))).unwrap();
    lock.lock().unwrap();
    lock
}

/// Until the hub was asked for the head of `file`, which is what comes before its lock.
fn wait_for_head(fixture: &Fixture, file: &str) {
    let end = format!("/{file}");
    let asked = |request: &Request| request.method == "HEAD" && request.path.ends_with(&end);
    while !fixture.hub.state().requests.iter().any(asked) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_another_has_brought_meanwhile_is_left_as_it_is() {
    let weights = weights(100_000);
    for file in FETCHED {
        let fixture = Fixture::new();
        let commit = fixture.hub.publish("org/model", 'a', &published(&weights));
        let bytes = fixture.hub.state().models["org/model@main"].files[file].clone();
        let lock = hold(&fixture, &etag(&bytes));
        let path = fixture.root().join("snapshots").join(commit).join(file);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| fixture.resolve("org/model").unwrap());
            wait_for_head(&fixture, file);
            // As tools leave it where there are no links: a file, and no blob.
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
            drop(lock);
            waiting.join().unwrap();
        });
        assert!(
            path.symlink_metadata().unwrap().is_file(),
            "{file} was made anew"
        );
        let end = format!("/{file}");
        let fetched = |request: &Request| request.method == "GET" && request.path.ends_with(&end);
        assert!(
            !fixture.hub.requests().iter().any(fetched),
            "{file} was fetched again"
        );
    }
}

#[test]
fn a_file_that_is_mended_is_never_missing() {
    let (fixture, _, weights) = Fixture::with_model();
    let directory = fixture.resolve("org/model").unwrap();
    let path = directory.join("model.safetensors");
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut missing = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                missing += usize::from(path.symlink_metadata().is_err());
            }
            missing
        });
        for _ in 0..30 {
            // Its link leads to nothing.
            std::fs::remove_file(fixture.blob(&weights)).unwrap();
            fixture.resolve("org/model").unwrap();
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(watching.join().unwrap(), 0, "the link was away");
    });
    assert_eq!(std::fs::read(path).unwrap(), weights);
    let left = names(&fixture.root());
    assert_eq!(left, [".no_exist", "blobs", "refs", "snapshots"]);
}

#[test]
fn a_branch_that_moves_is_never_half_written() {
    let (fixture, ..) = Fixture::with_model();
    fixture.resolve("org/model").unwrap();
    let path = fixture.root().join("refs/main");
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut seen = Vec::new();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let found = std::fs::read_to_string(&path).unwrap_or_default();
                if found.len() != 40 {
                    seen.push(found);
                }
            }
            seen
        });
        for digit in "bcdefabcdefabcdefabcdef".chars() {
            fixture
                .hub
                .publish("org/model", digit, &published(&[1; 10]));
            hub::pull("org/model", &fixture.options).unwrap();
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let seen = watching.join().unwrap();
        assert!(seen.is_empty(), "{} times: {:?}", seen.len(), seen.first());
    });
}

#[test]
fn many_at_once_into_an_empty_cache_all_succeed() {
    for _ in 0..10 {
        let (fixture, _, weights) = Fixture::with_model();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let directory = fixture.resolve("org/model").unwrap();
                    for file in FETCHED {
                        // Optional files, too: without one of them a model is another.
                        std::fs::read(directory.join(file)).unwrap();
                    }
                    let found = std::fs::read(directory.join("model.safetensors")).unwrap();
                    assert_eq!(found, weights);
                });
            }
        });
        assert_eq!(transfers(&fixture.hub.requests()).len(), 1);
    }
}

#[test]
fn shards_are_fetched_once_by_many() {
    let fixture = Fixture::new();
    let index = br#"{"weight_map": {"x": "model-2.safetensors", "y": "model-1.safetensors"}}"#;
    let (first, second) = (weights(3001), weights(2003));
    fixture.hub.publish(
        "org/model",
        '1',
        &[
            ("config.json", CONFIG),
            ("model-1.safetensors", &first),
            ("model-2.safetensors", &second),
            ("model.safetensors.index.json", index),
        ],
    );
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let directory = fixture.resolve("org/model").unwrap();
                assert_eq!(
                    std::fs::read(directory.join("model-1.safetensors")).unwrap(),
                    first
                );
                assert_eq!(
                    std::fs::read(directory.join("model-2.safetensors")).unwrap(),
                    second
                );
            });
        }
    });
    assert_eq!(transfers(&fixture.hub.requests()).len(), 2);
}

#[test]
fn locks_and_parts_of_the_killed_are_in_nobodys_way() {
    let (fixture, _, weights) = Fixture::with_model();
    drop(hold(&fixture, &etag(&weights)));
    std::fs::create_dir_all(fixture.root().join("blobs")).unwrap();
    std::fs::write(fixture.partial(&weights), &weights[..40_000]).unwrap();
    // As other tools call theirs.
    let other = fixture
        .root()
        .join(format!("blobs/{}.0a1b2c3d.incomplete", etag(&weights)));
    std::fs::write(&other, b"part").unwrap();
    let directory = fixture.resolve("org/model").unwrap();
    assert_eq!(
        std::fs::read(directory.join("model.safetensors")).unwrap(),
        weights
    );
    assert_eq!(ranges(&fixture.hub.requests()), [Some("bytes=40000-")]);
    assert_eq!(std::fs::read(other).unwrap(), b"part");
}

#[test]
fn a_part_that_no_checksum_can_vouch_for_is_not_gone_on_with() {
    let (fixture, _, weights) = Fixture::with_model();
    fixture.hub.state().opaque_etags = true;
    let blobs = fixture.root().join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let part = blobs.join(format!("opaque-{}.incomplete", weights.len()));
    for left in [vec![0; 40_000], vec![0; weights.len()]] {
        std::fs::write(&part, left).unwrap();
        let directory = fixture.resolve("org/model").unwrap();
        let path = directory.join("model.safetensors");
        assert_eq!(std::fs::read(&path).unwrap(), weights);
        std::fs::remove_file(blobs.join(format!("opaque-{}", weights.len()))).unwrap();
    }
    // A connection that breaks is taken up all the same.
    fixture.hub.requests();
    fixture.hub.state().cuts = [10_000].into();
    fixture.resolve("org/model").unwrap();
    assert_eq!(
        ranges(&fixture.hub.requests()),
        [None, Some("bytes=10000-")]
    );
}

#[test]
fn files_of_a_wrong_size_are_not_taken_for_whole() {
    let (fixture, commit, weights) = Fixture::with_model();
    std::fs::create_dir_all(fixture.root().join("blobs")).unwrap();
    std::fs::write(fixture.blob(&weights), &weights[..5000]).unwrap();
    let directory = fixture.resolve("org/model").unwrap();
    let path = directory.join("model.safetensors");
    assert_eq!(std::fs::read(&path).unwrap(), weights);

    // Once it is in the snapshot, asking for it anew mends it.
    std::fs::write(fixture.blob(&weights), &weights[..5000]).unwrap();
    assert_eq!(hub::pull("org/model", &fixture.options).unwrap(), directory);
    assert_eq!(std::fs::read(&path).unwrap(), weights);
    assert_eq!(directory, fixture.root().join("snapshots").join(commit));
}

#[test]
fn without_symbolic_links_files_are_files() {
    let mut fixture = Fixture::with_vars(&[("HF_HUB_DISABLE_SYMLINKS", "1")]);
    let weights = fixture.publish();
    let directory = fixture.resolve("org/model").unwrap();
    for file in FETCHED {
        assert!(
            directory.join(file).symlink_metadata().unwrap().is_file(),
            "{file}"
        );
    }
    let path = directory.join("model.safetensors");
    assert_eq!(std::fs::read(&path).unwrap(), weights);

    // A cache of other tools without links keeps no blobs at all.
    std::fs::remove_dir_all(fixture.root().join("blobs")).unwrap();
    fixture.hub.requests();
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
    assert!(fixture.hub.requests().is_empty());
    fixture.options.offline = true;
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
}

#[test]
fn a_blob_may_itself_be_a_link() {
    #[cfg(unix)]
    {
        // As newer tools share blobs between models.
        let (fixture, _, weights) = Fixture::with_model();
        let store = fixture.home.path().join("hub/blobs/ab");
        std::fs::create_dir_all(&store).unwrap();
        std::fs::create_dir_all(fixture.root().join("blobs")).unwrap();
        std::fs::write(store.join("abcd"), &weights).unwrap();
        std::os::unix::fs::symlink("../../blobs/ab/abcd", fixture.blob(&weights)).unwrap();
        let directory = fixture.resolve("org/model").unwrap();
        assert!(transfers(&fixture.hub.requests()).is_empty());
        assert_eq!(
            std::fs::read(directory.join("model.safetensors")).unwrap(),
            weights
        );
        assert_eq!(hub::cached(&fixture.options).unwrap().len(), 1);

        // The store was cleared: the link is replaced, and not written through.
        std::fs::remove_dir_all(&store).unwrap();
        fixture.resolve("org/model").unwrap();
        assert_eq!(
            std::fs::read(directory.join("model.safetensors")).unwrap(),
            weights
        );
        assert!(!store.exists());
    }
}

#[test]
fn a_complete_cache_that_cannot_be_written_serves() {
    let (fixture, ..) = Fixture::with_model();
    let directory = fixture.resolve("org/model").unwrap();
    // Nobody can write where a file stands in the way of a directory; a published file is missing, and so is the note of
    // those that are not published.
    for path in [
        fixture.root().join(".no_exist"),
        fixture.home.path().join("hub/.locks"),
    ] {
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::write(path, "").unwrap();
    }
    std::fs::remove_file(directory.join("generation_config.json")).unwrap();
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
    std::fs::remove_file(directory.join("config.json")).unwrap();
    assert_contains(
        &fixture.error("org/model"),
        &[".locks", "cannot be written", "HF_HOME"],
    );
}
