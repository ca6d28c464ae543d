//! Names the programs' events, as their descriptions in `idl/` list them, for the enums of `src/event.rs`.

use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let idls = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("idls");
    let mut text = String::new();
    for (program, name) in [("market", "MarketEvent"), ("staking", "StakingEvent")] {
        let path = idls.join(format!("{program}.json"));
        println!("cargo::rerun-if-changed={}", path.display());
        let idl: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
        let events = idl["events"].as_array().ok_or("the description lists no events")?;
        let names: Vec<&str> = events.iter().filter_map(|event| event["name"].as_str()).collect();
        text.push_str(&format!("events!({name}, {program}, {});\n", names.join(", ")));
    }
    Ok(fs::write(Path::new(&env::var("OUT_DIR")?).join("events.rs"), text)?)
}
