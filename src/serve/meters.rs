//! What is counted, for Prometheus. No text, key or address is ever a label.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::engine::Gauges;
use crate::pipeline::Progress;

/// The metrics of a service.
pub struct Meters {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    queue: Histogram,
    first_token: Histogram,
    whole: Histogram,
    /// When tokens were last counted, and how many there were.
    counted: Mutex<(Instant, u64)>,
}

const METADATA: Metadata<'_> = Metadata::new("t5_gpu", Level::INFO, None);

/// Seconds: from what a cache would take to what a document takes.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];

const QUEUE: &str = "t5_gpu_queue_seconds";
const FIRST_TOKEN: &str = "t5_gpu_first_token_seconds";
const WHOLE: &str = "t5_gpu_text_seconds";
const REQUESTS: &str = "t5_gpu_requests_total";
const REQUEST: &str = "t5_gpu_request_seconds";

impl Default for Meters {
    fn default() -> Meters {
        let builder = PrometheusBuilder::new();
        let builder = match builder.set_buckets(&BUCKETS) {
            Ok(builder) => builder,
            Err(_) => PrometheusBuilder::new(),
        };
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let describe = |name: &'static str, words: &'static str| {
            recorder.describe_histogram(name.into(), Some(Unit::Seconds), words.into());
        };
        describe(QUEUE, "How long pieces of text waited for their turn");
        describe(
            FIRST_TOKEN,
            "How long until a piece of text had its first token",
        );
        describe(WHOLE, "How long until a piece of text was done");
        describe(REQUEST, "How long until a request had its answer");
        let words = "Requests by dialect and status";
        recorder.describe_counter(REQUESTS.into(), None, words.into());
        let histogram = |name| recorder.register_histogram(&Key::from_static_name(name), &METADATA);
        let (queue, first_token, whole) =
            (histogram(QUEUE), histogram(FIRST_TOKEN), histogram(WHOLE));
        Meters {
            handle,
            queue,
            first_token,
            whole,
            counted: Mutex::new((Instant::now(), 0)),
            recorder,
        }
    }
}

impl Meters {
    /// A request was answered to its end.
    pub fn answered(&self, dialect: &'static str, status: u16, time: Duration) {
        let dialect = Label::from_static_parts("dialect", dialect);
        let status = Label::new("status", status.to_string());
        let key = Key::from_parts(REQUESTS, vec![dialect.clone(), status]);
        self.recorder.register_counter(&key, &METADATA).increment(1);
        let key = Key::from_parts(REQUEST, vec![dialect]);
        let histogram = self.recorder.register_histogram(&key, &METADATA);
        histogram.record(time);
    }

    /// A clock for a piece of text that begins to wait.
    pub fn clock(&self) -> Clock {
        Clock {
            begin: Instant::now(),
            has_begun: false,
            queue: self.queue.clone(),
            first_token: self.first_token.clone(),
            whole: self.whole.clone(),
        }
    }

    /// All metrics as Prometheus reads them.
    pub fn text(&self, gauges: &Gauges) -> String {
        let gauge = |name: &'static str, value: usize| {
            self.gauge(name).set(value as f64);
        };
        gauge("t5_gpu_queue_requests", gauges.waiting_requests);
        gauge("t5_gpu_queue_tokens", gauges.waiting_tokens);
        gauge("t5_gpu_queue_tokens_limit", gauges.queue_tokens);
        gauge("t5_gpu_running_requests", gauges.running_requests);
        gauge("t5_gpu_running_rows", gauges.running_rows);
        gauge("t5_gpu_pages_in_use", gauges.pages_in_use);
        gauge("t5_gpu_pages", gauges.pages);
        let count = |name: &'static str, value: u64| self.counter(name).absolute(value);
        count("t5_gpu_tokens_total", gauges.tokens);
        count("t5_gpu_texts_finished_total", gauges.finished);
        count("t5_gpu_texts_failed_total", gauges.failed);
        count("t5_gpu_texts_cancelled_total", gauges.cancelled);
        count("t5_gpu_cancelled_rows_total", gauges.cancelled_rows);
        count("t5_gpu_lost_devices_total", gauges.lost_devices);
        self.gauge("t5_gpu_tokens_per_second")
            .set(self.speed(gauges.tokens));
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// Tokens a second since the metrics were last asked for.
    fn speed(&self, tokens: u64) -> f64 {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (then, before) = std::mem::replace(&mut *counted, (Instant::now(), tokens));
        let seconds = then.elapsed().as_secs_f64().max(1e-3);
        tokens.saturating_sub(before) as f64 / seconds
    }

    fn gauge(&self, name: &'static str) -> Gauge {
        (self.recorder).register_gauge(&Key::from_static_name(name), &METADATA)
    }

    fn counter(&self, name: &'static str) -> Counter {
        (self.recorder).register_counter(&Key::from_static_name(name), &METADATA)
    }
}

/// Times a piece of text.
pub struct Clock {
    begin: Instant,
    has_begun: bool,
    queue: Histogram,
    first_token: Histogram,
    whole: Histogram,
}

impl Clock {
    /// Hears what becomes of it.
    pub fn note(&mut self, progress: &Progress) {
        let time = self.begin.elapsed();
        match progress {
            Progress::Entered => self.queue.record(time),
            Progress::Token { .. } => self.begin(time),
            Progress::Done { .. } => {
                // Beams are decided between at the end.
                self.begin(time);
                self.whole.record(time);
            }
        }
    }

    fn begin(&mut self, time: Duration) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.first_token.record(time);
        }
    }
}
