//! Debian packages, and the registry that comes as one.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Host;
use crate::run;

/// Makes sure that `docker-registry` is installed. It is not started: whoever needs it starts one on a port of its own.
///
/// # Errors
/// It is missing and cannot be installed here.
pub fn ensure_registry(host: &Host) -> Result<()> {
    if host.program("docker-registry").is_some() {
        eprintln!("registry: installed");
        return Ok(());
    }
    if !is_debian(&host.os_release) {
        bail!(
            "there is no `docker-registry` on PATH; put the CNCF distribution registry there under this name \
             (https://distribution.github.io/distribution/)"
        );
    }
    install(host, &["docker-registry"])?;
    if host.systemd {
        // The package starts one for everybody at port 5000; nobody asked for that.
        run::run(&mut privileged(host, "systemctl", &["disable", "--now", "docker-registry"]))?;
    }
    eprintln!("registry: installed");
    Ok(())
}

/// Makes sure that the system's OpenSSL can be linked: the local network's dependencies need one, and `.cargo/config.toml` says
/// that it is not compiled from source.
///
/// # Errors
/// It is missing and cannot be installed here.
pub fn ensure_openssl(host: &Host) -> Result<()> {
    let found = host.program("pkg-config").is_some_and(|tool| {
        Command::new(tool).args(["--exists", "openssl"]).status().is_ok_and(|status| status.success())
    });
    if found {
        eprintln!("openssl: installed");
        return Ok(());
    }
    if !is_debian(&host.os_release) {
        bail!(
            "`pkg-config --exists openssl` fails; install pkg-config and OpenSSL's development files, or set \
             OPENSSL_NO_VENDOR=0 to compile a copy of it (five minutes)"
        );
    }
    install(host, &["pkg-config", "libssl-dev"])
}

/// Makes sure that there is a statically linked shell: the tests make images of it.
///
/// # Errors
/// It is missing and cannot be installed here.
pub fn ensure_shell(host: &Host) -> Result<()> {
    if host.program("busybox").is_some() {
        eprintln!("busybox: installed");
        return Ok(());
    }
    if !is_debian(&host.os_release) {
        bail!("there is no `busybox` on PATH; the tests put a statically linked one into their images");
    }
    install(host, &["busybox-static"])
}

/// Makes sure that leases can be given a network and fenced: `nft` and `ip`. Only Linux has them; elsewhere nodes offer none.
///
/// # Errors
/// One is missing and cannot be installed here.
pub fn ensure_network(host: &Host) -> Result<()> {
    if !host.linux {
        eprintln!("network: not on this system; nodes here give their leases none");
        return Ok(());
    }
    for (name, package) in [("nft", "nftables"), ("ip", "iproute2")] {
        ensure_program(host, name, package, &format!("install {package} with your distribution's package manager"))?;
    }
    eprintln!("network: nft and ip are installed");
    Ok(())
}

/// Makes sure that a program is there, which comes with a package of its own; returns its path.
///
/// # Errors
/// It is missing and cannot be installed here; `elsewhere` says what to do where there are no Debian packages.
pub fn ensure_program(host: &Host, name: &str, package: &str, elsewhere: &str) -> Result<PathBuf> {
    if let Some(path) = host.program(name) {
        return Ok(path);
    }
    if !is_debian(&host.os_release) {
        bail!("there is no `{name}` on PATH; {elsewhere}");
    }
    install(host, &[package])
        .with_context(|| format!("there is no `{name}` on PATH; {elsewhere}, or install {package}"))?;
    host.program(name).with_context(|| format!("the package {package} brought no `{name}`; {elsewhere}"))
}

/// Installs Debian packages.
///
/// # Errors
/// We are not allowed to, the package lists cannot be fetched, or a package cannot be installed.
pub fn install(host: &Host, packages: &[&str]) -> Result<()> {
    let by_hand = format!("sudo apt-get update && sudo apt-get install {}", packages.join(" "));
    if host.program("apt-get").is_none() {
        bail!("there is no `apt-get`; install {} yourself", packages.join(", "));
    }
    if !host.root && !sudo_works(host) {
        bail!("{} must be installed, which needs root; run `{by_hand}` and then this again", packages.join(", "));
    }
    eprintln!("setup: installing {}", packages.join(", "));
    let wait = ["-q", "-o", "DPkg::Lock::Timeout=120"];
    let update = [&wait[..], &["update"]].concat();
    run::run(&mut privileged(host, "apt-get", &update))
        .and_then(|()| {
            let flags = ["install", "-y", "--no-install-recommends"];
            let install = [&wait[..], &flags, packages].concat();
            run::run(&mut privileged(host, "apt-get", &install))
        })
        .with_context(|| format!("cannot install {}; try `{by_hand}`", packages.join(", ")))
}

/// A command that runs as root, through `sudo` where we are not.
pub fn privileged(host: &Host, program: &str, arguments: &[&str]) -> Command {
    let program = host.program(program).unwrap_or_else(|| program.into());
    let mut command = if host.root {
        Command::new(program)
    } else {
        let mut sudo = Command::new(host.program("sudo").unwrap_or_else(|| "sudo".into()));
        sudo.arg("-n").arg(program);
        sudo
    };
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Whether `sudo` works without asking for a password.
pub fn sudo_works(host: &Host) -> bool {
    host.program("sudo").is_some_and(|sudo| run::capture(Command::new(sudo).args(["-n", "true"])).is_ok())
}

/// Whether this is Debian, Ubuntu or one of their kin.
pub fn is_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches('"').split(' '))
        .any(|id| id == "debian" || id == "ubuntu")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{install as script, machine};
    use super::*;

    #[test]
    fn debian_and_its_kin_are_recognised() {
        assert!(is_debian("NAME=x\nID=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nID_LIKE=\"rhel\"\n"));
        assert!(!is_debian("PRETTY_NAME=\"not debian\"\n"));
        assert!(!is_debian(""));
    }

    #[test]
    fn a_missing_registry_is_installed_after_the_lists_are_fetched() {
        let (directory, host) = machine();
        let log = directory.path().join("apt.log");
        script(&host, "apt-get", &format!("echo \"$DEBIAN_FRONTEND $*\" >> {}", log.display()));
        ensure_registry(&host).unwrap();
        let log = std::fs::read_to_string(log).unwrap();
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[0].starts_with("noninteractive ") && lines[0].ends_with("update"));
        assert!(lines[1].ends_with("install -y --no-install-recommends docker-registry"));
    }

    #[test]
    fn openssl_is_installed_where_pkg_config_does_not_know_it_and_left_alone_where_it_does() {
        let (_directory, host) = machine();
        let log = host.path[0].join("log");
        script(&host, "apt-get", &format!("echo \"$*\" >> {}", log.display()));
        script(&host, "pkg-config", "exit 1");
        ensure_openssl(&host).unwrap();
        assert!(std::fs::read_to_string(&log).unwrap().trim_end().ends_with("pkg-config libssl-dev"));
        std::fs::remove_file(&log).unwrap();
        script(&host, "pkg-config", "exit 0");
        ensure_openssl(&host).unwrap();
        assert!(!log.exists(), "it was installed again");
    }

    #[test]
    fn an_installed_registry_is_left_alone() {
        let (_directory, host) = machine();
        script(&host, "docker-registry", "exit 0");
        script(&host, "apt-get", "exit 1");
        ensure_registry(&host).unwrap();
    }

    #[test]
    fn a_missing_program_is_installed_with_its_package_and_found() {
        let (_directory, host) = machine();
        let made = host.path[0].join("llvm-cov-22");
        script(&host, "apt-get", &format!("case \"$*\" in *llvm-22) touch {};; esac", made.display()));
        assert_eq!(ensure_program(&host, "llvm-cov-22", "llvm-22", "do this").unwrap(), made);
        let error = ensure_program(&host, "llvm-cov-23", "llvm-22", "do this").unwrap_err().to_string();
        assert!(error.contains("brought no `llvm-cov-23`; do this"), "{error}");
    }

    #[test]
    fn what_fences_leases_is_installed_where_it_is_missing_and_not_looked_for_on_another_system() {
        let (_directory, mut host) = machine();
        let bin = host.path[0].clone();
        let made = |name: &str| bin.join(name);
        script(&host, "ip", "exit 0");
        script(
            &host,
            "apt-get",
            &format!(
                "echo \"$*\" >> {}; case \"$*\" in *nftables) touch {};; esac",
                made("log").display(),
                made("nft").display()
            ),
        );
        ensure_network(&host).unwrap();
        let log = std::fs::read_to_string(made("log")).unwrap();
        assert!(log.contains("nftables") && !log.contains("iproute2"), "{log}");
        std::fs::remove_file(made("nft")).unwrap();
        host.os_release = "ID=fedora\n".to_owned();
        assert!(ensure_network(&host).unwrap_err().to_string().contains("`nft`"));
        host.linux = false;
        ensure_network(&host).unwrap();
    }

    #[test]
    fn without_root_the_message_has_the_command_to_type() {
        let (_directory, mut host) = machine();
        host.root = false;
        script(&host, "apt-get", "exit 0");
        let error = ensure_registry(&host).unwrap_err().to_string();
        assert!(error.contains("sudo apt-get update && sudo apt-get install docker-registry"), "{error}");
    }

    #[test]
    fn elsewhere_the_message_says_what_to_get() {
        let (_directory, mut host) = machine();
        host.os_release = "ID=fedora\n".to_owned();
        let error = ensure_registry(&host).unwrap_err().to_string();
        assert!(error.contains("distribution registry"), "{error}");
    }

    #[test]
    fn a_failing_installation_names_the_package_and_the_way_by_hand() {
        let (_directory, host) = machine();
        script(&host, "apt-get", "echo no network >&2; exit 100");
        let error = format!("{:#}", ensure_registry(&host).unwrap_err());
        assert!(error.contains("cannot install docker-registry"), "{error}");
        assert!(error.contains("100"), "{error}");
    }
}
