//! Relative position buckets: which row of the bias table a distance uses.

/// The bucket of `relative_position` (key - query), as the T5 code computes it: half of a direction's buckets hold one
/// distance each, the other half grow logarithmically up to `max_distance`, beyond which all share the last.
///
/// Encoders look both ways (`bidirectional`); in decoders every future key falls into bucket 0.
/// Needs `num_buckets >= 4` and `max_distance > num_buckets / 2`, which a validated config guarantees.
pub fn bucket(
    relative_position: i64,
    bidirectional: bool,
    num_buckets: usize,
    max_distance: usize,
) -> usize {
    let (first, buckets, distance) = if bidirectional {
        let half = num_buckets / 2;
        let first = if relative_position > 0 { half } else { 0 };
        (first, half, relative_position.unsigned_abs() as usize)
    } else {
        (0, num_buckets, (-relative_position).max(0) as usize)
    };
    let exact = buckets / 2;
    if distance < exact {
        return first + distance;
    }
    // In f32 and in this order of operations, as the original: the boundaries depend on the rounding.
    let span = (max_distance as f64 / exact as f64).ln() as f32;
    let log = (distance as f32 / exact as f32).ln() / span * (buckets - exact) as f32;
    first + (exact + log as usize).min(buckets - 1)
}

/// The bias of every distance, for a `bias` table of shape `[num_buckets, heads]`: shape `[heads, 2 * max_distance + 1]`,
/// entry `[h][d + max_distance]` for `d = key - query`, clamped to `-max_distance..=max_distance`.
///
/// Clamping loses nothing, as all farther distances share the last bucket of their direction.
pub fn bias_table(
    bias: &[f32],
    heads: usize,
    bidirectional: bool,
    num_buckets: usize,
    max_distance: usize,
) -> Vec<f32> {
    assert_eq!(bias.len(), num_buckets * heads);
    let reach = max_distance as i64;
    let buckets: Vec<usize> = (-reach..=reach)
        .map(|d| bucket(d, bidirectional, num_buckets, max_distance))
        .collect();
    (0..heads)
        .flat_map(|head| {
            buckets
                .iter()
                .map(move |bucket| bias[bucket * heads + head])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of the T5 code for distances up to 400, both directions.
    #[test]
    fn buckets_are_those_of_transformers() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/buckets.json");
        let fixture: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let first = fixture["first"].as_i64().unwrap();
        let tables = fixture["tables"].as_array().unwrap();
        assert!(tables.len() >= 4);
        for table in tables {
            let number = |name: &str| table[name].as_u64().unwrap() as usize;
            let bidirectional = table["bidirectional"].as_bool().unwrap();
            let expected = table["buckets"].as_array().unwrap();
            assert_eq!(expected.len(), 801);
            for (i, expected) in expected.iter().enumerate() {
                let position = first + i as i64;
                let found = bucket(
                    position,
                    bidirectional,
                    number("num_buckets"),
                    number("max_distance"),
                );
                assert_eq!(
                    found as u64, *expected,
                    "{position}, bidirectional {bidirectional}"
                );
            }
        }
    }

    /// Independent of the table: every distance, however far, indexes the same bias as its clamped distance.
    #[test]
    fn clamping_distances_to_the_maximum_loses_nothing() {
        for (num_buckets, max_distance) in [
            (4, 3),
            (4, 128),
            (5, 9),
            (8, 20),
            (32, 17),
            (32, 128),
            (33, 100),
            (64, 1024),
            (128, 130),
        ] {
            for bidirectional in [false, true] {
                for distance in (1..50).chain([1000, 1 << 20, i64::from(i32::MAX)]) {
                    let beyond = max_distance as i64 + distance;
                    for sign in [-1, 1] {
                        assert_eq!(
                            bucket(sign * beyond, bidirectional, num_buckets, max_distance),
                            bucket(
                                sign * max_distance as i64,
                                bidirectional,
                                num_buckets,
                                max_distance
                            ),
                            "{num_buckets} buckets to {max_distance}, bidirectional {bidirectional}, {sign}*{beyond}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_table_holds_each_distances_bias_by_head() {
        let (num_buckets, max_distance, heads) = (8, 20, 3);
        let bias: Vec<f32> = (0..num_buckets * heads).map(|i| i as f32).collect();
        for bidirectional in [false, true] {
            let table = bias_table(&bias, heads, bidirectional, num_buckets, max_distance);
            assert_eq!(table.len(), heads * (2 * max_distance + 1));
            for head in 0..heads {
                for d in -(max_distance as i64)..=max_distance as i64 {
                    let index = head * (2 * max_distance + 1) + (d + max_distance as i64) as usize;
                    let row = bucket(d, bidirectional, num_buckets, max_distance);
                    assert_eq!(table[index], (row * heads + head) as f32);
                }
            }
        }
    }
}
