//! What a lease was sold as on the chain, and whether a manifest asks for more.
//!
//! The node bid on what the job's account says. The manifest comes later and from the buyer, so that nothing of it is
//! acted on before the two are compared.

use gridlease_core::gpu::{MODELS, REGIONS, region_bit};
use gridlease_core::requirement::{Requirement, flags};
use gridlease_core::{Atoms, Bps};
use gridlease_sdk::account::Job;
use gridlease_sdk::instruction::job::RequirementArgs;
use gridlease_sdk::manifest::Manifest;
use gridlease_sdk::manifest::requirement::requirement;
use serde::{Deserialize, Serialize};

use crate::driver::ImageRef;

/// How a field of the requirement binds.
#[derive(Clone, Copy)]
enum Rule {
    /// A quantity: as much as was sold, or less.
    AtMost,
    /// A set of which one member will do, zero for all: whatever was sold has to do.
    OneOf(&'static [&'static str]),
    /// A set of which every member is given: only what was sold.
    Among(&'static [&'static str]),
}

/// Fields of a requirement.
const PARTS: usize = 14;
/// They: key of the manifest where there is one, unit, and rule. In the order of [`values`].
const FIELDS: [(&str, Rule); PARTS] = [
    ("resources.gpu.count", Rule::AtMost),
    ("resources.gpu.model", Rule::OneOf(&MODELS)),
    ("resources.gpu.vram (MiB)", Rule::AtMost),
    ("compute capability (×10)", Rule::AtMost),
    ("resources.gpu.cuda (×100)", Rule::AtMost),
    ("resources.cpu (millicores)", Rule::AtMost),
    ("resources.memory (MiB)", Rule::AtMost),
    ("resources.disk (MiB)", Rule::AtMost),
    ("placement.regions", Rule::OneOf(&REGIONS)),
    ("downstream bandwidth (Mbit/s)", Rule::AtMost),
    ("upstream bandwidth (Mbit/s)", Rule::AtMost),
    ("network and other flags", Rule::Among(&flags::NAMES)),
    ("stake (atoms)", Rule::AtMost),
    ("placement.min_reputation (basis points)", Rule::AtMost),
];

/// What the job's account promised when this node bid on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sold {
    /// Digest of the image.
    #[serde(with = "crate::store::hex32")]
    pub image_digest: [u8; 32],
    /// The requirement, field by field.
    need: [u128; PARTS],
    /// The most that is paid per hour, in atoms.
    pub max_price: u64,
    /// Longest duration in seconds.
    pub max_duration_s: u32,
    /// Leases that the job may have.
    pub attempts: u32,
}

/// A part of a manifest that is not what was sold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{key}: the manifest says {says}, the job was posted with {sold}; post the job again with the requirement of its manifest"
)]
pub struct Unsold {
    /// Key of the manifest, or the requirement's name for it, with its unit.
    pub key: &'static str,
    /// In the manifest.
    pub says: String,
    /// On the chain.
    pub sold: String,
}

impl From<&Job> for Sold {
    fn from(job: &Job) -> Self {
        Self {
            image_digest: job.image_digest,
            need: values(&job.need()),
            max_price: job.max_price,
            max_duration_s: job.max_duration_s,
            attempts: job.attempts.into(),
        }
    }
}

impl Sold {
    /// What a job is posted as whose buyer posts what its manifest says.
    ///
    /// # Errors
    /// [`Unsold`] for a manifest that the chain cannot hold at all.
    pub fn as_written(manifest: &Manifest) -> Result<Self, Unsold> {
        let need = requirement(manifest).map_err(|unfit| Unsold {
            key: unfit.key,
            says: unfit.problem,
            sold: "something else".to_owned(),
        })?;
        Ok(Self {
            image_digest: image_digest(manifest).ok_or_else(|| Unsold {
                key: "image",
                says: manifest.image.clone(),
                sold: "a digest".to_owned(),
            })?,
            need: values(&as_the_rules_see_it(&need)),
            max_price: manifest.price.max_atoms_per_hour,
            max_duration_s: manifest.duration.max_s,
            attempts: manifest.attempts,
        })
    }
}

/// Digest of the manifest's image: what runs where this manifest is run.
#[must_use]
pub fn image_digest(manifest: &Manifest) -> Option<[u8; 32]> {
    let image = ImageRef::parse(&manifest.image).ok()?;
    let mut digest = [0; 32];
    hex::decode_to_slice(image.digest().strip_prefix("sha256:")?, &mut digest).ok()?;
    Some(digest)
}

/// Refuses a manifest that asks for anything that was not sold. Less than what was sold is fine.
///
/// # Errors
/// [`Unsold`] with the first part that was not.
pub fn check(manifest: &Manifest, sold: &Sold) -> Result<(), Unsold> {
    let asked = Sold::as_written(manifest)?;
    if asked.image_digest != sold.image_digest {
        let shown = |digest| format!("sha256:{}", hex::encode(digest));
        return Err(Unsold { key: "image", says: shown(asked.image_digest), sold: shown(sold.image_digest) });
    }
    for ((key, rule), (asked, sold)) in FIELDS.into_iter().zip(asked.need.into_iter().zip(sold.need)) {
        if !rule.holds(asked, sold) {
            return Err(Unsold { key, says: rule.shown(asked), sold: rule.shown(sold) });
        }
    }
    let unsold = |key, says: u64, sold: u64| Unsold { key, says: says.to_string(), sold: sold.to_string() };
    // A price that is capped lower than the job's would be asked of the node, not of the buyer.
    if asked.max_price < sold.max_price {
        return Err(unsold("price.max (atoms per hour)", asked.max_price, sold.max_price));
    }
    if asked.max_duration_s > sold.max_duration_s {
        return Err(unsold("duration.max (s)", asked.max_duration_s.into(), sold.max_duration_s.into()));
    }
    if asked.attempts > sold.attempts {
        return Err(unsold("attempts", asked.attempts.into(), sold.attempts.into()));
    }
    Ok(())
}

impl Rule {
    fn holds(self, asked: u128, sold: u128) -> bool {
        match self {
            Self::AtMost => asked <= sold,
            Self::OneOf(_) => asked == 0 || (sold != 0 && sold & !asked == 0),
            Self::Among(_) => asked & !sold == 0,
        }
    }

    fn shown(self, value: u128) -> String {
        let (names, none) = match self {
            Self::AtMost => return value.to_string(),
            Self::OneOf(names) => (names, "any"),
            Self::Among(names) => (names, "none"),
        };
        let named: Vec<&str> =
            names.iter().enumerate().filter(|(bit, _)| value >> bit & 1 == 1).map(|(_, name)| *name).collect();
        if named.is_empty() { none.to_owned() } else { named.join(", ") }
    }
}

fn values(need: &Requirement) -> [u128; PARTS] {
    // A set with the bit of "any" in it is the set of all.
    let regions = if need.regions & region_bit(0) == 0 { need.regions } else { 0 };
    [
        need.gpu_count.into(),
        need.gpu_models,
        need.vram_mib.into(),
        need.compute_capability.into(),
        need.cuda.into(),
        need.cpu_milli.into(),
        need.memory_mib.into(),
        need.disk_mib.into(),
        regions.into(),
        need.down_mbit.into(),
        need.up_mbit.into(),
        need.flags.into(),
        need.min_stake.0.into(),
        need.min_reputation.0.into(),
    ]
}

fn as_the_rules_see_it(args: &RequirementArgs) -> Requirement {
    Requirement {
        gpu_models: args.models(),
        gpu_count: args.gpu_count,
        vram_mib: args.vram_mib,
        compute_capability: args.compute_capability,
        cuda: args.cuda,
        cpu_milli: args.cpu_milli,
        memory_mib: args.memory_mib,
        disk_mib: args.disk_mib,
        regions: args.regions,
        down_mbit: args.down_mbit,
        up_mbit: args.up_mbit,
        flags: args.flags,
        min_stake: Atoms(args.min_stake),
        min_reputation: Bps(args.min_reputation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(more: &str) -> Manifest {
        let text = format!(
            "version: 1\nname: j\nimage: a.example/b@sha256:{}\nresources: {{ cpu: 2, memory: 16GiB, disk: 1GiB, \
             gpu: {{ model: [h100, a100], count: 2, vram: 24GiB, cuda: \">=12.4\" }} }}\nprice: {{ max: 1.80 }}\n\
             duration: {{ max: 1h }}\nattempts: 2\nplacement: {{ regions: [eu, us], min_reputation: 0.8 }}\n{more}",
            "ab".repeat(32)
        );
        Manifest::from_yaml(&text, "job.yaml").unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn sold(change: impl FnOnce(&mut Sold)) -> Result<(), Unsold> {
        let manifest = manifest("");
        let mut sold = Sold::as_written(&manifest).unwrap();
        change(&mut sold);
        check(&manifest, &sold)
    }

    #[test]
    fn issue9_04_a_manifest_that_asks_for_more_than_was_sold_is_refused_by_key_with_both_values() {
        sold(|_| ()).unwrap();
        let digest = sold(|s| s.image_digest = [0x11; 32]).unwrap_err();
        assert_eq!(digest.key, "image");
        assert!(digest.says.contains("abab") && digest.sold.contains("1111"), "{digest}");
        // Whatever quantity is sold smaller by one is refused under its own name.
        for (field, (key, rule)) in FIELDS.iter().enumerate() {
            let lessened = sold(|s| s.need[field] = s.need[field].saturating_sub(1));
            match rule {
                Rule::AtMost if Sold::as_written(&manifest("")).unwrap().need[field] > 0 => {
                    assert_eq!(lessened.unwrap_err().key, *key);
                }
                Rule::AtMost => lessened.unwrap(),
                Rule::OneOf(_) | Rule::Among(_) => {}
            }
        }
        assert_eq!(sold(|s| s.max_price += 1).unwrap_err().key, "price.max (atoms per hour)");
        assert_eq!(sold(|s| s.max_duration_s -= 1).unwrap_err().key, "duration.max (s)");
        assert_eq!(sold(|s| s.attempts -= 1).unwrap_err().key, "attempts");
        let told = sold(|s| s.need[5] = 50).unwrap_err().to_string();
        assert!(
            told.contains("resources.cpu (millicores): the manifest says 2000, the job was posted with 50"),
            "{told}"
        );
    }

    #[test]
    fn a_manifest_that_asks_for_less_than_was_sold_is_fine() {
        sold(|s| {
            for (value, (_, rule)) in s.need.iter_mut().zip(FIELDS) {
                match rule {
                    Rule::AtMost => *value += 1,
                    Rule::OneOf(_) => *value &= value.wrapping_neg(),
                    Rule::Among(_) => *value |= 1,
                }
            }
            (s.max_price, s.max_duration_s, s.attempts) = (s.max_price - 1, s.max_duration_s + 1, s.attempts + 1);
        })
        .unwrap();
    }

    #[test]
    fn a_set_that_was_sold_has_to_do_whole_and_a_flag_has_to_be_among_those_sold() {
        let models = sold(|s| s.need[1] = 0).unwrap_err();
        assert_eq!((models.key, models.sold.as_str()), ("resources.gpu.model", "any"));
        assert!(sold(|s| s.need[1] |= 1 << 40).is_err() && sold(|s| s.need[8] = 0).is_err());
        assert!(!Rule::Among(&flags::NAMES).holds(flags::EGRESS.into(), 0));
        let any = Requirement { regions: 0b11, ..Requirement::default() };
        assert_eq!(values(&any)[8], 0, "a set with any in it is any");
    }

    #[test]
    fn what_was_sold_survives_being_written_down() {
        let sold = Sold::as_written(&manifest("")).unwrap();
        let text = serde_json::to_string(&sold).unwrap();
        assert_eq!(serde_json::from_str::<Sold>(&text).unwrap(), sold);
    }
}
