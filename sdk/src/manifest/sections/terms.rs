//! The terms of the job: `price`, `duration`, `placement`, `verify`, `array`, `ports`.

use super::{number, ready, required, words};
use crate::manifest::read::{Fields, Reader, join};
use crate::manifest::types::{
    Array, Duration, Placement, Port, Price, PriceMode, Public, Verify, VerifyClass, default_wait_s,
};
use crate::manifest::units;
use gridlease_core::limits;

const DURATION_ADVICE: &str = "write a duration with a unit, such as 15m or 2h";
const PRICE_ADVICE: &str = "write US dollars per hour, such as { max: 1.80 }";

pub(super) fn price(reader: &mut Reader, fields: Fields<'_>) -> Price {
    // One atom and no times of its own: nothing that can be found fault with.
    let mut price = Price {
        max_atoms_per_hour: 1,
        mode: PriceMode::Auction,
        window_s: seconds_of(limits::DEFAULT_WINDOW),
        wait_s: default_wait_s(),
    };
    let Some(fields) = required(reader, fields, "", "price", PRICE_ADVICE)
        .and_then(|node| reader.fields("price", node, &["max", "mode", "window", "wait"]))
    else {
        return price;
    };
    if let Some(node) = required(reader, fields, "price", "max", PRICE_ADVICE) {
        let atoms = reader.convert("price.max", node, PRICE_ADVICE, units::atoms);
        price.max_atoms_per_hour = atoms.unwrap_or(1);
    }
    if let Some(node) = fields.get("mode") {
        let modes = [("auction", PriceMode::Auction), ("instant", PriceMode::Instant), ("sealed", PriceMode::Sealed)];
        if let Some(mode) = reader.choice("price.mode", node, &modes) {
            price.mode = mode;
        }
    }
    if price.mode != PriceMode::Auction {
        price.window_s = 0;
    }
    if let Some(node) = fields.get("window") {
        let window = reader.convert("price.window", node, DURATION_ADVICE, units::seconds);
        price.window_s = window.unwrap_or(price.window_s);
    }
    if let Some(node) = fields.get("wait") {
        price.wait_s = reader.convert("price.wait", node, DURATION_ADVICE, units::seconds).unwrap_or(price.wait_s);
    }
    price
}

pub(super) fn duration(reader: &mut Reader, fields: Fields<'_>) -> Duration {
    let advice = "write how long the job may run at most, such as { max: 2h }";
    let mut duration = Duration { max_s: seconds_of(limits::MAX_DURATION), checkpoint_s: None };
    let Some(fields) = required(reader, fields, "", "duration", advice)
        .and_then(|node| reader.fields("duration", node, &["max", "checkpoint"]))
    else {
        return duration;
    };
    if let Some(node) = required(reader, fields, "duration", "max", advice)
        && let Some(max) = reader.convert("duration.max", node, DURATION_ADVICE, units::seconds)
    {
        duration.max_s = max;
    }
    duration.checkpoint_s = fields
        .get("checkpoint")
        .and_then(|node| reader.convert("duration.checkpoint", node, DURATION_ADVICE, units::seconds));
    duration
}

fn seconds_of(value: gridlease_core::quantity::Seconds) -> u32 {
    u32::try_from(value.0).unwrap_or(u32::MAX)
}

pub(super) fn placement(reader: &mut Reader, fields: Fields<'_>) -> Placement {
    let path = "placement";
    let mut placement = Placement { regions: Vec::new(), min_reputation_bps: 0, exclude: Vec::new() };
    let keys = ["regions", "min_reputation", "exclude"];
    let Some(fields) = fields.get(path).and_then(|node| reader.fields(path, node, &keys)) else {
        return placement;
    };
    placement.regions = words(reader, fields, path, "regions", "write a list such as [eu, us]");
    for region in &mut placement.regions {
        region.make_ascii_lowercase();
    }
    placement.exclude = words(reader, fields, path, "exclude", "write a list of provider addresses");
    if let Some(node) = fields.get("min_reputation") {
        let advice = "write a number from 0 to 1, such as 0.8";
        let key = join(path, "min_reputation");
        let share = reader.convert(&key, node, advice, units::basis_points);
        placement.min_reputation_bps = share.unwrap_or(0);
    }
    placement
}

pub(super) fn ports(reader: &mut Reader, fields: Fields<'_>) -> Vec<Port> {
    let Some(node) = fields.get("ports") else {
        return Vec::new();
    };
    let advice = "write a list such as [ { container: 8080, probe: { http: /healthz } } ]";
    let mut ports = Vec::new();
    for (index, item) in reader.items("ports", node, advice).iter().enumerate() {
        let path = format!("ports[{index}]");
        // A harmless number in its place keeps the numbers of the others right.
        let unread = u16::MAX - u16::try_from(index).unwrap_or(u16::MAX - 1);
        let Some(fields) = reader.fields(&path, item, &["container", "name", "public", "probe"]) else {
            ports.push(Port { container: unread, name: None, public: Public::Off, probe: None });
            continue;
        };
        let advice = "write the port's number in the container, 1 to 65535";
        let container = required(reader, fields, &path, "container", advice).and_then(|node| {
            reader.convert(&join(&path, "container"), node, advice, |text| {
                text.parse::<u16>().map_err(|_| (format!("{text:.8} is not a port"), advice.to_owned()))
            })
        });
        let probe = fields.get("probe").and_then(|node| ready::probe(reader, &join(&path, "probe"), node));
        let container = container.unwrap_or(unread);
        let advice = "write a short name such as web";
        let name = fields.get("name").and_then(|node| reader.text(&join(&path, "name"), node, advice));
        let words = [Public::Off, Public::Token, Public::Open].map(|public| (public.word(), public));
        let public = fields.get("public").and_then(|node| reader.choice(&join(&path, "public"), node, &words));
        let name = name.map(str::to_owned);
        ports.push(Port { container, name, public: public.unwrap_or_default(), probe });
    }
    ports
}

pub(super) fn array(reader: &mut Reader, fields: Fields<'_>) -> Option<Array> {
    let node = fields.get("array")?;
    let fields = reader.fields("array", node, &["count", "parameters"])?;
    Some(Array {
        count: number(reader, fields, "array", "count", None, 1),
        parameters: fields.get("parameters").and_then(|node| {
            let advice = "write the path of a CSV file with one row per task";
            reader.text("array.parameters", node, advice).map(str::to_owned)
        }),
    })
}

pub(super) fn verify(reader: &mut Reader, fields: Fields<'_>) -> Verify {
    let mut verify = Verify { class: VerifyClass::None, replicas: 1 };
    let Some(fields) = fields.get("verify").and_then(|node| reader.fields("verify", node, &["class", "replicas"]))
    else {
        return verify;
    };
    let classes = [
        ("none", VerifyClass::None),
        ("hash", VerifyClass::Hash),
        ("fingerprint", VerifyClass::Fingerprint),
        ("attested", VerifyClass::Attested),
        ("service", VerifyClass::Service),
    ];
    if let Some(node) = required(reader, fields, "verify", "class", "write { class: none }")
        && let Some(class) = reader.choice("verify.class", node, &classes)
    {
        verify.class = class;
    }
    let usual = match verify.class {
        VerifyClass::Hash | VerifyClass::Fingerprint => 2,
        VerifyClass::None | VerifyClass::Attested | VerifyClass::Service => 1,
    };
    verify.replicas = number(reader, fields, "verify", "replicas", Some(usual), usual);
    verify
}
