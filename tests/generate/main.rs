//! Decoding: options, processors, searches and the scheduler, over decoders of a few lines.

mod arrivals;
mod batch;
mod beam;
mod config;
mod greedy;
mod processors;
mod processors_vs_transformers;
mod sampling;
mod toy;
mod toy_vs_transformers;
