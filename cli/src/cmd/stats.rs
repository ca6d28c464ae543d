//! `gridlease job stats`

use std::pin::pin;
use std::time::Duration;

use bytesize::ByteSize;
use futures_util::StreamExt as _;
use gridlease_sdk::node_api::client::NodeError;
use gridlease_sdk::node_api::stats::{GpuStats, ServiceStats};
use gridlease_sdk::node_api::{LeaseStats, codes};
use serde::Serialize;
use solana_pubkey::Pubkey;

use super::Context;
use crate::buyer::Buyer;
use crate::clock::now_s;
use crate::error::CliError;
use crate::output::{Report, pairs};
use crate::printable::printable;

/// Between two questions to a node whose lease has not been measured yet.
const PAUSE: Duration = Duration::from_secs(1);

/// Widths of the columns of a series.
const WIDTHS: [usize; 9] = [24, 12, 10, 10, 10, 10, 10, 6, 0];

/// Prints what a job's container uses: the last measurement, or those since some time, or those to come.
pub(super) async fn stats(
    context: &Context,
    buyer: &Buyer,
    job: &Pubkey,
    since: Option<Duration>,
    follow: bool,
) -> Result<(), CliError> {
    let out = context.out;
    let mut lease = buyer.lease_of(job).await?;
    let node = buyer.node_of(&lease.provider, &lease.lease).await?;
    let since_ms = since.map(|since| now_s().saturating_sub(since.as_secs()).saturating_mul(1_000));
    let series = follow || since.is_some();
    let mut told = 0usize;
    loop {
        let mut samples = pin!(node.stats(lease.lease, since_ms, follow));
        loop {
            match samples.next().await {
                None => return nothing_since(told, job),
                Some(Err(NodeError::Refused { detail, .. }))
                    if follow && told == 0 && detail.code == codes::WRONG_STATE && !lease.over =>
                {
                    break;
                }
                Some(sample) => {
                    let sample = sample?;
                    if !series {
                        return out.report(&Now(&sample));
                    } else if out.is_json() {
                        out.json_line(&sample)?;
                    } else {
                        if told == 0 {
                            out.line(&row(&["at", "cpu", "memory", "peak", "in/s", "out/s", "disk", "pids", "gpus"]))?;
                        }
                        out.line(&as_row(&sample))?;
                    }
                    told += 1;
                }
            }
        }
        // It has not run for long enough.
        tokio::time::sleep(PAUSE).await;
        lease = buyer.lease_of(job).await?;
    }
}

/// Never nothing said.
fn nothing_since(told: usize, job: &Pubkey) -> Result<(), CliError> {
    if told > 0 {
        return Ok(());
    }
    Err(CliError::State(format!("job {job} was not measured in that time; ask for a longer one with --since")))
}

/// The last measurement, in full.
#[derive(Serialize)]
#[serde(transparent)]
struct Now<'a>(&'a LeaseStats);

impl Report for Now<'_> {
    fn human(&self) -> String {
        let LeaseStats { at_ms, cpu, memory, pids, network, disk, gpus, services, .. } = self.0;
        let of = |now: Option<String>, all: Option<String>| match (now, all) {
            (Some(now), Some(all)) => format!("{now} of {all}"),
            (Some(now), None) => now,
            (None, Some(all)) => format!("- of {all}"),
            (None, None) => "-".to_owned(),
        };
        let with = |text: String, more: Option<String>| more.map_or(text.clone(), |more| format!("{text}, {more}"));
        let cores = of(cpu.used_millicores.map(cores), cpu.limit_millicores.map(|all| format!("{} cores", cores(all))));
        let held_back = cpu.throttled_permille.filter(|held| *held > 0);
        let held_back = held_back.map(|held| format!("held back {} % of the time", held.div_ceil(10)));
        let peak = memory.peak_bytes.map(|peak| format!("at most {} with files", bytes(peak)));
        let kills = memory.oom_kills.filter(|kills| *kills > 0).map(|kills| format!("{kills} killed by the limit"));
        let traffic = |total: Option<u64>, rate: Option<u64>| {
            let total = total.map_or("-".to_owned(), bytes);
            rate.map_or(total.clone(), |rate| format!("{total}, {}/s", bytes(rate)))
        };
        let mut lines = vec![
            ("at", time(*at_ms)),
            ("cpu", with(cores, held_back)),
            ("memory", with(with(of(memory.used_bytes.map(bytes), memory.limit_bytes.map(bytes)), peak), kills)),
            ("processes", of(pids.now.map(|it| it.to_string()), pids.limit.map(|it| it.to_string()))),
            ("received", traffic(network.rx_bytes, network.rx_bytes_per_s)),
            ("sent", traffic(network.tx_bytes, network.tx_bytes_per_s)),
            ("disk", of(disk.used_bytes.map(bytes), disk.limit_bytes.map(bytes))),
        ];
        lines.extend(gpus.iter().map(|gpu| ("gpu", whole(gpu))));
        lines.extend(services.iter().map(|service| ("service", beside(service))));
        if !services.is_empty() {
            lines.push(("together", together(self.0)));
        }
        pairs(lines)
    }
}

fn whole(gpu: &GpuStats) -> String {
    let used = gpu.memory_used_bytes.map_or("-".to_owned(), bytes);
    let all = gpu.memory_total_bytes.map_or("-".to_owned(), bytes);
    let busy = gpu.utilisation_percent.map_or("-".to_owned(), |percent| percent.to_string());
    let power = gpu.power_milliwatts.map_or("-".to_owned(), |milliwatts| (milliwatts / 1_000).to_string());
    let warm = gpu.temperature_c.map_or("-".to_owned(), |celsius| celsius.to_string());
    // A stranger's machine names it.
    let uuid: String = printable(&gpu.uuid).chars().take(64).collect();
    format!("{uuid}: {busy} %, {used} of {all}, {power} W, {warm} °C")
}

/// What all containers of the job use.
fn together(stats: &LeaseStats) -> String {
    let (cpu, memory) = stats.together();
    format!("{} cores, {}", cpu.map_or("-".to_owned(), cores), memory.map_or("-".to_owned(), bytes))
}

/// What a container beside the job's own uses.
fn beside(service: &ServiceStats) -> String {
    let ServiceStats { name, cpu, memory, pids } = service;
    let used = cpu.used_millicores.map_or("-".to_owned(), cores);
    let all = cpu.limit_millicores.map_or("-".to_owned(), cores);
    let (bytes_used, bytes_all) =
        (memory.used_bytes.map_or("-".to_owned(), bytes), memory.limit_bytes.map_or("-".to_owned(), bytes));
    let count = pids.now.map_or("-".to_owned(), |pids| pids.to_string());
    // A stranger's machine names it.
    let name: String = printable(name).chars().take(64).collect();
    format!("{name}: {used} of {all} cores, {bytes_used} of {bytes_all}, {count} processes")
}

fn as_row(sample: &LeaseStats) -> String {
    let or_dash = |value: Option<u64>| value.map_or("-".to_owned(), bytes);
    let cpu = sample.cpu.used_millicores.map_or("-".to_owned(), cores);
    let cpu = sample.cpu.limit_millicores.map_or(cpu.clone(), |all| format!("{cpu}/{}", cores(all)));
    let gpus = sample.gpus.iter().map(|gpu| {
        let busy = gpu.utilisation_percent.map_or("-".to_owned(), |percent| percent.to_string());
        format!("{busy}% {}", or_dash(gpu.memory_used_bytes))
    });
    row(&[
        time(sample.at_ms),
        cpu,
        or_dash(sample.memory.used_bytes),
        or_dash(sample.memory.peak_bytes),
        or_dash(sample.network.rx_bytes_per_s),
        or_dash(sample.network.tx_bytes_per_s),
        or_dash(sample.disk.used_bytes),
        sample.pids.now.map_or("-".to_owned(), |pids| pids.to_string()),
        gpus.collect::<Vec<_>>().join(", "),
    ])
}

/// Columns of widths that do not depend on the rows to come.
fn row(cells: &[impl AsRef<str>]) -> String {
    let padded = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{:<width$}", cell.as_ref()));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn time(at_ms: u64) -> String {
    // The largest times that can be written have four digits for the year.
    let at = std::time::UNIX_EPOCH + Duration::from_millis(at_ms.min(253_402_300_799_000));
    humantime::format_rfc3339_seconds(at).to_string()
}

fn cores(millicores: u32) -> String {
    format!("{}.{:02}", millicores / 1_000, millicores % 1_000 / 10)
}

fn bytes(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> LeaseStats {
        let mut stats = LeaseStats { at_ms: 1_700_000_000_000, every_s: 5, ..LeaseStats::default() };
        stats.cpu.used_millicores = Some(1_420);
        stats.cpu.limit_millicores = Some(2_000);
        stats.cpu.throttled_permille = Some(31);
        stats.memory.used_bytes = Some(512 << 20);
        stats.memory.limit_bytes = Some(1 << 30);
        stats.memory.peak_bytes = Some(1 << 30);
        stats.memory.oom_kills = Some(1);
        stats.gpus = vec![GpuStats {
            uuid: "GPU-\u{1b}]0;x\u{7}a".to_owned(),
            utilisation_percent: Some(97),
            ..GpuStats::default()
        }];
        stats
    }

    #[test]
    fn a_measurement_reads_as_sentences_do_and_says_where_something_is_not_known() {
        let sample = sample();
        let text = Now(&sample).human();
        for line in [
            "2023-11-14T22:13:20Z",
            "1.42 of 2.00 cores, held back 4 % of the time",
            "512.0 MiB of 1.0 GiB, at most 1.0 GiB with files, 1 killed by the limit",
            "97 %, - of -, - W, - °C",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains('\u{1b}') && !text.contains("together"), "{text:?}");
        let mut with_db = sample.clone();
        with_db.services.push(ServiceStats { name: "db\u{1b}[2J".to_owned(), ..ServiceStats::default() });
        with_db.services[0].cpu.used_millicores = Some(80);
        with_db.services[0].memory.used_bytes = Some(512 << 20);
        let text = Now(&with_db).human();
        assert!(text.contains("0.08 of - cores, 512.0 MiB of -, - processes"), "{text}");
        assert!(text.contains("1.50 cores, 1.0 GiB") && !text.contains('\u{1b}'), "{text}");
        let nothing = Now(&LeaseStats { at_ms: u64::MAX, ..LeaseStats::default() }).human();
        assert!(nothing.lines().skip(1).all(|line| line.ends_with('-')), "{nothing}");
    }

    #[test]
    fn a_series_is_a_table_that_can_be_read_while_it_grows() {
        let head = row(&["at", "cpu", "memory", "peak", "in/s", "out/s", "disk", "pids", "gpus"]);
        let line = as_row(&sample());
        assert_eq!(head.find("memory"), line.find("512.0 MiB"), "{head}\n{line}");
        assert!(line.ends_with("97% -"), "{line}");
    }
}
