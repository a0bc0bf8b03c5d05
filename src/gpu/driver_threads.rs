//! CPUs for the threads of a software adapter's driver.
//!
//! llvmpipe starts a worker for every CPU, and one thread that hands each dispatch to them and waits. Linux wakes a worker
//! where it ran last as long as that CPU is idle, and dispatches of a decode step are over before it would move one: workers
//! that once met on a CPU stay there, and take turns while the other CPUs idle. So each gets a CPU that it keeps.

#[cfg(target_os = "linux")]
pub(super) use linux::spread;

/// Opens a device.
#[cfg(not(target_os = "linux"))]
pub(super) fn spread<T>(open: impl FnOnce() -> T) -> T {
    open()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

    /// Opens a device, and spreads the threads that its driver starts over the CPUs that the process may use, in turn; not
    /// where there is no worker for every CPU. Nothing is moved that the driver has named, or that others started.
    pub fn spread<T: Send>(open: impl FnOnce() -> T + Send) -> T {
        static OPENED: AtomicUsize = AtomicUsize::new(0);
        // Threads inherit the name of the one that starts them.
        let name = format!("t5-gpu dev {}", OPENED.fetch_add(1, Ordering::Relaxed));
        std::thread::scope(|scope| {
            let opener = std::thread::Builder::new().name(name.clone());
            let opened = opener.spawn_scoped(scope, || {
                let opened = open();
                let mut threads = threads_named(&name);
                threads.retain(|thread| *thread != gettid());
                give_cpus(&threads);
                opened
            });
            let opened = opened.expect("the system has threads").join();
            opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Threads of this process by name, oldest first; none where the system does not tell.
    fn threads_named(name: &str) -> Vec<Pid> {
        let entries = std::fs::read_dir("/proc/self/task");
        let mut threads: Vec<Pid> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| {
                std::fs::read_to_string(entry.path().join("comm"))
                    .is_ok_and(|comm| comm.trim_end() == name)
            })
            .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
            .collect();
        threads.sort_by_key(|thread| thread.as_raw_nonzero());
        threads
    }

    fn give_cpus(threads: &[Pid]) {
        let Ok(allowed) = sched_getaffinity(None) else {
            return;
        };
        let cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        if threads.len() <= allowed.count() as usize {
            return;
        }
        for (thread, cpu) in threads.iter().zip(cpus.cycle()) {
            let mut own = CpuSet::new();
            own.set(cpu);
            // A thread that may not be moved works where it is.
            let _ = sched_setaffinity(Some(*thread), &own);
        }
    }

    #[cfg(test)]
    mod tests {
        use std::sync::mpsc;

        use super::*;

        fn own_cpus() -> Vec<usize> {
            let set = sched_getaffinity(None).unwrap();
            let cpus = 0..CpuSet::MAX_CPU;
            cpus.filter(|cpu| set.is_set(*cpu)).collect()
        }

        /// Where each of `count` threads may run that are started while a device is opened.
        fn cpus_of_driver(count: usize) -> Vec<Vec<usize>> {
            let start = |_| {
                let (go, wait) = mpsc::channel::<()>();
                let thread = std::thread::spawn(move || {
                    // Until the other end is dropped.
                    let _ = wait.recv();
                    own_cpus()
                });
                (go, thread)
            };
            let threads: Vec<_> = spread(|| (0..count).map(start).collect());
            let finish = |(go, thread): (mpsc::Sender<()>, std::thread::JoinHandle<_>)| {
                drop(go);
                thread.join().unwrap()
            };
            threads.into_iter().map(finish).collect()
        }

        #[test]
        fn each_gets_the_next_cpu() {
            let all = own_cpus();
            let found = cpus_of_driver(all.len() + 1);
            let expected = all.iter().cycle().map(|cpu| vec![*cpu]);
            assert_eq!(found, expected.take(all.len() + 1).collect::<Vec<_>>());
            assert_eq!(own_cpus(), all);
        }

        #[test]
        fn too_few_for_all_cpus_stay_free() {
            let all = own_cpus();
            for cpus in cpus_of_driver(all.len()) {
                assert_eq!(cpus, all);
            }
        }
    }
}
