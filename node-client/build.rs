//! Builds `init/main.rs`, which runs inside containers, as a static program for the same kind of machine; the node carries it.

use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=init/main.rs");
    let get = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let folder = PathBuf::from(get("CARGO_MANIFEST_DIR")?);
    let output = PathBuf::from(get("OUT_DIR")?).join("gridlease-init");
    let status = Command::new(get("RUSTC")?)
        .current_dir(&folder)
        .args(["--crate-name", "gridlease_init", "--edition", "2024", "--target", &get("TARGET")?])
        .args([
            "-C",
            "opt-level=z",
            "-C",
            "panic=abort",
            "-C",
            "lto=fat",
            "-C",
            "codegen-units=1",
            "-C",
            "strip=symbols",
        ])
        // An image may have no C library at all.
        .args(["-C", "target-feature=+crt-static", "-C", "relocation-model=static"])
        .arg("--remap-path-prefix")
        .arg(format!("{}=.", folder.display()))
        .args(["init/main.rs", "-o"])
        .arg(&output)
        .status()?;
    if !status.success() {
        return Err("init/main.rs could not be compiled as a static program; on Debian install libc6-dev".into());
    }
    println!("cargo::rustc-env=GRIDLEASE_INIT={}", output.display());
    Ok(())
}
