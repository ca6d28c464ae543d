//! The measurements of one lease, the older ones thinned out: what is kept is bounded, however long it runs.

use std::collections::VecDeque;
use std::sync::Arc;

use gridlease_sdk::node_api::LeaseStats;
use gridlease_sdk::node_api::stats::{
    COARSE_S, CpuStats, FINE_S, GpuStats, KEEP_FINE_S, KEEP_S, MemoryStats, PidsStats, ServiceStats,
};

use crate::gpu::GpuReading;

const FINE: usize = (KEEP_FINE_S / FINE_S) as usize;
const COARSE: usize = (KEEP_S / COARSE_S) as usize;
/// How many of the fine ones become one.
const MERGED: usize = (COARSE_S / FINE_S) as usize;

/// One measurement. The GPUs' names are the same in all of a lease and kept once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// All but the GPUs.
    pub stats: LeaseStats,
    /// What the GPUs do, in the lease's order.
    pub gpus: Box<[GpuReading]>,
    /// What its services use, in the order of `names`.
    pub services: Box<[ServiceReading]>,
    /// The services' names, kept once.
    pub names: Arc<[String]>,
}

/// What one service uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServiceReading {
    pub used_millicores: Option<u32>,
    pub limit_millicores: Option<u32>,
    pub memory: Option<u64>,
    pub memory_limit: Option<u64>,
    pub pids: Option<u32>,
}

impl Sample {
    /// One of a job without services.
    #[cfg(test)]
    pub fn alone(stats: LeaseStats, gpus: Box<[GpuReading]>) -> Self {
        Self { stats, gpus, services: Box::default(), names: Arc::default() }
    }
}

#[derive(Debug, Default)]
pub(super) struct Series {
    uuids: Vec<String>,
    coarse: VecDeque<Sample>,
    merging: Vec<Sample>,
    fine: VecDeque<Sample>,
}

impl Series {
    pub fn of(uuids: Vec<String>) -> Self {
        Self { uuids, ..Self::default() }
    }

    /// Adds one that is later than all others.
    pub fn push(&mut self, mut sample: Sample) {
        // A clock that is set back by a second moves no measurement before another: who follows would miss it.
        sample.stats.at_ms = sample.stats.at_ms.max(self.latest_ms().saturating_add(1));
        self.fine.push_back(sample);
        if self.fine.len() > FINE {
            self.merging.extend(self.fine.pop_front());
        }
        if self.merging.len() >= MERGED {
            let merged = merge(&std::mem::take(&mut self.merging));
            self.coarse.extend(merged);
        }
        while self.coarse.len() > COARSE {
            self.coarse.pop_front();
        }
    }

    pub fn latest_ms(&self) -> u64 {
        self.fine.back().map_or(0, |sample| sample.stats.at_ms)
    }

    /// At most `most` measurements after `since_ms`, in their order.
    pub fn after(&self, since_ms: u64, most: usize) -> Vec<LeaseStats> {
        let all = self.coarse.iter().chain(&self.merging).chain(&self.fine);
        all.filter(|sample| sample.stats.at_ms > since_ms).take(most).map(|sample| self.told(sample)).collect()
    }

    /// Roughly what it takes up.
    pub fn bytes(&self) -> usize {
        let services = self.fine.back().map_or(0, |sample| sample.services.len());
        let each =
            size_of::<Sample>() + self.uuids.len() * size_of::<GpuReading>() + services * size_of::<ServiceReading>();
        (self.coarse.len() + self.merging.len() + self.fine.len()) * each
    }

    fn told(&self, sample: &Sample) -> LeaseStats {
        let bytes = |mib: Option<u32>| mib.map(|mib| u64::from(mib) * 1024 * 1024);
        let gpus = self.uuids.iter().zip(&sample.gpus).map(|(uuid, gpu)| GpuStats {
            uuid: uuid.clone(),
            utilisation_percent: gpu.utilisation_percent.map(u32::from),
            memory_used_bytes: bytes(gpu.memory_used_mib),
            memory_total_bytes: bytes(gpu.memory_total_mib),
            power_milliwatts: gpu.power_milliwatts,
            temperature_c: gpu.temperature_c.map(u32::from),
        });
        let services = sample.names.iter().zip(&sample.services).map(|(name, of)| ServiceStats {
            name: name.clone(),
            cpu: CpuStats {
                used_millicores: of.used_millicores,
                limit_millicores: of.limit_millicores,
                ..CpuStats::default()
            },
            memory: MemoryStats { used_bytes: of.memory, limit_bytes: of.memory_limit, ..MemoryStats::default() },
            pids: PidsStats { now: of.pids.map(u64::from), ..PidsStats::default() },
        });
        LeaseStats { gpus: gpus.collect(), services: services.collect(), ..sample.stats.clone() }
    }
}

/// One that stands for all of these: of what flows the mean, of what fills the most.
fn merge(samples: &[Sample]) -> Option<Sample> {
    let mut merged = samples.last()?.clone();
    let stats = |of: fn(&LeaseStats) -> Option<u64>| samples.iter().filter_map(move |sample| of(&sample.stats));
    let small = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
    let into = &mut merged.stats;
    into.every_s = COARSE_S;
    into.cpu.used_millicores = small(mean(stats(|s| s.cpu.used_millicores.map(u64::from))));
    into.cpu.throttled_permille = small(mean(stats(|s| s.cpu.throttled_permille.map(u64::from))));
    into.memory.used_bytes = stats(|s| s.memory.used_bytes).max();
    into.pids.now = stats(|s| s.pids.now).max();
    into.network.rx_bytes_per_s = mean(stats(|s| s.network.rx_bytes_per_s));
    into.network.tx_bytes_per_s = mean(stats(|s| s.network.tx_bytes_per_s));
    for (index, gpu) in merged.gpus.iter_mut().enumerate() {
        let of = || samples.iter().filter_map(|sample| sample.gpus.get(index));
        let percent = mean(of().filter_map(|gpu| gpu.utilisation_percent.map(u64::from)));
        gpu.utilisation_percent = percent.and_then(|percent| u8::try_from(percent).ok());
        gpu.memory_used_mib = of().filter_map(|gpu| gpu.memory_used_mib).max();
        gpu.power_milliwatts = small(mean(of().filter_map(|gpu| gpu.power_milliwatts.map(u64::from))));
        gpu.temperature_c = of().filter_map(|gpu| gpu.temperature_c).max();
    }
    for (index, service) in merged.services.iter_mut().enumerate() {
        let of = || samples.iter().filter_map(|sample| sample.services.get(index));
        service.used_millicores = small(mean(of().filter_map(|of| of.used_millicores.map(u64::from))));
        service.memory = of().filter_map(|of| of.memory).max();
        service.pids = of().filter_map(|of| of.pids).max();
    }
    Some(merged)
}

fn mean(values: impl Iterator<Item = u64>) -> Option<u64> {
    let (sum, count) = values.fold((0u64, 0u64), |(sum, count), value| (sum.saturating_add(value), count + 1));
    sum.checked_div(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_s: u64, millicores: u32, memory: u64) -> Sample {
        let mut stats = LeaseStats { at_ms: at_s * 1_000, every_s: FINE_S, ..LeaseStats::default() };
        stats.cpu.used_millicores = Some(millicores);
        stats.memory.used_bytes = Some(memory);
        let gpu = GpuReading { utilisation_percent: Some(50), temperature_c: Some(40), ..GpuReading::default() };
        Sample::alone(stats, Box::new([gpu]))
    }

    #[test]
    fn an_hour_is_kept_as_measured_and_what_is_older_by_the_minute() {
        let mut series = Series::of(vec!["GPU-a".to_owned()]);
        for n in 0..FINE + 2 * MERGED + 3 {
            series.push(sample(n as u64 * u64::from(FINE_S), n as u32, 100 - (n as u64).min(100)));
        }
        let all = series.after(0, usize::MAX);
        assert_eq!(all.len(), 2 + 3 + FINE);
        let first = &all[0];
        assert_eq!((first.every_s, first.at_ms), (COARSE_S, 55_000), "it is told at its end");
        assert_eq!(first.cpu.used_millicores, Some(5), "the mean of 0 to 11");
        assert_eq!(first.memory.used_bytes, Some(100), "the most");
        assert_eq!(first.gpus[0].utilisation_percent, Some(50));
        assert!(all.windows(2).all(|pair| pair[0].at_ms < pair[1].at_ms), "in order, each once");
        assert_eq!(series.after(all[3].at_ms, 2).len(), 2);
        assert_eq!(series.after(series.latest_ms(), 2), vec![]);
    }

    #[test]
    fn services_are_told_by_name_and_thinned_out_as_their_job_is() {
        let mut series = Series::of(vec![]);
        let names: Arc<[String]> = Arc::from(["db".to_owned()]);
        for n in 0..(FINE + MERGED) as u64 {
            let used = u32::try_from(n % 10).ok();
            let service = ServiceReading { used_millicores: used, memory: Some(n), ..ServiceReading::default() };
            let own = sample(n * u64::from(FINE_S), 7, 100);
            series.push(Sample { services: Box::new([service]), names: Arc::clone(&names), ..own });
        }
        let all = series.after(0, usize::MAX);
        assert_eq!(all.len(), 1 + FINE);
        let (merged, last) = (&all[0], &all[FINE]);
        assert_eq!((merged.services[0].cpu.used_millicores, merged.services[0].memory.used_bytes), (Some(3), Some(11)));
        assert_eq!(last.services[0].name, "db");
        let n = (FINE + MERGED - 1) as u64;
        assert_eq!(last.together(), (Some(7 + u32::try_from(n % 10).unwrap()), Some(100 + n)));
    }

    #[test]
    fn a_lease_that_runs_for_a_month_takes_no_more_room_than_one_of_a_week() {
        let mut series = Series::of(vec![]);
        for n in 0..(4 * COARSE * MERGED) as u64 {
            series.push(sample(n * u64::from(FINE_S), 1, 1));
        }
        assert_eq!((series.coarse.len(), series.fine.len()), (COARSE, FINE));
        assert!(series.bytes() < 8 << 20, "{}", series.bytes());
    }

    #[test]
    fn a_clock_that_is_set_back_hides_no_measurement() {
        let mut series = Series::of(vec![]);
        series.push(sample(100, 1, 1));
        series.push(sample(90, 2, 1));
        let later = series.after(100_000, 9);
        assert_eq!((later.len(), later[0].cpu.used_millicores), (1, Some(2)));
    }
}
