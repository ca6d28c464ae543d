//! The one task that measures.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gridlease_sdk::node_api::LeaseStats;
use gridlease_sdk::node_api::stats::{CpuStats, DiskStats, FINE_S, MemoryStats, NetworkStats, PidsStats};
use solana_pubkey::Pubkey;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::cgroup::{Groups, Reading};
use super::series::{Sample, ServiceReading};
use super::{Stats, traffic};
use crate::clock::Clock;
use crate::disk::{DiskKeeper, Quota, usage};
use crate::driver::{ContainerId, Driver, Process};
use crate::gpu::{GpuReading, GpuSource, Meter};
use crate::inputs::present_bytes;
use crate::lease_board::{LeaseBoard, Measured};

/// Between two looks at the memory, whose rise may be the end.
const LOOK: Duration = Duration::from_millis(500);
/// Every so many of these everything is measured.
const FULL: u64 = FINE_S as u64 * 2;
/// Every so many of these a disk is measured that the kernel does not hold to its size.
const WALK: u64 = FULL * 12;
/// A container's process is looked for with every look so often, later with every measurement.
const EAGER: u32 = 10;
/// How long GPUs may take to answer before the rest is told without them.
const GPU_PATIENCE: Duration = Duration::from_secs(1);

type OfGpus = HashMap<Pubkey, Vec<GpuReading>>;

/// Measures all containers that run, until the node ends.
#[derive(Debug)]
pub struct Sampler {
    stats: Stats,
    board: Arc<LeaseBoard>,
    driver: Arc<dyn Driver>,
    clock: Clock,
    known: HashMap<Pubkey, Known>,
    /// At work in `reading` where it is not here.
    meter: Option<Meter>,
    reading: Option<JoinHandle<(Meter, OfGpus)>>,
    walking: Option<JoinHandle<Vec<(Pubkey, DiskStats)>>>,
}

/// What is known of a container that runs.
#[derive(Debug)]
struct Known {
    of: Measured,
    found: Option<Target>,
    tries: u32,
    before: Option<Counters>,
    disk: DiskStats,
    services: Vec<Beside>,
    names: Arc<[String]>,
}

/// A container beside the job's own.
#[derive(Debug)]
struct Beside {
    id: ContainerId,
    found: Option<Target>,
    before: Option<Counters>,
    now: ServiceReading,
}

/// Where a container is measured.
#[derive(Clone, Debug)]
struct Target {
    process: Process,
    groups: Groups,
}

/// What only ever grows, and when it was read.
#[derive(Clone, Copy, Debug)]
struct Counters {
    at: Instant,
    reading: Reading,
    traffic: Option<(u64, u64)>,
}

impl Sampler {
    /// A sampler of what `board` shows as running, on this machine's GPUs. It has to be [`run`](Self::run).
    #[must_use]
    pub fn new(stats: Stats, board: Arc<LeaseBoard>, driver: Arc<dyn Driver>, gpus: GpuSource, clock: Clock) -> Self {
        let meter = Some(Meter::new(gpus));
        Self { stats, board, driver, clock, known: HashMap::new(), meter, reading: None, walking: None }
    }

    /// Runs until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for count in 0u64.. {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = looks.tick() => {}
            }
            let full = count.is_multiple_of(FULL);
            self.keep_up(full).await;
            if full {
                self.disks(count.is_multiple_of(WALK)).await;
                self.measure().await;
            } else {
                self.look().await;
            }
        }
    }

    /// Takes up what has begun to run, and lets go of what has ended.
    async fn keep_up(&mut self, full: bool) {
        let running = self.board.measured();
        let here: HashSet<Pubkey> = running.iter().map(|of| of.lease).collect();
        let stats = &self.stats;
        self.known.retain(|lease, _| {
            let runs = here.contains(lease);
            if !runs {
                stats.end(lease);
            }
            runs
        });
        for of in running {
            let known = self.known.entry(of.lease).or_insert_with(|| Known::new(of.clone()));
            if known.of.run != of.run {
                // It is down, or runs again, in another control group.
                let services = std::mem::take(&mut known.services);
                *known = Known { disk: known.disk, services, ..Known::new(of) };
            }
            if known.of.run.is_none() {
                continue;
            }
            if known.found.is_none() && (full || known.tries < EAGER) {
                known.tries += 1;
                (known.found, known.before) = find(self.driver.as_ref(), &known.of.container).await.unzip();
            }
            for service in known.services.iter_mut().filter(|service| full && service.found.is_none()) {
                (service.found, service.before) = find(self.driver.as_ref(), &service.id).await.unzip();
            }
        }
    }

    /// Only what tells of an end for memory.
    async fn look(&self) {
        let targets: Vec<_> = self.targets().collect();
        let found = tokio::task::spawn_blocking(move || {
            targets.into_iter().map(|(lease, target)| (lease, target.groups.peak(&text))).collect::<Vec<_>>()
        });
        for (lease, peak) in found.await.unwrap_or_default() {
            self.note_peak(&lease, peak);
        }
    }

    fn note_peak(&self, lease: &Pubkey, peak: super::Peak) {
        if let Some(known) = self.known.get(lease).filter(|_| peak.bytes.is_some()) {
            self.stats.note_peak(lease, &known.of.gpus, peak);
        }
    }

    fn targets(&self) -> impl Iterator<Item = (Pubkey, Target)> {
        self.known.iter().filter_map(|(lease, known)| Some((*lease, known.found.clone()?)))
    }

    /// What the services of each lease use, in the order of their names.
    async fn measure_services(&mut self) {
        let beside = self.known.iter().flat_map(|(lease, known)| known.services.iter().map(move |of| (lease, of)));
        let targets: Vec<_> =
            beside.filter_map(|(lease, of)| Some((*lease, of.id.clone(), of.found.clone()?))).collect();
        if targets.is_empty() {
            return;
        }
        let read =
            move || targets.into_iter().map(|(lease, id, target)| (lease, id, target.read())).collect::<Vec<_>>();
        for (lease, id, now) in tokio::task::spawn_blocking(read).await.unwrap_or_default() {
            let services = self.known.get_mut(&lease).map(|known| &mut known.services);
            let Some(service) = services.into_iter().flatten().find(|service| service.id == id) else { continue };
            if now.reading == Reading::default() {
                // It has ended, or runs anew, and is looked for again.
                (service.found, service.before, service.now) = (None, None, ServiceReading::default());
                continue;
            }
            let cpu = service.before.as_ref().and_then(|before| before.millicores_until(&now));
            service.now = ServiceReading {
                used_millicores: cpu,
                limit_millicores: now.reading.cpu_limit,
                memory: now.reading.memory,
                memory_limit: now.reading.peak.limit,
                pids: now.reading.pids.and_then(|pids| u32::try_from(pids).ok()),
            };
            service.before = Some(now);
        }
    }

    async fn measure(&mut self) {
        self.measure_services().await;
        let targets: Vec<_> = self.targets().collect();
        let found = tokio::task::spawn_blocking(move || {
            targets.into_iter().map(|(lease, target)| (lease, target.read())).collect::<Vec<_>>()
        });
        let mut gpus = self.gpus().await;
        let at_ms = u64::try_from(self.clock.now_ms()).unwrap_or(0);
        for (lease, now) in found.await.unwrap_or_default() {
            self.note_peak(&lease, now.reading.peak);
            let Some(known) = self.known.get_mut(&lease) else { continue };
            // Of a container that is ending there is nothing left to read; of one that has just begun nothing can be said yet.
            let fresh = known.before.is_some_and(|before| now.at.saturating_duration_since(before.at) < LOOK / 2);
            if now.reading == Reading::default() || fresh {
                continue;
            }
            let stats = known.stats(at_ms, &now);
            known.before = Some(now);
            let gpus = gpus.remove(&lease).unwrap_or_else(|| vec![GpuReading::default(); known.of.gpus.len()]);
            let services = known.services.iter().map(|service| service.now).collect();
            let sample = Sample { stats, gpus: gpus.into(), services, names: Arc::clone(&known.names) };
            self.stats.push(&lease, &known.of.gpus, sample);
        }
    }

    /// What the GPUs do. Where they do not answer, the rest goes on without them until they do.
    async fn gpus(&mut self) -> OfGpus {
        let patience = if self.reading.is_some() { Duration::ZERO } else { GPU_PATIENCE };
        if self.reading.is_none() {
            let wanted = self.known.values().filter(|known| !known.of.gpus.is_empty());
            let wanted: Vec<_> = wanted.map(|known| (known.of.lease, known.of.gpus.clone())).collect();
            let Some(mut meter) = self.meter.take_if(|_| !wanted.is_empty()) else { return OfGpus::new() };
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let found = wanted.into_iter().map(|(lease, uuids)| (lease, meter.read(&uuids))).collect();
                (meter, found)
            }));
        }
        let Some(reading) = &mut self.reading else { return OfGpus::new() };
        match tokio::time::timeout(patience, reading).await {
            Ok(Ok((meter, found))) => {
                (self.meter, self.reading) = (Some(meter), None);
                found
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "what the GPUs do is not measured any more");
                self.reading = None;
                OfGpus::new()
            }
            Err(_) => OfGpus::new(),
        }
    }

    /// What the disks hold: at once where the kernel counts, else beside everything else, for a job may have a million files.
    async fn disks(&mut self, walk: bool) {
        if let Some(walked) = self.walking.take_if(|walking| walking.is_finished()) {
            for (lease, disk) in walked.await.unwrap_or_default() {
                self.known.entry(lease).and_modify(|known| known.disk = disk);
            }
        }
        let all: Vec<Measured> = self.known.values().map(|known| known.of.clone()).collect();
        // A disk that does not answer holds up this, and no other task.
        let count = move || all.into_iter().map(|of| (DiskKeeper::counted(&of.dir), of)).collect::<Vec<_>>();
        let mut uncounted = Vec::new();
        for (counted, of) in tokio::task::spawn_blocking(count).await.unwrap_or_default() {
            match counted {
                Some((used, limit)) => {
                    let disk = DiskStats { used_bytes: Some(used), limit_bytes: Some(limit) };
                    self.known.entry(of.lease).and_modify(|known| known.disk = disk);
                }
                None => uncounted.push(of),
            }
        }
        if walk && self.walking.is_none() && !uncounted.is_empty() {
            let walk = move || uncounted.into_iter().map(|of| (of.lease, walked(&of))).collect();
            self.walking = Some(tokio::task::spawn_blocking(walk));
        }
    }
}

fn walked(of: &Measured) -> DiskStats {
    let quota = of.resources.as_ref().and_then(|resources| Quota::of(resources, present_bytes(&of.dir)));
    DiskStats {
        used_bytes: Some(usage::measure(&of.dir, std::slice::from_ref(&of.container.0)).bytes),
        limit_bytes: quota.map(|quota| quota.bytes),
    }
}

/// Where a container is measured, and what it has used until now.
async fn find(driver: &dyn Driver, id: &ContainerId) -> Option<(Target, Counters)> {
    let process = driver.process(id).await.ok()?;
    let look = move || {
        let cgroup = process.groups()?;
        let groups = Groups::locate(&text(Path::new("/proc/self/mountinfo"))?, &cgroup);
        let target = Target { process, groups };
        let counters = target.read();
        Some((target, counters))
    };
    tokio::task::spawn_blocking(look).await.ok().flatten()
}

fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

impl Target {
    fn read(&self) -> Counters {
        let traffic = text(Path::new(&format!("/proc/{}/net/dev", self.process.pid)));
        // What was read is the container's if its process still runs now.
        let traffic = traffic.filter(|_| self.process.groups().is_some());
        let reading = self.groups.read(&text);
        Counters { at: Instant::now(), reading, traffic: traffic.and_then(|text| traffic::parse(&text)) }
    }
}

impl Counters {
    /// Thousandths of a core that were used on average between this and a later one.
    fn millicores_until(&self, now: &Self) -> Option<u32> {
        let used_us = now.reading.cpu_us?.checked_sub(self.reading.cpu_us?)?;
        let micros = u64::try_from(now.at.saturating_duration_since(self.at).as_micros()).ok()?;
        u32::try_from(used_us.saturating_mul(1_000).checked_div(micros)?).ok()
    }
}

impl Known {
    fn new(of: Measured) -> Self {
        let beside = |(_, id): &(String, ContainerId)| Beside {
            id: id.clone(),
            found: None,
            before: None,
            now: ServiceReading::default(),
        };
        let (services, names) =
            (of.services.iter().map(beside).collect(), of.services.iter().map(|(name, _)| name.clone()).collect());
        Self { of, found: None, tries: 0, before: None, disk: DiskStats::default(), services, names }
    }

    fn stats(&self, at_ms: u64, now: &Counters) -> LeaseStats {
        let before = self.before.as_ref();
        let passed =
            before.map(|before| now.at.saturating_duration_since(before.at)).filter(|passed| !passed.is_zero());
        let grown = |of: fn(&Counters) -> Option<u64>| of(now)?.checked_sub(of(before?)?);
        let micros = passed.and_then(|passed| u64::try_from(passed.as_micros()).ok());
        let per_s = |of: fn(&Counters) -> Option<u64>| grown(of)?.saturating_mul(1_000_000).checked_div(micros?);
        let cpu = before.and_then(|before| before.millicores_until(now));
        let small = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
        let held_back = grown(|it| Some(it.reading.periods?.1));
        let periods = grown(|it| Some(it.reading.periods?.0));
        // A container that did nothing had no period, and was not held back.
        let throttled =
            held_back.zip(periods).map(|(held, all)| (held * 1_000).checked_div(all).unwrap_or(0).min(1_000));
        LeaseStats {
            at_ms,
            every_s: FINE_S,
            cpu: CpuStats {
                used_millicores: cpu,
                limit_millicores: now.reading.cpu_limit,
                throttled_permille: small(throttled),
            },
            memory: MemoryStats {
                used_bytes: now.reading.memory,
                peak_bytes: now.reading.peak.bytes,
                limit_bytes: now.reading.peak.limit,
                oom_kills: now.reading.peak.kills,
            },
            pids: PidsStats { now: now.reading.pids, limit: now.reading.pids_limit },
            network: NetworkStats {
                rx_bytes: now.traffic.map(|(rx, _)| rx),
                tx_bytes: now.traffic.map(|(_, tx)| tx),
                rx_bytes_per_s: per_s(|it| Some(it.traffic?.0)),
                tx_bytes_per_s: per_s(|it| Some(it.traffic?.1)),
            },
            disk: self.disk,
            gpus: Vec::new(),
            services: Vec::new(),
        }
    }
}
