//! A container's control groups: where they are, and what their files say. Both editions of the kernel's interface are read, and
//! machines that have some controllers in one and some in the other.

use std::path::{Path, PathBuf};

/// Which file answers a question, and which of its words.
type Field<'a> = (&'a str, Option<&'a str>);

/// Above this a limit is none: the first edition says so with the largest number of pages.
const NO_LIMIT: u64 = 1 << 60;

/// Where the control groups of one container are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    unified: Option<PathBuf>,
    cpu: Option<PathBuf>,
    cpuacct: Option<PathBuf>,
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
}

/// What the files say. `None` where one is missing, or says that there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Processor time since the start, microseconds.
    pub cpu_us: Option<u64>,
    /// Thousandths of a core.
    pub cpu_limit: Option<u32>,
    /// Scheduling periods, and those in which it was held back.
    pub periods: Option<(u64, u64)>,
    /// Bytes in use, without what the kernel would give back at once.
    pub memory: Option<u64>,
    /// The counters that tell of an end for memory.
    pub peak: Peak,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Most of them.
    pub pids_limit: Option<u64>,
}

/// What memory came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peak {
    /// Most bytes that were ever in use.
    pub bytes: Option<u64>,
    /// Bytes that there are.
    pub limit: Option<u64>,
    /// Processes that the limit killed.
    pub kills: Option<u64>,
}

impl Groups {
    /// The groups of the process whose `/proc/PID/cgroup` is given, on a machine with this `/proc/self/mountinfo`.
    pub fn locate(mountinfo: &str, cgroup: &str) -> Self {
        let mounts: Vec<_> = mountinfo.lines().filter_map(Mounted::parse).collect();
        let mut groups = Self::default();
        for line in cgroup.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            // The way to a group that is outside of what is mounted here would lead up.
            if path.split('/').any(|part| part == "..") {
                continue;
            }
            let of = |controller: &str| {
                let mounted = mounts.iter().find(|mounted| mounted.has(controller))?;
                let below = if mounted.root == "/" { path } else { path.strip_prefix(mounted.root)? };
                Some(Path::new(mounted.point).join(below.trim_start_matches('/')))
            };
            if controllers.is_empty() {
                groups.unified = of("");
            }
            for controller in controllers.split(',') {
                let place = match controller {
                    "cpu" => &mut groups.cpu,
                    "cpuacct" => &mut groups.cpuacct,
                    "memory" => &mut groups.memory,
                    "pids" => &mut groups.pids,
                    _ => continue,
                };
                *place = of(controller);
            }
        }
        groups
    }

    /// Reads everything by `read`, which gives a file's text.
    pub fn read(&self, read: &dyn Fn(&Path) -> Option<String>) -> Reading {
        let value = |of: &Option<PathBuf>, field: Field<'_>| number(&read(&of.as_ref()?.join(field.0))?, field.1);
        // Where a controller is of the second edition, its files of the first are not there.
        let either = |first: &Option<PathBuf>, old: Field<'_>, new: Field<'_>| {
            if first.is_some() { value(first, old) } else { value(&self.unified, new) }
        };
        let cached =
            either(&self.memory, ("memory.stat", Some("total_inactive_file")), ("memory.stat", Some("inactive_file")));
        let memory = either(&self.memory, ("memory.usage_in_bytes", None), ("memory.current", None));
        let cpu = if self.cpu.is_some() { &self.cpu } else { &self.unified };
        let periods = value(cpu, ("cpu.stat", Some("nr_periods")));
        Reading {
            cpu_us: match &self.cpuacct {
                Some(_) => value(&self.cpuacct, ("cpuacct.usage", None)).map(|ns| ns / 1_000),
                None => value(&self.unified, ("cpu.stat", Some("usage_usec"))),
            },
            cpu_limit: match &self.cpu {
                Some(_) => millicores(
                    value(&self.cpu, ("cpu.cfs_quota_us", None)),
                    value(&self.cpu, ("cpu.cfs_period_us", None)),
                ),
                None => self.unified.as_ref().and_then(|dir| read(&dir.join("cpu.max"))).and_then(|text| {
                    let mut parts = text.split_whitespace().map(|part| part.parse().ok());
                    millicores(parts.next()?, parts.next()?)
                }),
            },
            periods: periods.zip(value(cpu, ("cpu.stat", Some("nr_throttled")))),
            memory: memory.map(|all| all.saturating_sub(cached.unwrap_or(0))),
            peak: self.peak(read),
            pids: either(&self.pids, ("pids.current", None), ("pids.current", None)),
            pids_limit: either(&self.pids, ("pids.max", None), ("pids.max", None)),
        }
    }

    /// Reads what tells of an end for memory: three small files.
    pub fn peak(&self, read: &dyn Fn(&Path) -> Option<String>) -> Peak {
        let (dir, [peak, limit, kills]): (_, [Field<'_>; 3]) = match &self.memory {
            Some(_) => (
                &self.memory,
                [
                    ("memory.max_usage_in_bytes", None),
                    ("memory.limit_in_bytes", None),
                    ("memory.oom_control", Some("oom_kill")),
                ],
            ),
            None => (&self.unified, [("memory.peak", None), ("memory.max", None), ("memory.events", Some("oom_kill"))]),
        };
        let value = |field: Field<'_>| number(&read(&dir.as_ref()?.join(field.0))?, field.1);
        Peak { bytes: value(peak), limit: value(limit).filter(|bytes| *bytes < NO_LIMIT), kills: value(kills) }
    }
}

/// A number, or the one that follows a word at the beginning of a line.
fn number(text: &str, word: Option<&str>) -> Option<u64> {
    let Some(word) = word else { return text.trim().parse().ok() };
    text.lines().find_map(|line| line.split_once(' ').filter(|(found, _)| *found == word)?.1.trim().parse().ok())
}

fn millicores(quota: Option<u64>, period: Option<u64>) -> Option<u32> {
    u32::try_from(quota?.saturating_mul(1_000).checked_div(period?)?).ok()
}

/// A mounted hierarchy.
struct Mounted<'a> {
    root: &'a str,
    point: &'a str,
    unified: bool,
    options: &'a str,
}

impl<'a> Mounted<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut kind = kind.split(' ');
        let unified = match kind.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        Some(Self { root, point, unified, options: kind.nth(1)? })
    }

    /// Whether it has this controller; the unified hierarchy is asked for by the empty name.
    fn has(&self, controller: &str) -> bool {
        if self.unified { controller.is_empty() } else { self.options.split(',').any(|option| option == controller) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn files(dir: &str, files: &[(&str, &str)]) -> impl Fn(&Path) -> Option<String> {
        let files: HashMap<PathBuf, String> =
            files.iter().map(|(name, text)| (Path::new(dir).join(name), (*text).to_owned())).collect();
        move |path| files.get(path).cloned()
    }

    const V1: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";

    #[test]
    fn the_first_edition_is_read_controller_by_controller() {
        let groups = Groups::locate(
            V1,
            "9:name=systemd:/docker/c\n8:pids:/docker/c\n4:memory:/docker/c\n1:cpu,cpuacct:/docker/c\n0::/\n",
        );
        assert_eq!(groups.memory.as_deref(), Some(Path::new("/sys/fs/cgroup/memory/docker/c")));
        let read = files(
            "/sys/fs/cgroup",
            &[
                ("cpu,cpuacct/docker/c/cpuacct.usage", "5000000000\n"),
                ("cpu,cpuacct/docker/c/cpu.cfs_quota_us", "150000\n"),
                ("cpu,cpuacct/docker/c/cpu.cfs_period_us", "100000\n"),
                ("cpu,cpuacct/docker/c/cpu.stat", "nr_periods 100\nnr_throttled 25\nthrottled_time 1\n"),
                ("memory/docker/c/memory.usage_in_bytes", "1000\n"),
                ("memory/docker/c/memory.stat", "inactive_file 1\ntotal_inactive_file 400\n"),
                ("memory/docker/c/memory.max_usage_in_bytes", "1050\n"),
                ("memory/docker/c/memory.limit_in_bytes", "1073741824\n"),
                ("memory/docker/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
                ("pids/docker/c/pids.current", "3\n"),
                ("pids/docker/c/pids.max", "1024\n"),
            ],
        );
        assert_eq!(
            groups.read(&read),
            Reading {
                cpu_us: Some(5_000_000),
                cpu_limit: Some(1_500),
                periods: Some((100, 25)),
                memory: Some(600),
                peak: Peak { bytes: Some(1_050), limit: Some(1 << 30), kills: Some(2) },
                pids: Some(3),
                pids_limit: Some(1_024),
            }
        );
    }

    const V2: &str =
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot";

    #[test]
    fn the_second_edition_is_one_folder() {
        let groups = Groups::locate(V2, "0::/system.slice/docker-c.scope\n");
        let read = files(
            "/sys/fs/cgroup/system.slice/docker-c.scope",
            &[
                ("cpu.stat", "usage_usec 5000000\nuser_usec 1\nnr_periods 10\nnr_throttled 0\nthrottled_usec 0\n"),
                ("cpu.max", "400000 100000\n"),
                ("memory.current", "1000\n"),
                ("memory.stat", "anon 1\ninactive_file 400\n"),
                ("memory.peak", "1050\n"),
                ("memory.max", "1073741824\n"),
                ("memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n"),
                ("pids.current", "3\n"),
                ("pids.max", "max\n"),
            ],
        );
        assert_eq!(
            groups.read(&read),
            Reading {
                cpu_us: Some(5_000_000),
                cpu_limit: Some(4_000),
                periods: Some((10, 0)),
                memory: Some(600),
                peak: Peak { bytes: Some(1_050), limit: Some(1 << 30), kills: Some(1) },
                pids: Some(3),
                pids_limit: None,
            }
        );
    }

    #[test]
    fn no_limit_is_none_and_an_older_kernel_s_missing_files_are_left_out() {
        let v1 = Groups::locate(V1, "4:memory:/docker/c\n1:cpu,cpuacct:/docker/c\n");
        let read = files(
            "/sys/fs/cgroup",
            &[
                ("memory/docker/c/memory.limit_in_bytes", "9223372036854771712\n"),
                ("cpu,cpuacct/docker/c/cpu.cfs_quota_us", "-1\n"),
                ("cpu,cpuacct/docker/c/cpu.cfs_period_us", "100000\n"),
                ("memory/docker/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n"),
            ],
        );
        assert_eq!(v1.read(&read), Reading::default());
        let v2 = Groups::locate(V2, "0::/c\n");
        let read = files(
            "/sys/fs/cgroup/c",
            &[("cpu.max", "max 100000\n"), ("memory.max", "max\n"), ("memory.current", "7\n")],
        );
        assert_eq!(v2.read(&read), Reading { memory: Some(7), ..Reading::default() });
        assert_eq!(Groups::default().read(&read), Reading::default());
    }

    #[test]
    fn a_hierarchy_that_is_mounted_in_part_is_found_and_one_beside_it_is_not() {
        let mount = "40 31 0:32 /docker/outer /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        let found = |path: &str| Groups::locate(mount, &format!("4:memory:{path}")).memory;
        assert_eq!(found("/docker/outer/c"), Some(PathBuf::from("/sys/fs/cgroup/memory/c")));
        assert_eq!(found("/docker/other"), None);
        assert_eq!(found("/docker/outer/../other"), None);
    }

    #[test]
    fn rubbish_is_nothing() {
        assert_eq!(Groups::locate("\n - \nx y - cgroup2\n", "\n:\n::\n0::\n"), Groups::default());
        assert_eq!(
            (number("", None), number("oom_kill", Some("oom_kill")), number("a b c", Some("a"))),
            (None, None, None)
        );
        assert_eq!(millicores(Some(1), Some(0)), None);
    }
}
